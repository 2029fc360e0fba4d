"""Answers carriers: takes a call in before the first word is spoken, walks it through the script, keeps what the caller gives.

A request is one transaction that holds the call's row. Repeated requests get the answer that they got before; requests out of
order get the document of where the call stands; those for calls that are over are refused.
"""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from msgspec import structs

from homing.contracts import contacts
from homing.contracts import store as contracts
from homing.contracts.types import Contact, ContactRole
from homing.ground import db
from homing.ground.log import get
from homing.ground.secrets import MasterKey
from homing.hours.types import ServiceZone
from homing.support.clocks.rules.pins import pins_of
from homing.support.clocks.rules.pins import promise as pinned
from homing.support.clocks.store import Calendars
from homing.support.clocks.types import Kind
from homing.support.line import store
from homing.support.line.addresses import LineAddresses
from homing.support.line.attempts import entitlement
from homing.support.line.away_book import key_of
from homing.support.line.ladders import Ladders
from homing.support.line.rules import callback, script
from homing.support.line.rules.document import Document, Gather, Hangup, Say
from homing.support.line.rules.offline import OFFLINE
from homing.support.line.rules.promise import promise
from homing.support.line.rules.script import Facts, Heard
from homing.support.line.store import LegalClock, NewCall
from homing.support.line.types import (
    Answers,
    Call,
    CallState,
    Carrier,
    Happened,
    LineSettings,
    Page,
    PageReason,
    Proof,
    Source,
    Step,
)

log = get("line")

ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"  # what cannot be misheard as another
LATE = timedelta(seconds=60)  # after its end a call's last requests may still come in
TEST_WITHIN = timedelta(seconds=60)
RECORDING_WAITS = timedelta(seconds=60)  # a recording that nobody reported as complete is fetched then
WRONG_PINS = 5  # of one caller in an hour; more are not looked up, and the call goes on
WRONG_PINS_OF_ALL = 50


class Replayed(Exception):
    """A request for a call that is over: somebody plays it again, or a carrier is far too late."""


class Desk:
    """Takes calls. One for a worker.

    base   what our public addresses begin with
    """

    def __init__(
        self,
        pool: db.Pool,
        legal: LegalClock,
        master_key: MasterKey,
        settings: LineSettings,
        *,
        base: str,
        ladders: Ladders,
    ) -> None:
        self._pool = pool
        self._legal = legal
        self._master_key = master_key
        self.settings = settings
        self._base = base
        self._ladders = ladders

    # a call ---------------------------------------------------------------------------------------------------------------

    async def inbound(
        self, carrier: Carrier, happened: Happened, *, source: Source = Source.CALL, at: datetime | None = None
    ) -> Document:
        """Take a call that rings, and return the first words. at: when it rang, where that was not now."""
        async with self._transaction() as (connection, now):
            one = await self._taken(connection, carrier, happened, now, source=source, at=at)
            if one is None:
                return (Hangup(),)
            self._refuse_if_over(one, now)
            seen = await store.turn_of(connection, one.intake_id, "inbound", 0, b"")
            if seen is not None:
                return seen
            document = await self._document(connection, carrier, one, now)
            await store.add_turn(connection, one.intake_id, "inbound", 0, b"", document, now)
            return document

    async def step(
        self, carrier: Carrier, step: str, turn: int, happened: Happened, *, empty: bool = False, at: datetime | None = None
    ) -> Document:
        """Take the answer to a question, and return what is spoken next.

        empty    the carrier came to the end of a document: there was no answer
        raises   Replayed
        """
        digits = self._digest(happened, empty)
        async with self._transaction() as (connection, now):
            one = await self._taken(connection, carrier, happened, now, at=at)
            if one is None:
                return (Hangup(),)
            self._refuse_if_over(one, now)
            seen = await store.turn_of(connection, one.intake_id, step, turn, digits)
            if seen is not None:
                return seen
            if happened.recording_url or happened.recording_id:
                await self._expect(connection, one, step, turn, happened, now + RECORDING_WAITS)
            if one.ended_at is not None:
                await self._late(connection, one, step, turn, happened, now)
                return (Hangup(),)
            if step == one.state.step.value and turn == one.state.turn:
                one = await self._advanced(connection, carrier, one, happened, now, empty=empty)
            document = await self._document(connection, carrier, one, now)
            await store.add_turn(connection, one.intake_id, step, turn, digits, document, now)
            return document

    async def whisper(self, carrier: Carrier, intake_id: int, person_id: int) -> Document:
        """Return what somebody on duty hears; nothing of the customer before he accepts (model, section 4.5)."""
        action = LineAddresses(self._base, carrier.name, intake_id).accept(person_id)
        return (Gather(action=action, prompt=(Say(script.WHISPER),), digits=1, timeout_s=8), Hangup())

    async def whisper_accept(
        self, carrier: Carrier, intake_id: int, person_id: int, happened: Happened, *, at: datetime | None = None
    ) -> Document:
        """Connect who pressed 1; whoever did not, or is too late, is let go: a voicemail accepts nothing. at: as of `inbound`."""
        if happened.digits != "1":
            return (Hangup(),)
        async with self._transaction() as (connection, now):
            one = await store.call(connection, intake_id)
            if one is None or one.carrier != carrier.name or (one.ended_at is not None and (at is None or one.ended_at < at)):
                return (Hangup(),)
            one = await store.call_locked(connection, one.carrier, one.call_id)
            assert one is not None
            if one.accepted_by is None:
                began = now if at is None else min(at, now)
                await store.sql.accept_call(connection, intake_id=intake_id, person_id=person_id, at=began)
                await self._talks(connection, one, person_id, began, now)
            await store.note(connection, intake_id, now, f"staff {person_id}", "accepted live")
        return ()

    async def status(self, carrier: Carrier, happened: Happened, *, at: datetime | None = None) -> None:
        """Note how far a call has come. Numbers that are not higher than the last one came late, and say nothing."""
        async with self._transaction() as (connection, now):
            one = await self._taken(connection, carrier, happened, now, at=at)
            if one is None or (happened.sequence is not None and happened.sequence <= one.sequence):
                return
            if happened.sequence is not None:
                await store.sql.put_sequence(connection, intake_id=one.intake_id, sequence=happened.sequence)
            if happened.status is None or not happened.status.is_end or one.ended_at is not None:
                return
            await self._talked(connection, one, now)
            partial = one.state.step not in (Step.DONE, Step.TAKEN, Step.CONFIRM)
            await store.sql.end_call(
                connection, intake_id=one.intake_id, now=now, partial=partial, sequence=max(one.sequence, happened.sequence or 0)
            )
            await store.note(
                connection, one.intake_id, now, "carrier", "call ended", status=happened.status.value, step=one.state.step.value
            )

    async def recording(self, carrier: Carrier, step: str, turn: int, happened: Happened, *, at: datetime | None = None) -> None:
        """Note that a recording can be fetched, or that there is none."""
        async with self._transaction() as (connection, now):
            one = await self._taken(connection, carrier, happened, now, at=at)
            if one is None:
                return
            if happened.recording_status == "absent":
                await store.sql.absent_recording(
                    connection, intake_id=one.intake_id, step=step, turn=turn, sid=happened.recording_id, now=now
                )
            elif happened.recording_status in ("completed", ""):
                await self._expect(connection, one, step, turn, happened, now)

    async def offline(self, carrier: Carrier, happened: Happened, *, at: datetime | None = None) -> Document:
        """Take what a caller said while the store was away."""
        async with self._transaction() as (connection, now):
            one = await self._taken(connection, carrier, happened, now, source=Source.JOURNAL, at=at)
            if one is not None and (happened.recording_url or happened.recording_id):
                await self._expect(connection, one, OFFLINE, 0, happened, now)
        return (Say(script.GOODBYE), Hangup())

    async def reconciled(self, carrier: Carrier, happened: Happened, *, at: datetime) -> int | None:
        """Take a call in that the carrier knows and we do not: its webhook was lost. It rang when the carrier says.

        returns   its number; None where it is known after all
        """
        async with self._transaction() as (connection, now):
            known = await store.call_locked(connection, carrier.name, happened.call_id)
            if known is not None:
                return None
            one = await self._taken(connection, carrier, happened, now, source=Source.RECONCILED, at=min(at, now))
            return None if one is None else one.intake_id

    # without a telephone --------------------------------------------------------------------------------------------------

    async def written(
        self,
        source: Source,
        key: str,
        answers: Answers,
        *,
        account_id: int | None = None,
        pin: str = "",
        ip: str = "",
        most_from_ip: int = 0,
        at: datetime | None = None,
        reference: str = "",
    ) -> Call | None:
        """Take in what somebody wrote who cannot phone; the same key is the same call.

        answers       checked; `phone` is E.164
        at            when it came, where that was not now
        reference     what he was told; '': what follows from the key
        most_from_ip  forms of an address in an hour; 0: any number
        returns       None where an address sent too many
        """
        async with self._transaction() as (connection, now):
            known = await store.call_locked(connection, source.value, key)
            if known is not None:
                return known
            if most_from_ip and await store.sql.forms_from(connection, since=now - timedelta(hours=1), ip=ip) >= most_from_ip:
                return None
            proof = Proof.KEY if account_id is not None else Proof.NONE
            looks = bool(pin) and account_id is None and await self._may_try(connection, caller=ip, now=now)
            if looks:
                account_id = await contacts.account_by_pin(connection, self._master_key, pin)
                proof = Proof.PIN if account_id is not None else Proof.NONE
            new = NewCall(
                carrier=source.value,
                call_id=key,
                source=source,
                reference=reference or self.reference_of(source, key),
                caller="",
                called="",
                first_ring_at=at or now,
                state=CallState(step=Step.DONE, answers=answers),
                account_id=account_id,
                proof=proof,
                ended_at=now,
            )
            one = await self._added(connection, new, now)
            if one is None:  # another worker was quicker
                return await store.call_locked(connection, source.value, key)
            if looks and account_id is None:  # one that was not looked up may be right, and keeps nobody out for longer
                await store.note(connection, one.intake_id, now, "homing", "wrong pin", caller=ip)
            waited = {} if at is None else {"waited_in_journal": True}
            await store.note(connection, one.intake_id, now, "homing", source.value, ip=ip, **waited)
            if account_id is not None:
                contact = await self._contact(connection, account_id, answers)
                one = structs.replace(one, contact_id=None if contact is None else contact.contact_id)
                one = structs.replace(one, entitlement=await entitlement(connection, account_id, now))
                await store.put_state(connection, one)
            return one

    def reference_of(self, source: Source, key: str) -> str:
        """Return the reference of what somebody wrote: known before the store is, and the same for the same key."""
        digest = self._master_key.token(f"{source}\0{key}".encode("utf-8", "replace"), purpose="line reference")
        return "S1-" + "".join(ALPHABET[one % len(ALPHABET)] for one in digest[:6])

    async def zone_of(self, executor: db.Executor, account_id: int | None, at: datetime) -> ServiceZone | None:
        """Return an account's Service Time Zone: of several Order Forms that whose hours give the earlier due (E18)."""
        forms = [] if account_id is None else await contracts.order_forms_at(executor, account_id, at)
        zones = {form.zone for form in forms}
        if len(zones) < 2:
            return zones.pop() if zones else None
        calendars = Calendars(executor)
        await calendars.load(pins_of(forms))
        pin = pinned(Kind.FIRST_RESPONSE, forms, at, calendars.of).pin
        return None if pin is None else pin.zone

    # steps ----------------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[tuple[Any, datetime]]:
        with db.trouble_is_temporary():
            async with self._pool.acquire() as connection, connection.transaction():
                yield connection, await self._legal.now(connection)

    async def _taken(
        self,
        connection: db.Executor,
        carrier: Carrier,
        happened: Happened,
        now: datetime,
        *,
        source: Source = Source.CALL,
        at: datetime | None = None,
    ) -> Call | None:
        """Return the call of a request, taken in now if it was not known; None: it is a test call of ours."""
        known = await store.call_locked(connection, carrier.name, happened.call_id)
        if known is not None:
            return known
        rang = at or now
        if carrier.test_from == happened.caller != "" and await self._is_test(connection, carrier, happened, now, rang=rang):
            return None
        new = NewCall(
            carrier=carrier.name,
            call_id=happened.call_id,
            source=source if at is None or source is not Source.CALL else Source.JOURNAL,
            reference=_reference(),
            caller=happened.caller,
            called=happened.called or carrier.numbers[0],
            attestation=happened.attestation,
            first_ring_at=rang,
            state=CallState(),
            ended_at=now if happened.status is not None and happened.status.is_end else None,
            partial=happened.status is not None and happened.status.is_end,
        )
        made = await self._added(connection, new, now)
        return made or await store.call_locked(connection, carrier.name, happened.call_id)

    async def _added(self, connection: db.Executor, new: NewCall, now: datetime) -> Call | None:
        """Take a call in, owe its call-back and have people paged; None where another transaction just did."""
        hint = None
        if new.caller:
            hint = callback.known_by(new.caller, await contacts.by_phone(connection, new.caller))
        if hint is not None and new.account_id is None:
            entitled = await entitlement(connection, hint.account_id, new.first_ring_at)
            new = structs.replace(
                new, account_id=hint.account_id, contact_id=hint.contact_id, proof=Proof.CALLER_ID, entitlement=entitled
            )
        due = callback.due_at(new.first_ring_at)
        intake_id = await store.add_call(connection, new, due_at=due, decide_by=new.first_ring_at + callback.DECIDE, now=now)
        if intake_id is None:
            return None
        await store.note(
            connection,
            intake_id,
            now,
            "homing",
            "taken in",
            source=new.source.value,
            caller=new.caller,
            attestation=new.attestation,
            first_ring_at=new.first_ring_at.isoformat(),
            due_at=due.isoformat(),
        )
        one = await store.call(connection, intake_id)
        assert one is not None
        one = await self._linked(connection, one, now)
        await self._paged(connection, one, now)
        log.info("sev1_taken_in", intake=intake_id, source=new.source.value, carrier=new.carrier, account_id=new.account_id)
        return one

    async def _paged(self, connection: Any, one: Call, now: datetime) -> None:
        """Have people woken. If on-call fails the call stands all the same, and the keeper tries again within a second."""
        owed = await store.obligation(connection, one.intake_id)
        assert owed is not None
        page = Page(
            reason=PageReason.CALL,
            reference=one.reference,
            obligation_id=owed.obligation_id,
            account_id=one.account_id,
            first_ring_at=one.first_ring_at,
            due_at=owed.due_at,
            away=key_of(one.carrier, one.call_id),
        )
        if await self._ladders.start(connection, page, now):
            await store.sql.set_paged(connection, intake_id=one.intake_id, now=now)

    async def _linked(self, connection: db.Executor, one: Call, now: datetime) -> Call:
        """Link a call to the one that the same customer waits for already; the earlier promise stands (E12)."""
        before = await store.waiting_before(connection, one, now)
        if not before:
            return one
        due = callback.linked_due(one.due_at, [earlier for _, earlier in before])
        linked = one.linked_to or before[0][0]
        await store.sql.link(connection, intake_id=one.intake_id, linked_to=linked)
        await store.sql.bring_forward(connection, intake_id=one.intake_id, due_at=due)
        if linked != one.linked_to:
            await store.note(connection, one.intake_id, now, "homing", "linked", to=linked, due_at=due.isoformat())
        return structs.replace(one, linked_to=linked, due_at=due)

    async def _is_test(
        self, connection: db.Executor, carrier: Carrier, happened: Happened, now: datetime, *, rang: datetime
    ) -> bool:
        if await store.sql.is_test(connection, carrier=carrier.name, call_id=happened.call_id, since=now - timedelta(hours=1)):
            return True
        heard = await store.sql.hear_test(
            connection,
            carrier=carrier.name,
            number=happened.called,
            now=now,
            call_id=happened.call_id,
            rang=rang,  # it may have waited in the journal
            since=rang - TEST_WITHIN,
        )
        if heard is None:
            return False
        await self._ladders.heard(connection, happened.called, now)
        if heard["wakes"] is not None:
            await self._ladders.test(connection, heard["test_id"], heard["wakes"], now)
        return True

    async def _hunted(self, connection: Any, one: Call, happened: Happened, now: datetime) -> bool:
        """Return whether somebody took a call live; if so, their conversation is over now."""
        fresh = await store.call(connection, one.intake_id)  # whoever accepted wrote it in another transaction
        accepted = fresh is not None and fresh.accepted_by is not None
        completed = happened.dial_status is not None and happened.dial_status.value == "completed"
        took = completed and (happened.bridged is True or (happened.bridged is None and accepted))
        if fresh is not None:
            await self._talked(connection, fresh, now, connected=took)
        return took

    async def _talks(self, connection: Any, one: Call, person_id: int, began: datetime, now: datetime) -> None:
        """Let whoever takes a call live have it in hand for as long as they talk; nobody else is woken for it."""
        owed = await store.obligation_locked(connection, one.intake_id)
        assert owed is not None
        await store.sql.answered(connection, obligation_id=owed.obligation_id, person_id=person_id, now=began)
        calls = owed.claimed_by is not None and owed.claim_until is None  # somebody's attempt is under way
        if one.state.step is not Step.LIVE or one.ended_at is not None or owed.voided_at is not None or calls:
            return
        until = now + callback.CONVERSATION
        await store.sql.put_claim(connection, obligation_id=owed.obligation_id, person_id=person_id, until=until)
        await self._ladders.talking(connection, owed.obligation_id, person_id, now, until=until)

    async def _talked(self, connection: Any, one: Call, now: datetime, *, connected: bool = True) -> None:
        """End a conversation: whoever had it says within three minutes what follows. If there was none, others are woken."""
        if one.accepted_by is None:
            return
        owed = await store.obligation_locked(connection, one.intake_id)
        assert owed is not None
        if not connected:
            await store.sql.unaccept_call(connection, intake_id=one.intake_id)
        his = owed.claimed_by == one.accepted_by and owed.claim_until is not None and owed.claim_until > now
        if callback.talks(owed, one.accepted_by, now) or (his and not connected):
            until = now + callback.CLAIM if connected else now
            await store.sql.put_claim(connection, obligation_id=owed.obligation_id, person_id=one.accepted_by, until=until)
            await self._ladders.talking(connection, owed.obligation_id, one.accepted_by, now, until=until)

    def _refuse_if_over(self, one: Call, now: datetime) -> None:
        if one.ended_at is not None and now - one.ended_at > LATE:
            raise Replayed(f"call {one.intake_id} ended at {one.ended_at:%H:%M:%S}")

    async def _advanced(
        self, connection: db.Executor, carrier: Carrier, one: Call, happened: Happened, now: datetime, *, empty: bool
    ) -> Call:
        """Put an answer into effect."""
        before = one.state
        known: bool | None = None
        if before.step is Step.PIN and len(happened.digits) > 1:
            one, known = await self._pin(connection, one, happened.digits, now)
        took = False
        if before.step is Step.LIVE:
            took = await self._hunted(connection, one, happened, now)
        facts = structs.replace(await self._facts(connection, carrier, one, now), pin_known=known)
        heard = Heard(
            digits="" if empty else happened.digits,
            speech="" if empty else happened.speech,
            recorded=not empty and bool(happened.recording_url or happened.recording_id),
            took=took,
        )
        state = script.advance(before, heard, facts, now)
        if state.step is Step.LIVE and not await self._ladders.on_duty(connection, one.account_id, now):
            state = script.nobody_on_duty(state, facts, now)
        one = structs.replace(one, state=state)
        if before.step is Step.EMAIL and facts.is_proven and one.account_id is not None:
            chosen = await self._contact(connection, one.account_id, state.answers)  # updates go to whom he named
            one = structs.replace(one, contact_id=one.contact_id if chosen is None else chosen.contact_id)
        await store.put_state(connection, one)
        if state.step is not before.step:
            await store.note(connection, one.intake_id, now, "carrier", "step", left=before.step.value, entered=state.step.value)
        return one

    async def _pin(self, connection: db.Executor, one: Call, pin: str, now: datetime) -> tuple[Call, bool | None]:
        """Look whose PIN this is. A wrong one never blocks a call; too many are not looked up any more."""
        if not await self._may_try(connection, caller=one.caller, now=now):
            return one, None
        account_id = await contacts.account_by_pin(connection, self._master_key, pin)
        if account_id is None:
            await store.note(connection, one.intake_id, now, "carrier", "wrong pin", caller=one.caller)
            return one, False
        contact = None
        if one.caller:
            known = await contacts.by_phone(connection, one.caller)
            contact = next((person.contact_id for person in known if person.account_id == account_id), None)
        one = structs.replace(
            one,
            account_id=account_id,
            contact_id=contact,
            proof=Proof.PIN,
            entitlement=await entitlement(connection, account_id, one.first_ring_at),
        )
        await store.put_state(connection, one)
        await store.note(connection, one.intake_id, now, "carrier", "pin matched", account=account_id)
        one = await self._linked(connection, one, now)
        owed = await store.obligation(connection, one.intake_id)
        assert owed is not None
        await self._ladders.belong(connection, owed.obligation_id, account_id, owed.due_at)
        return one, True

    async def _may_try(self, connection: db.Executor, *, caller: str, now: datetime) -> bool:
        """Return whether PINs are looked up: not after too many wrong ones within an hour."""
        wrong = await store.sql.wrong_pins(connection, since=now - timedelta(hours=1), caller=caller)
        if wrong["of_caller"] >= WRONG_PINS or wrong["of_all"] >= WRONG_PINS_OF_ALL:
            log.warning("sev1_pins_not_looked_up", of_caller=wrong["of_caller"], of_all=wrong["of_all"])
            return False
        return True

    async def _contact(self, connection: db.Executor, account_id: int, answers: Answers) -> Contact | None:
        email = answers.email.lower()
        return next((one for one in await contacts.of_account(connection, account_id) if one.email == email), None)

    async def _facts(self, connection: db.Executor, carrier: Carrier, one: Call, now: datetime) -> Facts:
        proven = one.proof in (Proof.PIN, Proof.KEY)
        emails: list[tuple[str, str]] = []
        if proven and one.account_id is not None:
            people = await contacts.of_account(connection, one.account_id)
            emails = [(masked(person.email), person.email) for person in people if person.role is ContactRole.AUTHORISED]
        number = one.state.answers.phone or one.caller
        zone = await self.zone_of(connection, one.account_id, one.first_ring_at)
        return Facts(
            caller=one.caller,
            called=one.called,
            reference=one.reference,
            notice=self.settings.notice,
            promise=promise(one.due_at, number=number, zone=zone),
            is_proven=proven,
            emails=emails,
            on_duty=await self._ladders.on_duty(connection, one.account_id, now) if one.state.step is Step.LIVE else (),
            by_speech=carrier.by_speech,
            pin_digits=self.settings.pin_digits,
        )

    async def _document(self, connection: db.Executor, carrier: Carrier, one: Call, now: datetime) -> Document:
        facts = await self._facts(connection, carrier, one, now)
        return script.document(one.state, facts, LineAddresses(self._base, carrier.name, one.intake_id), now)

    async def _expect(
        self, connection: db.Executor, one: Call, step: str, turn: int, happened: Happened, due_at: datetime
    ) -> None:
        await store.sql.add_recording(
            connection,
            intake_id=one.intake_id,
            step=step[:40],
            turn=turn,
            sid=happened.recording_id,
            url=happened.recording_url,
            seconds=happened.recording_s,
            due_at=due_at,
        )

    async def _late(self, connection: db.Executor, one: Call, step: str, turn: int, happened: Happened, now: datetime) -> None:
        """Keep what was said while the caller hung up, and whether he had talked with somebody."""
        if step == Step.LIVE.value and step == one.state.step.value and await self._hunted(connection, one, happened, now):
            await store.put_state(connection, structs.replace(one, state=structs.replace(one.state, human_took=True)))
        if happened.recording_url and step == one.state.step.value and turn == one.state.turn:
            state = structs.replace(one.state, recorded=(*one.state.recorded, step))
            await store.put_state(connection, structs.replace(one, state=state))
            await store.note(connection, one.intake_id, now, "carrier", "recorded to the end", step=step)

    def _digest(self, happened: Happened, empty: bool) -> bytes:
        """Return what tells two answers to one question apart; a PIN cannot be read from it."""
        parts = (happened.digits, happened.speech, happened.recording_url, str(happened.dial_status), str(empty))
        return self._master_key.token("\0".join(parts).encode("utf-8", "replace"), purpose="line turn", size=16)


def masked(email: str) -> str:
    """Return an address of which a stranger learns little."""
    local, _, domain = email.partition("@")
    return f"{local[:1]}***@{domain}"


def _reference() -> str:
    return "S1-" + "".join(secrets.choice(ALPHABET) for _ in range(6))
