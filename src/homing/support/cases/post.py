"""The post: mails that cases owe leave through the platform's own door, as everybody's mail does (sending.py)."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from homing.accounts import store as accounts
from homing.contracts import contacts, people
from homing.contracts import store as contracts
from homing.ground import db
from homing.spool.types import Part
from homing.support.cases import letter_store, steps, store
from homing.support.cases.desk import Desk
from homing.support.cases.happened import Came, Drafted, Undelivered
from homing.support.cases.letter_store import Letter
from homing.support.cases.rules.addresses import Token, Use, link_of, tagged_address
from homing.support.cases.rules.letters import Facts, Text, compose, due, news
from homing.support.cases.rules.resolution import said_on
from homing.support.cases.sending import NOBODY, NOT_SENT, Mail, Round
from homing.support.cases.types import TO_AGREE, TO_SIGN, Case, Message, Proposal, Purpose, Side
from homing.support.clocks import store as clocks
from homing.support.clocks.rules.cadence import in_words
from homing.support.clocks.store import LegalClock
from homing.support.clocks.types import Kind

AT_ONCE = 10
CLAIM = timedelta(seconds=20)  # a receipt is owed within 60, also where workers die
_WITH_LINK = TO_SIGN | TO_AGREE | {Purpose.CONSENT, Purpose.SCOPE, Purpose.CLOSED, Purpose.RESOLVED}
_DUE = frozenset({Purpose.DUE, Purpose.MISSED})
NAME = "Support"
LETTER = "case_letter"  # name of its number in the metadata of its events


class Post(Round[Letter]):
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
        super().__init__(pool, legal, room="cases")
        self._desk = desk
        self._mail = mail
        self._address = address
        self._base = base.rstrip("/")
        self._token = token
        self._numbers = tuple(numbers)

    async def _claim(self, now: datetime) -> list[Letter]:
        return await letter_store.claim(self._pool, now=now, until=now + CLAIM, limit=AT_ONCE)

    async def _failed(self, letter: Letter, *, due_at: datetime, trouble: str) -> None:
        await letter_store.failed(self._pool, letter, due_at=due_at, trouble=trouble)

    def _about(self, letter: Letter) -> dict[str, object]:
        return {"case": letter.case_id}

    async def _send(self, letter: Letter, now: datetime) -> str:
        case = await self._desk.case(letter.case_id)
        if case is None:
            return ""
        if letter.side is Side.PROVIDER:
            reader = await contracts.reader_at(self._pool, case.account_id, now, person_id=letter.person_id)
            if reader is None:
                return NOBODY
            letter = msgspec.structs.replace(letter, person_id=reader.person_id, email=reader.email)  # he may have left since
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
            return NOT_SENT
        await self._desk.sent(letter, message_id=message_id)
        return ""

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
            evidence=said_on(entered[-1]) if entered else "",
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
