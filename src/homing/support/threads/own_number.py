"""A TAM's own number (model, section 4.8): rings him and whoever stands in, keeps voicemail, hands over to the Severity 1 Line.

A request is one transaction that holds the call's row, and is answered the same however often it is repeated. What a caller left
stands in the thread of his account before the carrier hears the next words; whose call it is, is known by the number of the
account, or by the number that calls, which is a hint. Whoever is not known is rung for all the same; his voicemail waits in
quarantine.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from msgspec import structs

from homing.contracts import contacts, people
from homing.contracts import store as contracts
from homing.contracts.types import Contact, StaffMember
from homing.ground import db
from homing.ground.log import get
from homing.ground.secrets import MasterKey
from homing.hours.types import ServiceZone
from homing.support.line import store as line_store
from homing.support.line.desk import Desk as SeverityOne
from homing.support.line.desk import Replayed
from homing.support.line.rules.document import Document, Gather, Hangup, Record, Say
from homing.support.line.rules.offline import OFFLINE
from homing.support.line.types import Carrier, Happened, LineSettings, Source
from homing.support.threads import own_number_store as store
from homing.support.threads import store as thread_store
from homing.support.threads.desk import Threads, hours_at, sooner
from homing.support.threads.own_addresses import OwnNumberAddresses
from homing.support.threads.rules import own_number as script
from homing.support.threads.rules.own_number import OwnFacts, OwnHeard
from homing.support.threads.rules.placing import several, whose
from homing.support.threads.types import OwnCall, OwnStep, Sort, Way

log = get("tam")

LATE = timedelta(seconds=60)  # after its end a call's last requests may still come in
RECORDING_WAITS = timedelta(seconds=60)  # a recording that nobody reported as complete is fetched then
LOOKS_AFTER = timedelta(minutes=10)  # a call about which nothing is heard any more: the carrier is asked
LEAST_LOOKS = 3  # after 1, 2 and 4 minutes, before a voicemail is taken for none
MOST_TALKS = 8  # looks, each after twice the time: four hours
HANDED_WITHIN = timedelta(seconds=10)
AWAY = "Our own systems do not answer at this moment. If your mail is failing now, please call the Severity 1 Line."
SPOKE = "He spoke with {name}."
LEFT_NOTHING = "He called and left nothing."
HANDED = "His mail is failing: the call was handed over to the Severity 1 Line as {reference}."


class OwnNumber:
    """Takes calls to TAMs' numbers. One for a worker.

    line   the Severity 1 Line of this worker
    base   what our public addresses begin with
    """

    def __init__(
        self,
        pool: db.Pool,
        threads: Threads,
        line: SeverityOne,
        master_key: MasterKey,
        settings: LineSettings,
        *,
        base: str,
    ) -> None:
        self._pool = pool
        self._threads = threads
        self._line = line
        self._master_key = master_key
        self.settings = settings
        self._base = base

    # a call ---------------------------------------------------------------------------------------------------------------

    async def inbound(self, carrier: Carrier, happened: Happened, *, at: datetime | None = None) -> Document:
        """Take a call that rings, and return the first words. at: when it rang, where that was not now."""
        async with self._transaction() as (connection, now):
            one = await self._taken(connection, carrier, happened, now, at=at)
            _refuse_if_over(one, now)
            seen = await store.turn_of(connection, one.call_ref, "inbound", 0, b"")
            if seen is not None:
                return seen
            document = script.document(one.state, await self._facts(connection, carrier, one, now), self._at(carrier, one))
            await store.add_turn(connection, one.call_ref, "inbound", 0, b"", document)
            return document

    async def step(self, carrier: Carrier, step: str, turn: int, happened: Happened, *, empty: bool = False) -> Document:
        """Take the answer to a question, and return what is spoken next.

        empty    the carrier came to the end of a document: there was no answer
        raises   line.desk.Replayed
        """
        digest = self._digest(happened, empty)
        async with self._transaction() as (connection, now):
            one = await self._taken(connection, carrier, happened, now)
            _refuse_if_over(one, now)
            if one.state.step is not OwnStep.HANDED_OVER:
                seen = await store.turn_of(connection, one.call_ref, step, turn, digest)
                if seen is not None:
                    return seen
            if happened.recording_url or happened.recording_id:
                await self._expect(connection, one, step, turn, happened, now + RECORDING_WAITS)
            facts = await self._facts(connection, carrier, one, now)
            if step == one.state.step.value and turn == one.state.turn:
                one = await self._advanced(connection, one, happened, facts, now, empty=empty)
            if one.state.step is not OwnStep.HANDED_OVER:
                document = (Hangup(),) if one.ended_at else script.document(one.state, facts, self._at(carrier, one))
                await store.add_turn(connection, one.call_ref, step, turn, digest, document)
        self._threads.news()
        return await self.hand_over(carrier, one) if one.state.step is OwnStep.HANDED_OVER else document

    async def hand_over(self, carrier: Carrier, one: OwnCall) -> Document:
        """Let the Severity 1 Line take a call over as if it had rung there, at its first ring. Doing so twice changes nothing."""
        happened = Happened(call_id=one.call_id, caller=one.caller, called=carrier.numbers[0])
        document = await self._line.inbound(carrier, happened, source=Source.TAM, at=one.first_ring_at)
        async with self._transaction() as (connection, now):
            held = await store.call_locked(connection, one.carrier, one.call_id)
            intake = await line_store.call_locked(connection, one.carrier, one.call_id)
            if held is None or intake is None or held.handed_to is not None:
                return document
            said = HANDED.format(reference=intake.reference)
            await self._tell(connection, structs.replace(held, handed_to=intake.intake_id), said, now, Sort.CALL)
            await store.note(connection, held.call_ref, now, "homing", "handed over", reference=intake.reference)
        self._threads.news()
        return document

    async def whisper(self, carrier: Carrier, call_ref: int, person_id: int) -> Document:
        """Return what somebody hears who is rung; nothing of the customer before he accepts."""
        action = OwnNumberAddresses(self._base, carrier.name, call_ref).accept(person_id)
        return (Gather(action=action, prompt=(Say(script.WHISPER),), digits=1, timeout_s=8), Hangup())

    async def whisper_accept(
        self, carrier: Carrier, call_ref: int, person_id: int, happened: Happened, *, at: datetime | None = None
    ) -> Document:
        """Connect who pressed 1; whoever did not is let go: a voicemail accepts nothing. at: as of `inbound`."""
        if happened.digits != "1":
            return (Hangup(),)
        async with self._transaction() as (connection, now):
            one = await store.call(connection, call_ref)
            if one is None or one.carrier != carrier.name or (one.ended_at is not None and (at is None or one.ended_at < at)):
                return (Hangup(),)
            await store.sql.accept_call(connection, call_ref=call_ref, person_id=person_id)
            await store.note(connection, call_ref, now, f"staff {person_id}", "accepted")
        return ()

    async def status(self, carrier: Carrier, happened: Happened, *, at: datetime | None = None) -> None:
        """Note how far a call has come; of one that was handed over the Severity 1 Line is told."""
        async with self._transaction() as (connection, now):
            one = await self._taken(connection, carrier, happened, now, at=at)
            handed = one.state.step is OwnStep.HANDED_OVER
            late = happened.sequence is not None and happened.sequence <= one.sequence
            if not late:
                one = structs.replace(one, sequence=max(one.sequence, happened.sequence or 0))
                ends = happened.status is not None and happened.status.is_end and one.ended_at is None
                if ends:
                    one = structs.replace(one, ended_at=now)
                    await store.note(connection, one.call_ref, now, "carrier", "call ended", step=one.state.step.value)
                await store.put_call(connection, one)
                if ends and not handed:
                    await self._ended(connection, one, now)
        if handed:
            if one.handed_to is None:  # else the line would take its end for its first ring
                await self.hand_over(carrier, one)
            await self._line.status(carrier, happened, at=at)
        self._threads.news()

    async def recording(self, carrier: Carrier, step: str, turn: int, happened: Happened, *, at: datetime | None = None) -> None:
        """Note that a recording can be fetched: what was said to it is a message, whether or not its step was heard of."""
        if happened.recording_status not in ("completed", ""):
            return
        async with self._transaction() as (connection, now):
            one = await self._taken(connection, carrier, happened, now, at=at)
            await self._expect(connection, one, step, turn, happened, now)
            if one.state.step is not OwnStep.HANDED_OVER:
                await self._left(connection, one, "recording", now, at=at)
        self._threads.news()

    async def offline(self, carrier: Carrier, happened: Happened, *, at: datetime | None = None) -> Document:
        """Take what a caller said while the store was away."""
        if happened.recording_url or happened.recording_id:
            await self.recording(carrier, OFFLINE, 0, structs.replace(happened, recording_status="completed"), at=at)
        return (Say(script.GOODBYE), Hangup())

    # what was not heard of --------------------------------------------------------------------------------------------------

    async def reconciled(self, carrier: Carrier, happened: Happened, *, at: datetime) -> bool:
        """Take a call in that the carrier knows and we do not; False: it is known after all."""
        async with self._transaction() as (connection, now):
            if await store.call_locked(connection, carrier.name, happened.call_id) is not None:
                return False
            one = await self._taken(connection, carrier, happened, now, at=min(at, now))
            await store.put_call(connection, structs.replace(one, look_at=now))
        return True

    async def found(self, carrier: Carrier, one: OwnCall, recordings: list[tuple[str, str, int | None]]) -> None:
        """Take what the carrier says of a call about which nothing was heard any more: its recordings, or that there is none."""
        async with self._transaction() as (connection, now):
            held = await store.call_locked(connection, one.carrier, one.call_id)
            if held is None or held.told_at is not None:
                return
            if held.state.step is OwnStep.HANDED_OVER:
                await store.put_call(connection, structs.replace(held, look_at=None))
                return
            if held.ended_at is None and held.accepted_by is not None and held.looks <= MOST_TALKS:
                return  # they still talk; it is looked at again
            if not recordings and held.state.step is OwnStep.VOICEMAIL and held.looks < LEAST_LOOKS:
                return  # a carrier lists a recording once it has worked on it
            for place, (sid, url, seconds) in enumerate(recordings):
                happened = Happened(call_id=one.call_id, recording_id=sid, recording_url=url, recording_s=seconds)
                await self._expect(connection, held, OwnStep.VOICEMAIL.value, -1 - place, happened, now)
            if recordings:
                await self._left(connection, held, "recording", now, at=held.ended_at or held.first_ring_at)
            else:
                await self._ended(connection, structs.replace(held, ended_at=held.ended_at or now, look_at=None), now)
        self._threads.news()

    # steps ----------------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[tuple[Any, datetime]]:
        with db.trouble_is_temporary():
            async with self._pool.acquire() as connection, connection.transaction():
                yield connection, await self._threads.legal.now(connection)

    async def _taken(
        self, connection: db.Executor, carrier: Carrier, happened: Happened, now: datetime, *, at: datetime | None = None
    ) -> OwnCall:
        """Return the call of a request, taken in now if it was not known."""
        known = await store.call_locked(connection, carrier.name, happened.call_id)
        if known is not None:
            return known
        rang = at or now
        way = await thread_store.way(connection, happened.called)
        account_id, contact = await self._caller(connection, way, happened.caller, rang)
        tam = None if account_id is None else await contracts.tam_at(connection, account_id, rang)
        person_id = way.person_id if way is not None else None
        person_id = tam.primary.person_id if tam is not None else person_id
        facts = await self._rung(connection, account_id, person_id, rang, OwnFacts())
        made = await store.add_call(
            connection,
            carrier=carrier.name,
            call_id=happened.call_id,
            caller=happened.caller,
            called=happened.called,
            person_id=person_id,
            account_id=account_id,
            contact_id=None if contact is None else contact.contact_id,
            first_ring_at=rang,
            state=script.begin(facts),
            look_at=now + LOOKS_AFTER,
        )
        if made is None:  # another transaction was quicker
            held = await store.call_locked(connection, carrier.name, happened.call_id)
            assert held is not None
            return held
        await store.note(
            connection, made.call_ref, now, "homing", "taken in", caller=happened.caller, first_ring_at=rang.isoformat()
        )
        log.info("tam_call_taken_in", call=made.call_ref, account_id=account_id, in_hours=made.state.in_hours)
        return made

    async def _caller(
        self, connection: db.Executor, way: Way | None, caller: str, at: datetime
    ) -> tuple[int | None, Contact | None]:
        """Return the account that a call is about, and who calls: by the account's own number, or a contact's."""
        known = await _known(connection, caller)
        if way is not None and way.account_id is not None:
            return way.account_id, next((one for one in known if one.account_id == way.account_id), None)
        contact = whose(known, await thread_store.served(connection, way, at))
        return (None, None) if contact is None else (contact.account_id, contact)

    async def _rung(
        self, connection: db.Executor, account_id: int | None, person_id: int | None, at: datetime, facts: OwnFacts
    ) -> OwnFacts:
        """Return who may be rung at an instant, and what is said where Business Hours do not run."""
        tam = None if account_id is None else await contracts.tam_at(connection, account_id, at)
        first: StaffMember | None = None if tam is None else tam.primary
        second: StaffMember | None = None if tam is None or tam.acting.person_id == tam.primary.person_id else tam.acting
        accounts = [] if account_id is None else [account_id]
        if account_id is None and person_id is not None:
            accounts = await contracts.accounts_of_tam(connection, person_id, at)
            stands_in = [one for one in [await contracts.tam_at(connection, each, at) for each in accounts] if one is not None]
            mine = next((one for one in stands_in if one.primary.person_id == person_id), None)
            if mine is not None:
                first = mine.primary
                second = None if mine.acting.person_id == person_id else mine.acting
        return structs.replace(
            facts, tam=_telephone(first), cover=_telephone(second), closed=await self._closed(connection, accounts, at)
        )

    async def _closed(self, connection: db.Executor, accounts: list[int], at: datetime) -> str:
        """Return what is said where the Business Hours of none of these accounts run; '' where some do."""
        if not accounts:
            return script.closed_words(None, ServiceZone.UK)
        first = sooner([await hours_at(connection, one, at) for one in accounts])
        return "" if first.is_open else script.closed_words(first.changes_at, first.zone)

    async def _facts(self, connection: db.Executor, carrier: Carrier, one: OwnCall, now: datetime) -> OwnFacts:
        """Return what is known. Whether Business Hours run was decided at the first ring, and stays so for the call."""
        facts = OwnFacts(called=one.called, notice=self.settings.notice, by_speech=carrier.by_speech)
        facts = await self._rung(connection, one.account_id, one.person_id, one.first_ring_at, facts)
        return structs.replace(facts, closed="") if one.state.in_hours else facts

    async def _advanced(
        self, connection: db.Executor, one: OwnCall, happened: Happened, facts: OwnFacts, now: datetime, *, empty: bool
    ) -> OwnCall:
        """Put an answer into effect; what was left is told in the same transaction."""
        before = one.state
        took = False
        if before.step in (OwnStep.TAM, OwnStep.COVER):
            took = happened.dial_status is not None and happened.dial_status.value == "completed"
            fresh = await store.call(connection, one.call_ref)  # whoever accepted wrote it in another transaction
            accepted = fresh is not None and fresh.accepted_by is not None
            took = took and (happened.bridged is True or (happened.bridged is None and accepted))
            one = structs.replace(one, accepted_by=None if fresh is None else fresh.accepted_by)
        heard = OwnHeard(
            digits="" if empty else happened.digits,
            speech="" if empty else happened.speech,
            recorded=not empty and bool(happened.recording_url or happened.recording_id),
            took=took,
        )
        one = structs.replace(one, state=script.advance(before, heard, facts))
        if one.state.step is OwnStep.HANDED_OVER:
            one = structs.replace(one, look_at=now + HANDED_WITHIN)
        await store.put_call(connection, one)
        if one.state.step is not before.step:
            await store.note(
                connection, one.call_ref, now, "carrier", "step", left=before.step.value, entered=one.state.step.value
            )
        if one.state.step is OwnStep.TAKEN or one.state.step is OwnStep.DONE:
            return await self._ended(connection, one, now)
        return one

    async def _ended(self, connection: db.Executor, one: OwnCall, now: datetime) -> OwnCall:
        """Tell what became of a call that is over, once. A voicemail that may still be at the carrier is waited for."""
        if one.state.told:
            return one
        if one.state.left:
            return await self._left(connection, one, one.state.left, now)
        if one.state.step in (OwnStep.TAM, OwnStep.COVER, OwnStep.TAKEN) and one.accepted_by is not None:
            name = await self._name(connection, one.accepted_by)
            return await self._tell(connection, one, SPOKE.format(name=name), now, Sort.CALL)
        if one.state.step is OwnStep.VOICEMAIL and one.look_at is not None:
            # He may have spoken: the report of his recording is on its way, or was lost with a worker. The carrier is asked.
            one = structs.replace(one, look_at=now + RECORDING_WAITS)
            await store.put_call(connection, one)
            return one
        return await self._tell(connection, one, LEFT_NOTHING, now, Sort.CALL)

    async def _left(
        self, connection: db.Executor, one: OwnCall, what: str, now: datetime, *, at: datetime | None = None
    ) -> OwnCall:
        """Tell of a voicemail. It counts from when it was left, however late it is heard of: an answer is owed since then.

        at   when that was, where it is known better than by the end of the call
        """
        one = structs.replace(one, state=structs.replace(one.state, left=what))
        left_at = min(moment for moment in (at, one.ended_at, now) if moment is not None)
        return await self._tell(connection, one, None, now, Sort.VOICEMAIL, received_at=max(left_at, one.first_ring_at))

    async def _tell(
        self,
        connection: db.Executor,
        one: OwnCall,
        body: str | None,
        now: datetime,
        sort: Sort,
        *,
        received_at: datetime | None = None,
    ) -> OwnCall:
        """Write a call into its thread; a voicemail of whoever is not known waits in quarantine. body None: what was left."""
        what = "voicemail" if sort is Sort.VOICEMAIL else "call"
        before = one.state.told
        if before == what or before == "voicemail":  # a voicemail that is heard of late is told all the same
            return one
        state = structs.replace(one.state, told=what)
        one = structs.replace(one, state=state, told_at=one.told_at or now, look_at=None)
        await store.put_call(connection, one)
        if one.account_id is None:
            if sort is Sort.VOICEMAIL:
                way = await thread_store.way(connection, one.called)
                known = await _known(connection, one.caller)
                names = await thread_store.names_of(connection, known, await thread_store.served(connection, way, now))
                nobody = "nobody's contact has verified the number that called"
                await thread_store.quarantine(
                    connection,
                    received_at=received_at or now,
                    way=way,
                    person_id=one.person_id,
                    account_id=None,
                    sender=one.caller,
                    subject="voicemail",
                    reason=several("the number that called is verified for contacts of", names) if known else nobody,
                    call_ref=one.call_ref,
                )
            return one
        contact = None
        if one.contact_id is not None:
            contact = await contacts.one(connection, one.account_id, one.contact_id)
        said = store.voicemail(one, contact) if body is None else store.called(one, contact, body)
        await self._threads.word_in(
            connection,
            one.account_id,
            said,
            sort=sort,
            contact_id=one.contact_id,
            received_at=received_at or now,
            call_ref=one.call_ref,
        )
        return one

    async def _name(self, connection: db.Executor, person_id: int) -> str:
        found = await people.one(connection, person_id)
        return "somebody of ours" if found is None else found.name

    async def _expect(
        self, connection: db.Executor, one: OwnCall, step: str, turn: int, happened: Happened, due_at: datetime
    ) -> None:
        await store.sql.add_recording(
            connection,
            call_ref=one.call_ref,
            step=step[:40],
            turn=turn,
            sid=happened.recording_id,
            url=happened.recording_url,
            seconds=happened.recording_s,
            due_at=due_at,
        )

    def _at(self, carrier: Carrier, one: OwnCall) -> OwnNumberAddresses:
        return OwnNumberAddresses(self._base, carrier.name, one.call_ref)

    def _digest(self, happened: Happened, empty: bool) -> bytes:
        """Return what tells two answers to one question apart."""
        parts = (happened.digits, happened.speech, happened.recording_url, str(happened.dial_status), str(empty))
        return self._master_key.token("\0".join(parts).encode("utf-8", "replace"), purpose="thread turn", size=16)


def away_document(settings: LineSettings, at: OwnNumberAddresses) -> Document:
    """Return what is spoken while the store is away."""
    return (
        Say(AWAY),
        Say(settings.notice),
        Say(script.SPEAK),
        Record(
            action=at.step(OFFLINE, 0),
            status=at.recording(OFFLINE, 0),
            max_s=script.VOICEMAIL_S,
            silence_s=script.SILENCE_S,
        ),
        Say(script.GOODBYE),
        Hangup(),
    )


def _refuse_if_over(one: OwnCall, now: datetime) -> None:
    if one.ended_at is not None and now - one.ended_at > LATE:
        raise Replayed(f"call {one.call_ref} ended at {one.ended_at:%H:%M:%S}")


def _telephone(person: StaffMember | None) -> tuple[int, str] | None:
    return None if person is None or not person.phone or person.left_at is not None else (person.person_id, person.phone)


async def _known(connection: db.Executor, caller: str) -> list[Contact]:
    """Return the contacts who have verified a number, in whichever account."""
    found = await contacts.by_phone(connection, caller) if caller else []
    return [one for one in found if any(phone.number == caller and phone.verified_at is not None for phone in one.phones)]
