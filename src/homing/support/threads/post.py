"""Mail that threads owe leaves through the platform's own door, from the TAM's address, each until it is accepted.

A letter is claimed for a while by the worker that sends it. Who dies between the acceptance and writing it down lets it be sent
again, under the same Message-ID.
"""

import asyncio
from datetime import datetime, timedelta

from homing.accounts import store as accounts
from homing.contracts import contacts
from homing.contracts import store as contracts
from homing.contracts.types import Tam
from homing.ground import db, log
from homing.ground.errors import Temporary
from homing.ground.waiting import set_within
from homing.message.addresses import BadAddress
from homing.spool.types import Part
from homing.support.cases.post import AT_ONCE, CLAIM, KEPT, LOOKS_S, NEVER, Mail, wait_after
from homing.support.cases.rules.addresses import Token, Use, tagged_address
from homing.support.cases.types import Side
from homing.support.clocks import store as clocks
from homing.support.clocks.rules.words import in_service_zone
from homing.support.threads import store
from homing.support.threads.desk import Threads, address_of
from homing.support.threads.rules.notices import answer_foot, answer_subject, notice
from homing.support.threads.types import SUBJECT, Letter, Message

_log = log.get("tam")
NAME = "Support"
_NO_ADDRESS = "this TAM has no address that it could come from"
_NOT_SENT = "mail cannot be sent from the TAM's address; its domain must be a sending domain"


class TamPost:
    """Sends letters of threads for one worker.

    fallback   address that notices for the staff come from where the TAM has none; '': none
    token      keyed digest of 16 bytes
    """

    def __init__(self, pool: db.Pool, threads: Threads, mail: Mail, *, fallback: str, token: Token) -> None:
        self._pool = pool
        self._threads = threads
        self._mail = mail
        self._fallback = fallback
        self._token = token
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
        now = await self._threads.legal.now(self._pool)
        letters = await store.claim_letters(self._pool, now=now, until=now + CLAIM, limit=AT_ONCE)
        for letter in letters:
            try:
                trouble = await self._one(letter, now)
                if trouble:
                    await self._again(letter, now, trouble)
            except (Temporary, *db.TEMPORARY) as passing:
                await self._again(letter, now, type(passing).__name__)
            except BadAddress as bad:
                await self._again(letter, now, str(bad), give_up=True)
            except Exception as failed:  # the edge of one letter: the others leave all the same
                _log.exception("letter_failed", letter=letter.letter_id)
                await self._again(letter, now, type(failed).__name__)
        return len(letters)

    async def _one(self, letter: Letter, now: datetime) -> str:
        """Send one; return why it could not be, '' where it was."""
        if now - letter.made_at > KEPT:
            await self._again(letter, now, "it could not be sent for five days", give_up=True)
            return ""
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
            taken = await self._notice(letter, message, tam, address, headers)
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

    async def _notice(self, letter: Letter, message: Message, tam: Tam | None, address: str, headers: dict[str, str]) -> bool:
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
        return await self._mail.send(letter.email, subject=subject, text=text, sender=(NAME, address), headers=headers)

    async def _again(self, letter: Letter, now: datetime, trouble: str, *, give_up: bool = False) -> None:
        wait: timedelta = NEVER if give_up else wait_after(letter.attempts)
        if give_up:
            _log.error("letter_given_up", letter=letter.letter_id, cause=trouble)
        else:
            _log.warning("letter_waits", letter=letter.letter_id, cause=trouble)
        await store.letter_failed(self._pool, letter.letter_id, due_at=now + wait, trouble=trouble)
