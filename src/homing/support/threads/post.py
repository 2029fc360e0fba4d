"""Mail that threads owe leaves through the platform's own door, from the TAM's address."""

from datetime import datetime

from homing.accounts import store as accounts
from homing.contracts import contacts
from homing.contracts import store as contracts
from homing.contracts.types import Tam
from homing.ground import db
from homing.spool.types import Part
from homing.support.cases.post import AT_ONCE, CLAIM
from homing.support.cases.rules.addresses import Token, Use, tagged_address
from homing.support.cases.sending import NOBODY, Mail, Round
from homing.support.cases.types import Side
from homing.support.clocks import store as clocks
from homing.support.clocks.rules.words import in_service_zone
from homing.support.threads import store
from homing.support.threads.desk import Threads, address_of
from homing.support.threads.rules.notices import answer_foot, answer_subject, notice
from homing.support.threads.types import SUBJECT, Letter, Message

NAME = "Support"
_NO_ADDRESS = "this TAM has no address that it could come from"
_NOT_SENT = "mail cannot be sent from the TAM's address; its domain must be a sending domain"


class TamPost(Round[Letter]):
    """Sends letters of threads for one worker.

    fallback   address that notices for the staff come from where the TAM has none; '': none
    token      keyed digest of 16 bytes
    """

    def __init__(self, pool: db.Pool, threads: Threads, mail: Mail, *, fallback: str, token: Token) -> None:
        super().__init__(pool, threads.legal, room="tam")
        self._threads = threads
        self._mail = mail
        self._fallback = fallback
        self._token = token

    async def _claim(self, now: datetime) -> list[Letter]:
        return await store.claim_letters(self._pool, now=now, until=now + CLAIM, limit=AT_ONCE)

    async def _failed(self, letter: Letter, *, due_at: datetime, trouble: str) -> None:
        await store.letter_failed(self._pool, letter.letter_id, due_at=due_at, trouble=trouble)

    async def _send(self, letter: Letter, now: datetime) -> str:
        message = await store.message_by_id(self._pool, letter.message_id)
        if message is None:
            return "its message is not there"
        own = await address_of(self._pool, message.account_id, now)
        address = own or (self._fallback if letter.side is Side.PROVIDER else "")
        if not address:
            return _NO_ADDRESS
        tam = await contracts.tam_at(self._pool, message.account_id, now)
        mail_id = f"thread-{message.account_id}-{letter.letter_id}@{address.rpartition('@')[2]}"
        await store.name_letter(self._pool, letter.letter_id, mail_id)
        headers = {"Message-ID": f"<{mail_id}>"}
        if own:
            headers["Reply-To"] = tagged_address(own, Use.REPLY, letter.letter_id, self._token)
        if letter.side is Side.CUSTOMER:
            taken = await self._answer(letter, message, tam, address, headers)
        else:
            reader = await contracts.reader_at(self._pool, message.account_id, now, person_id=letter.person_id)
            if reader is None:
                return NOBODY
            taken = await self._notice(reader.email, message, tam, address, headers)  # he who was meant may have left since
        if not taken:
            return _NOT_SENT
        await self._threads.sent(letter)
        return ""

    async def _answer(self, letter: Letter, message: Message, tam: Tam | None, address: str, headers: dict[str, str]) -> bool:
        before = await store.references(self._pool, message, letter.person_id)
        if before:
            headers["In-Reply-To"] = f"<{before[0]}>"
            headers["References"] = " ".join(f"<{one}>" for one in reversed(before))
        earlier = await store.messages_of(self._pool, message.account_id, before=message.number, limit=20)
        said = next((one.subject for one in earlier if one.subject and one.contact_id == letter.person_id), "")
        foot = answer_foot(message.author, tam)
        return await self._mail.send(
            letter.email,
            subject=message.subject or answer_subject(said),
            text=f"{message.body.strip()}\n\n{foot}",
            sender=(message.author, address),
            headers=headers,
            attachments=tuple(Part(name=one.name, type="application/octet-stream", data=one.data) for one in message.files),
        )

    async def _notice(self, to: str, message: Message, tam: Tam | None, address: str, headers: dict[str, str]) -> bool:
        account = await accounts.account_by_id(self._pool, message.account_id)
        contact = None
        if message.contact_id is not None:
            contact = await contacts.one(self._pool, message.account_id, message.contact_id)
        kept = await clocks.of_subject(self._pool, SUBJECT, message.message_id)
        due = ""
        if kept and kept[0].reading.due_at is not None and kept[0].reading.pin is not None:
            due = in_service_zone(kept[0].reading.due_at, kept[0].reading.pin.zone)
        subject, text = notice(
            message,
            account="" if account is None else account.name,
            contact="" if contact is None else contact.name,
            due=due,
            tam=tam,
        )
        headers |= {"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"}
        return await self._mail.send(to, subject=subject, text=text, sender=(NAME, address), headers=headers)
