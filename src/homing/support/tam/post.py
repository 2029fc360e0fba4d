"""The post of the programme: letters leave through the platform's own door, each until it is accepted."""

import asyncio
from datetime import datetime, timedelta

from homing.ground import db, log
from homing.ground.errors import Temporary
from homing.ground.waiting import set_within
from homing.message.addresses import BadAddress
from homing.support.cases.post import Mail
from homing.support.cases.types import Side
from homing.support.clocks.store import LegalClock
from homing.support.tam import letter_store, notes
from homing.support.tam.desk import Desk
from homing.support.tam.letter_store import Letter
from homing.support.tam.ports import AnswersTo
from homing.support.tam.types import Purpose

_log = log.get("tam")
LOOKS_S = 5.0
AT_ONCE = 20
CLAIM = timedelta(minutes=2)
KEPT = timedelta(days=5)
_FIRST_WAIT_S = 15
_LONGEST_WAIT_S = 3_600
_NEVER = timedelta(days=36_500)
NAME = "Technical Account Management"


class Post:
    """Sends letters for one worker.

    address      that they come from; they are answered to it where the customer's TAM has no address of his own
    answers_to   finds that one
    """

    def __init__(self, pool: db.Pool, desk: Desk, legal: LegalClock, mail: Mail, *, address: str, answers_to: AnswersTo) -> None:
        self._pool = pool
        self._desk = desk
        self._legal = legal
        self._mail = mail
        self._address = address
        self._answers_to = answers_to
        self._news = asyncio.Event()

    def look(self) -> None:
        """Look at once whether something is owed."""
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
                _log.exception("letter_failed", letter=letter.letter_id, record=letter.record_id)
                await self._again(letter, now, type(trouble).__name__)
        return len(letters)

    async def _one(self, letter: Letter, now: datetime) -> None:
        if now - letter.made_at > KEPT:
            await self._again(letter, now, "it could not be sent for five days", give_up=True)
            return
        message_id = f"tam-{letter.letter_id}@{self._address.rpartition('@')[2]}"
        # Whoever disputes what was agreed in his name does not do so with the TAM alone, who wrote it down.
        for_tam = letter.side is Side.CUSTOMER and letter.purpose is not Purpose.CONSENT
        own = await self._answers_to(self._pool, letter.account_id, now) if for_tam else None
        headers = {"Message-ID": f"<{message_id}>", "Reply-To": own or self._address}
        before = await letter_store.references(self._pool, letter) if letter.record_id is not None else []
        if before:
            headers["In-Reply-To"] = f"<{before[0]}>"
            headers["References"] = " ".join(f"<{one}>" for one in reversed(before))
        taken = await self._mail.send(
            letter.email,
            subject=letter.subject,
            text=letter.body,
            sender=(NAME, self._address),
            headers=headers,
        )
        if not taken:
            await self._again(letter, now, "mail cannot be sent from the support address; its domain must be a sending domain")
        elif letter.note_id is not None:
            await notes.sent(self._pool, letter, at=now, message_id=message_id)
        else:
            await self._desk.sent(letter, message_id=message_id)

    async def _again(self, letter: Letter, now: datetime, trouble: str, *, give_up: bool = False) -> None:
        wait = timedelta(seconds=min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** min(letter.attempts - 1, 20)))
        if give_up:
            _log.error("letter_given_up", letter=letter.letter_id, record=letter.record_id, cause=trouble)
        else:
            _log.warning("letter_waits", letter=letter.letter_id, record=letter.record_id, cause=trouble)
        await letter_store.failed(self._pool, letter, due_at=now + (_NEVER if give_up else wait), trouble=trouble)
