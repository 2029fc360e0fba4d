"""The follower of the log that notices when a mail about a case does not arrive after all, and tells whoever owns the case."""

from collections.abc import Callable, Sequence

import msgspec

from homing.events.types import EventType, Logged
from homing.ground import db
from homing.support.cases import letter_store, steps
from homing.support.cases.happened import Wrote
from homing.support.cases.letter_store import Letter
from homing.support.cases.post import LETTER
from homing.support.cases.rules import writing
from homing.support.cases.steps import Step
from homing.support.cases.types import SYSTEM, Side
from homing.support.clocks.store import LegalClock

_LOST = frozenset(
    {
        EventType.BOUNCE,
        EventType.OUT_OF_BAND,
        EventType.POLICY_REJECTION,
        EventType.GENERATION_FAILURE,
        EventType.GENERATION_REJECTION,
    }
)
_MARK = f'"{LETTER}"'.encode()


class _Detail(msgspec.Struct):
    rcpt_meta: dict[str, msgspec.Raw] = {}
    raw_reason: str = ""
    reason: str = ""


_decode = msgspec.json.Decoder(_Detail, strict=False).decode


class Lost(msgspec.Struct, frozen=True, kw_only=True):
    """A mail that did not arrive, as the log tells it; anybody can write such metadata into a mail of his own."""

    letter_id: int
    account_id: int
    recipient: str
    reason: str


class UndeliveredFollower:
    """A follower of the feed.

    address   of support: mail about cases comes from the account that its domain belongs to
    news      returns who is told that mail waits
    """

    name = "case_letters"
    rests_s = 2.0

    def __init__(self, legal: LegalClock, *, address: str, news: Callable[[], Callable[[], None]]) -> None:
        self._legal = legal
        self._domain = address.rpartition("@")[2]
        self._news = news

    async def cares(self, connection: db.Executor) -> bool:
        """Return whether mail about cases has left."""
        return bool(self._domain) and await letter_store.any_sent(connection)

    async def fold(self, connection: db.Executor, events: Sequence[Logged]) -> None:
        """Note what did not arrive."""
        found: list[tuple[Letter, str]] = []
        for one in lost(events):
            letter = await letter_store.returned(
                connection,
                one.letter_id,
                account_id=one.account_id,
                domain=self._domain,
                recipient=one.recipient,
                reason=one.reason,
            )
            if letter is not None and letter.side is Side.CUSTOMER:
                found.append((letter, one.reason))
        # Always in the order of the cases, so that two workers never wait for each other.
        for letter, reason in sorted(found, key=lambda pair: pair[0].case_id):
            step = await steps.take(connection, letter.case_id, self._legal)
            if step is not None:
                await self._note(step, letter, reason)
        if found:
            self._news()()

    async def _note(self, step: Step, letter: Letter, reason: str) -> None:
        others = [
            one
            for one in await letter_store.of_case(step.connection, letter.case_id)
            if one.message == letter.message and one.side is Side.CUSTOMER and not one.returned
        ]
        wrote = [one.payload for one in step.events if isinstance(one.payload, Wrote)]
        last = wrote[-1] if wrote else None
        made = writing.undelivered(
            step.case,
            message=letter.message,
            purpose=letter.purpose,
            contact_id=letter.person_id,
            reason=reason,
            wholly=not others,
            question=last is not None and last.message == letter.message and last.question,
        )
        await step.commit(made, SYSTEM)


def lost(events: Sequence[Logged]) -> list[Lost]:
    """Return the mails about cases that did not arrive."""
    found: list[Lost] = []
    for event in events:
        if event.type not in _LOST or _MARK not in event.detail:
            continue
        try:
            detail = _decode(event.detail)
            number = msgspec.json.decode(detail.rcpt_meta[LETTER], type=str)
        except (msgspec.MsgspecError, KeyError):
            continue  # one event that cannot be read must not stop the others
        if number.isascii() and number.isdigit() and len(number) < 18:
            reason = detail.raw_reason or detail.reason or event.type.name.lower().replace("_", " ")
            found.append(
                Lost(letter_id=int(number), account_id=event.account_id, recipient=event.recipient.lower(), reason=reason[:500])
            )
    return found
