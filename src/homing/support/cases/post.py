"""The post: mails that cases owe leave through the platform's own door, as everybody's mail does, each until it is accepted.

A letter is claimed for a while by the worker that sends it. Who dies between the acceptance and writing it down lets it be sent
again, under the same Message-ID.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from homing.accounts import store as accounts
from homing.contracts import contacts, people
from homing.ground import db, log
from homing.ground.errors import Temporary
from homing.ground.waiting import set_within
from homing.message.addresses import BadAddress
from homing.spool.types import Part
from homing.support.cases import letter_store, steps, store
from homing.support.cases.desk import Desk
from homing.support.cases.happened import Came, Drafted, Undelivered
from homing.support.cases.letter_store import Letter
from homing.support.cases.rules.addresses import Token, Use, link_of, tagged_address
from homing.support.cases.rules.letters import Facts, Text, compose, due, news
from homing.support.cases.types import TO_AGREE, TO_SIGN, Case, Message, Proposal, Purpose, Side
from homing.support.clocks import store as clocks
from homing.support.clocks.rules.cadence import in_words
from homing.support.clocks.store import LegalClock
from homing.support.clocks.types import Kind

_log = log.get("cases")
LOOKS_S = 5.0
AT_ONCE = 10
CLAIM = timedelta(seconds=20)  # a receipt is owed within 60, also where workers die
KEPT = timedelta(days=5)
_FIRST_WAIT_S = 15
_LONGEST_WAIT_S = 3_600
NEVER = timedelta(days=36_500)
_WITH_LINK = TO_SIGN | TO_AGREE | {Purpose.CONSENT, Purpose.SCOPE, Purpose.CLOSED, Purpose.RESOLVED}
_DUE = frozenset({Purpose.DUE, Purpose.MISSED})
NAME = "Support"
LETTER = "case_letter"  # name of its number in the metadata of its events


class Mail(Protocol):
    """Sends mail of the platform itself; `ingress.notices.Notices` does."""

    async def send(
        self,
        to: str,
        *,
        subject: str,
        text: str,
        sender: tuple[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        attachments: Sequence[Part] = (),
        metadata: Mapping[str, str] | None = None,
    ) -> bool:
        """Take responsibility for a mail; False: the address that it should come from cannot be used. Raises Temporary."""
        ...


class Post:
    """Sends letters for one worker.

    address   that they come from
    base      what links begin with
    token     keyed digest of 16 bytes
    numbers   of the Severity 1 Line
    """

    def __init__(
        self,
        pool: db.Pool,
        desk: Desk,
        legal: LegalClock,
        mail: Mail,
        *,
        address: str,
        base: str,
        token: Token,
        numbers: Sequence[str] = (),
    ) -> None:
        self._pool = pool
        self._desk = desk
        self._legal = legal
        self._mail = mail
        self._address = address
        self._base = base.rstrip("/")
        self._token = token
        self._numbers = tuple(numbers)
        self._news = asyncio.Event()

    def look(self) -> None:
        """Look now: somebody is owed a mail."""
        self._news.set()

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            self._news.clear()
            try:
                sent = await self.turn()
            except (Temporary, *db.TEMPORARY) as trouble:
                _log.warning("letters_wait", cause=type(trouble).__name__)
                sent = 0
            except Exception:  # the edge of one turn: claims run out, and the next one finds the same letters
                _log.exception("letters_turn_failed")
                sent = 0
            if not sent:
                await set_within(self._news, LOOKS_S)

    async def turn(self) -> int:
        """Send what is due; return how many were tried."""
        now = await self._legal.now(self._pool)
        letters = await letter_store.claim(self._pool, now=now, until=now + CLAIM, limit=AT_ONCE)
        for letter in letters:
            try:
                await self._one(letter, now)
            except (Temporary, *db.TEMPORARY) as trouble:
                await self._again(letter, now, type(trouble).__name__)
            except BadAddress as trouble:
                await self._again(letter, now, str(trouble), give_up=True)
            except Exception as trouble:  # the edge of one letter: the others leave all the same
                _log.exception("letter_failed", letter=letter.letter_id, case=letter.case_id)
                await self._again(letter, now, type(trouble).__name__)
        return len(letters)

    async def _one(self, letter: Letter, now: datetime) -> None:
        if now - letter.made_at > KEPT:
            await self._again(letter, now, "it could not be sent for five days", give_up=True)
            return
        case = await self._desk.case(letter.case_id)
        if case is None:
            return
        message = await store.message(self._pool, letter.case_id, letter.message) if letter.message else None
        text = compose(letter.purpose, case, message, _proposal(case, letter), await self._facts(letter, case))
        message_id = self._message_id(letter)
        await letter_store.name(self._pool, letter.letter_id, message_id)
        taken = await self._mail.send(
            letter.email,
            subject=text.subject,
            text=text.body,
            sender=(NAME, self._address),
            headers=await self._headers(letter, text, message_id),
            attachments=_files(message),
            metadata={LETTER: str(letter.letter_id)},
        )
        if not taken:
            await self._again(letter, now, "mail cannot be sent from the support address; its domain must be a sending domain")
            return
        await self._desk.sent(letter, message_id=message_id)

    def _message_id(self, letter: Letter) -> str:
        return f"case-{letter.case_id}-{letter.letter_id}@{self._address.rpartition('@')[2]}"

    async def _headers(self, letter: Letter, text: Text, message_id: str) -> dict[str, str]:
        made = {
            "Message-ID": f"<{message_id}>",
            "Reply-To": tagged_address(self._address, Use.REPLY, letter.letter_id, self._token),
        }
        before = await letter_store.references(self._pool, letter)
        if before:
            made["In-Reply-To"] = f"<{before[0]}>"
            made["References"] = " ".join(f"<{one}>" for one in reversed(before))
        if text.auto_submitted:
            made["Auto-Submitted"] = text.auto_submitted
            made["X-Auto-Response-Suppress"] = "All"
        return made

    async def _facts(self, letter: Letter, case: Case) -> Facts:
        kept = await clocks.of_subject(self._pool, steps.SUBJECT, case.case_id)
        pins = [one.reading.pin for one in kept if one.reading.pin is not None]
        first = [one.reading for one in kept if one.reading.kind is Kind.FIRST_RESPONSE]
        account = await accounts.account_by_id(self._pool, case.account_id)
        entered = [one for one in case.signatures if one.version == letter.version and one.entered_by]
        return Facts(
            reader=await self._reader(letter, case),
            link=f"{self._base}/support/letter/{link_of(letter.letter_id, self._token)}" if letter.purpose in _WITH_LINK else "",
            agree_address=(
                tagged_address(self._address, Use.AGREE, letter.letter_id, self._token) if letter.purpose in TO_AGREE else ""
            ),
            first_due_at=first[0].due_at if first else None,
            zone=pins[0].zone if pins else None,
            words=await doubt_under(self._pool, letter) if letter.purpose is Purpose.CONFIRM else "",
            dispute_until=entered[-1].dispute_until if entered else None,
            due=next((due(one.reading) for one in kept if letter.purpose in _DUE and one.number == letter.version), ""),
            account=account.name if account is not None else "",
            cadence=next((in_words(one.cadence) for one in case.agreements if one.version == letter.version), ""),
            step_down=case.downgrade[2] if case.downgrade is not None and case.downgrade[0] == letter.version else "",
            numbers=self._numbers,
            evidence=f"{entered[-1].method.value}: {entered[-1].evidence}" if entered else "",
            undelivered=await self._undelivered(letter, case) if letter.purpose is Purpose.UNDELIVERED else "",
            news=await self._what_happened(letter) if letter.purpose is Purpose.STAFF else "",
        )

    async def _undelivered(self, letter: Letter, case: Case) -> str:
        events = await store.events_of(self._pool, letter.case_id)
        lost = next((one.payload for one in events if one.seq == letter.version), None)
        if not isinstance(lost, Undelivered):
            return ""
        contact = await contacts.one(self._pool, case.account_id, lost.contact_id)
        whom = "a contact" if contact is None else f"{contact.name} ({contact.email})"
        what = lost.purpose.value.replace("_", " ")
        return f"A mail to {whom} did not arrive ({what}{f', message {lost.message}' if lost.message else ''}): {lost.reason}"

    async def _what_happened(self, letter: Letter) -> str:
        events = [one for one in await store.events_of(self._pool, letter.case_id) if one.at == letter.made_at]
        came = next((one.payload for one in events if isinstance(one.payload, Came)), None)
        message = None if came is None else await store.message(self._pool, letter.case_id, came.message)
        return news([one.payload for one in events], "" if message is None else message.body)

    async def _reader(self, letter: Letter, case: Case) -> str:
        if letter.side is Side.PROVIDER:
            person = await people.one(self._pool, letter.person_id)
            return person.name if person is not None else ""
        contact = await contacts.one(self._pool, case.account_id, letter.person_id)
        return contact.name if contact is not None else ""

    async def _again(self, letter: Letter, now: datetime, trouble: str, *, give_up: bool = False) -> None:
        if give_up:
            _log.error("letter_given_up", letter=letter.letter_id, case=letter.case_id, cause=trouble)
        else:
            _log.warning("letter_waits", letter=letter.letter_id, case=letter.case_id, cause=trouble)
        await letter_store.failed(
            self._pool, letter, due_at=now + (NEVER if give_up else wait_after(letter.attempts)), trouble=trouble
        )


def wait_after(attempts: int) -> timedelta:
    """Return how long a letter waits after so many attempts."""
    return timedelta(seconds=min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** min(attempts, 20)))


async def doubt_under(executor: db.Executor, letter: Letter) -> str:
    """Return what the reader of a letter has said under the approval that it asks him to confirm; '' if nothing."""
    drafts = [
        one.payload.words
        for one in await store.events_of(executor, letter.case_id)
        if isinstance(one.payload, Drafted) and one.at <= letter.made_at and one.payload.contact_id == letter.person_id
    ]
    return drafts[-1] if drafts else ""


def _proposal(case: Case, letter: Letter) -> Proposal | None:
    return case.proposals[letter.version - 1] if 0 < letter.version <= len(case.proposals) else None


def _files(message: Message | None) -> tuple[Part, ...]:
    if message is None or message.side is not Side.PROVIDER:
        return ()
    return tuple(Part(name=one.name, type="application/octet-stream", data=one.data) for one in message.attachments)
