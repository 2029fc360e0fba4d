"""The post of the programme: letters leave through the platform's own door."""

from datetime import datetime, timedelta

from homing.contracts import store as contracts
from homing.ground import db
from homing.support.cases.rules.addresses import Token, Use, tagged_address
from homing.support.cases.sending import NOBODY, NOT_SENT, Mail, Round
from homing.support.cases.types import Side
from homing.support.clocks.store import LegalClock
from homing.support.tam import letter_store, notes
from homing.support.tam.desk import Desk
from homing.support.tam.letter_store import Letter
from homing.support.tam.ports import AnswersTo
from homing.support.tam.types import Purpose

AT_ONCE = 20
CLAIM = timedelta(minutes=2)
NAME = "Technical Account Management"


class Post(Round[Letter]):
    """Sends letters for one worker.

    address      that they come from; they are answered to it where the customer's TAM has no address of his own
    answers_to   finds that one
    token        keyed digest of 16 bytes, as for mail of threads: it signs what answers to that one come to
    """

    def __init__(
        self,
        pool: db.Pool,
        desk: Desk,
        legal: LegalClock,
        mail: Mail,
        *,
        address: str,
        answers_to: AnswersTo,
        token: Token,
    ) -> None:
        super().__init__(pool, legal, room="tam")
        self._desk = desk
        self._mail = mail
        self._address = address
        self._answers_to = answers_to
        self._token = token

    async def _claim(self, now: datetime) -> list[Letter]:
        return await letter_store.claim(self._pool, now=now, until=now + CLAIM, limit=AT_ONCE)

    async def _failed(self, letter: Letter, *, due_at: datetime, trouble: str) -> None:
        await letter_store.failed(self._pool, letter, due_at=due_at, trouble=trouble)

    def _about(self, letter: Letter) -> dict[str, object]:
        return {"record": letter.record_id}

    async def _send(self, letter: Letter, now: datetime) -> str:
        to = letter.email
        if letter.side is Side.PROVIDER:
            reader = await contracts.reader_at(self._pool, letter.account_id, now, person_id=letter.person_id)
            if reader is None:
                return NOBODY
            to = reader.email  # he who was meant may have left since
        message_id = f"tam-{letter.letter_id}@{self._address.rpartition('@')[2]}"
        # Whoever disputes what was agreed in his name does not do so with the TAM alone, who wrote it down.
        for_tam = letter.side is Side.CUSTOMER and letter.purpose is not Purpose.CONSENT
        own = await self._answers_to(self._pool, letter.account_id, now) if for_tam else None
        answers = tagged_address(own, Use.PROGRAMME, letter.letter_id, self._token) if own else self._address
        headers = {"Message-ID": f"<{message_id}>", "Reply-To": answers}
        before = await letter_store.references(self._pool, letter) if letter.record_id is not None else []
        if before:
            headers["In-Reply-To"] = f"<{before[0]}>"
            headers["References"] = " ".join(f"<{one}>" for one in reversed(before))
        taken = await self._mail.send(
            to,
            subject=letter.subject,
            text=letter.body,
            sender=(NAME, self._address),
            headers=headers,
        )
        if not taken:
            return NOT_SENT
        if letter.note_id is not None:
            await notes.sent(self._pool, letter, at=now, message_id=message_id)
        else:
            await self._desk.sent(letter, message_id=message_id)
        return ""
