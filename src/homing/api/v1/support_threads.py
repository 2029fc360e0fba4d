"""/api/v1/support/threads: what is said between an account and its TAM; for him, whoever stands in, and admins (clause B2)."""

from collections.abc import Sequence
from typing import Any

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.handlers import HTTPRouteHandler

from homing.api.bodies import Bodies, json_answer
from homing.api.errors import FORBIDDEN, NOT_FOUND, ApiError
from homing.api.openapi import Limit, Operation, Schema
from homing.api.reading import query_of, read_body, refusals, sender_of
from homing.api.v1 import support_oversight_wire as wire
from homing.api.v1.support_cases_pages import FILES
from homing.api.v1.support_cases_wire import files_of
from homing.api.v1.support_oversight import ANYBODY, Overseers
from homing.contracts import contacts
from homing.contracts import store as contracts
from homing.contracts.types import Contact, ContactRole, Role, StaffMember
from homing.ground import db
from homing.ingress.rules.problem import Problem, Wrong, bad_params, bad_type, missing
from homing.support.cases.rules.reading import LONGEST_BODY, LONGEST_SUBJECT, clean, clean_text
from homing.support.cases.rules.threading import MOST_AN_HOUR
from homing.support.cases.types import Actor, Channel, Incoming, Purpose, Side, Verified
from homing.support.clocks import store as clocks
from homing.support.clocks.store import Calendars
from homing.support.clocks.types import Reading
from homing.support.line.recordings import Recordings
from homing.support.threads import own_number_store as calls
from homing.support.threads import store
from homing.support.threads.desk import (
    ANOTHER,
    NO_ADDRESS,
    NO_READER,
    NO_REASON,
    NO_WORDS,
    NOTHING_OWED,
    TOO_MUCH,
    TOO_OFTEN,
    Threads,
    hours_at,
    people_of,
)
from homing.support.threads.releasing import Gate
from homing.support.threads.rules.placing import MOST_ATTACHED
from homing.support.threads.types import SUBJECT, Message, Quarantined, Sort

OWN = "/api/v1/support/thread"
PATH = "/api/v1/support/threads/{account_id:str}"
MESSAGES = f"{PATH}/messages"
VOICEMAIL = "/api/v1/support/voicemail/{recording_id:str}"
QUARANTINE = "/api/v1/support/thread-quarantine"
HELD = f"{QUARANTINE}/{{quarantine_id:str}}"
LONGEST_REASON = 500
AGAIN_S = 300  # until somebody who wrote too often may try again
_encode = msgspec.json.Encoder().encode


def routes(
    *, bodies: Bodies, overseers: Overseers, threads: Threads, gate: Gate, recordings: Recordings
) -> list[HTTPRouteHandler]:
    """Return the routes."""
    pool = overseers.pool

    async def shown(found: Sequence[Message]) -> list[dict[str, Any]]:
        with db.trouble_is_temporary():
            now = await overseers.legal.now(pool)
            kept = await clocks.of_subjects(pool, SUBJECT, [one.message_id for one in found if one.promise is not None])
            calendars = Calendars(pool)
            readings: dict[int, Reading] = {
                number: await calendars.read(each[0].log, now) for number, each in kept.items() if each
            }
            letters = await store.letters_of(pool, [one.message_id for one in found])
            sounds = await calls.recordings_of(pool, [one.call_ref for one in found if one.call_ref is not None])
        return [
            wire.show_message(
                one,
                clock=readings.get(one.message_id),
                letters=[each for each in letters if each.message_id == one.message_id],
                recordings=[row for row in sounds if row["call_ref"] == one.call_ref],
            )
            for one in found
        ]

    @get(OWN, opt={"grants": ("support/view", "support/manage"), "operation": OWN_THREAD})
    async def get_own_thread(request: Request[Any, Any, Any]) -> Response[bytes]:
        sender = sender_of(request)
        if sender.pinned:  # a thread is the account's
            raise ApiError(NOT_FOUND)
        with refusals():
            query = query_of(request)
            per_page = wire.per_page_of(query.get("per_page", "50"))
        before = wire.number_of(query["before"]) if query.get("before") else None
        with db.trouble_is_temporary():
            now = await overseers.legal.now(pool)
            tam = await contracts.tam_at(pool, sender.account_id, now)
            ways = await store.ways_of(pool, sender.account_id, people_of(tam))
            hours = await hours_at(pool, sender.account_id, now)
            found = await store.messages_of(pool, sender.account_id, before=before, limit=per_page)
        answer = {
            "results": [
                wire.for_the_customer(one) for one in await shown([each for each in found if each.sort is not Sort.NOTE])
            ],
            **wire.name_tam(tam),
            "ways": [{"kind": one.kind.value, "address": one.address} for one in ways],
            "business_hours": wire.show_hours(hours),
        }
        return await json_answer(request, _encode(answer))

    @post(f"{OWN}/messages", status_code=200, opt={"grants": ("support/manage",), "operation": WRITE})
    async def write_to_tam(request: Request[Any, Any, Any]) -> Response[bytes]:
        sender = sender_of(request)
        if sender.pinned:
            raise ApiError(NOT_FOUND)
        async with bodies.json(request) as body:
            with refusals():
                given = read_body(body, wire.WordIn)
                text, files = clean_text(wire.text_of(given.text, "text", LONGEST_BODY)), files_of(given.attachments)
                who = await _writer(sender.account_id, given.contact)
        incoming = Incoming(
            side=Side.CUSTOMER,
            actor=f"key {sender.key_id}",
            author="" if who is None else who.name,
            channel=Channel.API,
            purpose=Purpose.WORD,
            verified=Verified.KEY,
            sender="" if who is None else who.email,
            subject=clean(given.subject, LONGEST_SUBJECT),
            body=text,
            attachments=files,
        )
        contact_id = None if who is None else who.contact_id
        done = await threads.word(sender.account_id, incoming, contact_id=contact_id)
        if isinstance(done, str):
            raise ApiError(_REFUSED[done], retry_after=AGAIN_S if done == TOO_OFTEN else None)
        return await json_answer(request, _encode({"results": wire.for_the_customer((await shown([done]))[0])}))

    @get(PATH, opt={"staff": ANYBODY, "operation": SHOW})
    async def get_thread(request: Request[Any, Any, Any], account_id: str) -> Response[bytes]:
        _, owner = await overseers.account(request, account_id)
        with refusals():
            query = query_of(request)
            per_page = wire.per_page_of(query.get("per_page", "50"))
        before = wire.number_of(query["before"]) if query.get("before") else None
        with db.trouble_is_temporary():
            now = await overseers.legal.now(pool)
            tam = await contracts.tam_at(pool, owner, now)
            ways = await store.ways_of(pool, owner, people_of(tam))
            found = await store.messages_of(pool, owner, before=before, limit=per_page)
        answer = {
            "results": await shown(found),
            **wire.show_tam(tam),
            "ways": [{"kind": one.kind.value, "address": one.address} for one in ways],
        }
        return await json_answer(request, _encode(answer))

    @post(MESSAGES, status_code=200, opt={"staff": ANYBODY, "operation": ANSWER})
    async def answer_in_thread(request: Request[Any, Any, Any], account_id: str) -> Response[bytes]:
        async with bodies.json(request) as body:
            with refusals():
                given = read_body(body, wire.AnswerIn)
                text = clean_text(wire.text_of(given.text, "text", LONGEST_BODY))
                if given.by not in ("email", "phone"):
                    raise Wrong(_BY)
                member, owner = await overseers.account(request, account_id)
                reader = await _contact(owner, given.contact) if given.contact else None
        reader_id = None if reader is None else reader.contact_id
        say = threads.phoned if given.by == "phone" else threads.answer
        done = await say(owner, text, member, contact_id=reader_id)
        if isinstance(done, str):
            raise ApiError(_REFUSED[done])
        return await json_answer(request, _encode({"results": (await shown([done]))[0]}))

    @post(f"{MESSAGES}/{{number:str}}/count", status_code=200, opt={"staff": ANYBODY, "operation": COUNT})
    async def count_thread_message(request: Request[Any, Any, Any], account_id: str, number: str) -> Response[bytes]:
        _, owner = await overseers.account(request, account_id)
        done = await threads.count(owner, wire.number_of(number))
        if done is None:
            raise ApiError(NOT_FOUND)
        return await json_answer(request, _encode({"results": (await shown([done]))[0]}))

    @post(f"{MESSAGES}/{{number:str}}/void", status_code=200, opt={"staff": ANYBODY, "operation": VOID})
    async def void_thread_message(request: Request[Any, Any, Any], account_id: str, number: str) -> Response[bytes]:
        async with bodies.json(request) as body:
            with refusals():
                reason = clean_text(wire.text_of(read_body(body, wire.VoidIn).reason, "reason", LONGEST_REASON))
                member, owner = await overseers.account(request, account_id)
        done = await threads.void(owner, wire.number_of(number), member, reason)
        if done is None:
            raise ApiError(NOT_FOUND)
        if isinstance(done, str):
            raise ApiError(_NOT_VOID[done])
        return await json_answer(request, _encode({"results": (await shown([done]))[0]}))

    @get(f"{MESSAGES}/{{number:str}}/files/{{file:str}}", opt={"staff": ANYBODY, "operation": FILE})
    async def get_thread_file(request: Request[Any, Any, Any], account_id: str, number: str, file: str) -> Response[bytes]:
        _, owner = await overseers.account(request, account_id)
        message = await store.message(pool, owner, wire.number_of(number))
        wanted = wire.number_of(file)
        found = next((one for one in message.files if one.number == wanted), None) if message is not None else None
        if found is None:
            raise ApiError(NOT_FOUND)
        plain = found.name.encode("ascii", "replace").decode().replace("?", "_").replace('"', "_")
        headers = {
            "content-disposition": f'attachment; filename="{plain}"',
            "x-content-type-options": "nosniff",
            "content-security-policy": "sandbox; default-src 'none'",
            "cache-control": "private, no-store",
        }
        return Response(found.data, media_type="application/octet-stream", headers=headers)

    @get(VOICEMAIL, opt={"staff": ANYBODY, "operation": LISTEN})
    async def listen_to_voicemail(request: Request[Any, Any, Any], recording_id: str) -> Response[bytes]:
        member, mine = await overseers.of(request)
        number = wire.number_of(recording_id)
        with db.trouble_is_temporary():
            row = await calls.sql.recording(pool, recording_id=number)
            his = row is not None and await _may(member, mine, row["account_id"], row["person_id"])
        sound = await recordings.listen(number, actor=f"staff {member.person_id}") if his else None
        if sound is None:
            raise ApiError(NOT_FOUND)
        headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
        return Response(sound, media_type="audio/wav", headers=headers)

    @delete(VOICEMAIL, status_code=204, opt={"staff": (Role.TAM, Role.ADMIN), "operation": ERASE})
    async def erase_voicemail(request: Request[Any, Any, Any], recording_id: str) -> None:
        member, mine = await overseers.of(request)
        number = wire.number_of(recording_id)
        with db.trouble_is_temporary():
            row = await calls.sql.recording(pool, recording_id=number)
            his = row is not None and await _may(member, mine, row["account_id"], row["person_id"])
        if not (his and await recordings.erase(number, actor=f"staff {member.person_id}", why="erasure was asked for")):
            raise ApiError(NOT_FOUND)

    @get(QUARANTINE, opt={"staff": ANYBODY, "operation": LIST_HELD})
    async def list_thread_quarantine(request: Request[Any, Any, Any]) -> Response[bytes]:
        member, mine = await overseers.of(request)
        with db.trouble_is_temporary():
            everything = member.is_a(Role.ADMIN)
            people = [] if everything else await _people(member, mine)
            held = await store.quarantined(pool, account_ids=None if everything else mine, people=people)
            known = await gate.candidates(held, mine)
        shown = [wire.show_quarantined(one, known[one.quarantine_id]) for one in held]
        return await json_answer(request, _encode({"results": shown}))

    @post(f"{HELD}/release", status_code=200, opt={"staff": ANYBODY, "operation": RELEASE})
    async def release_into_thread(request: Request[Any, Any, Any], quarantine_id: str) -> Response[bytes]:
        async with bodies.json(request) as body:
            with refusals():
                given = read_body(body, wire.ReleaseIn)
                member, mine = await overseers.of(request)
                found = await _held(member, mine, quarantine_id)
                if given.account_id not in mine:
                    raise Wrong(_WHOSE)
                known = (await gate.candidates([found], {given.account_id}))[found.quarantine_id]
                reader = await _contact(given.account_id, given.contact or (known[0].email if known else ""))
        done = await gate.release(found.quarantine_id, _actor(member), contact=reader)
        if done is None:
            raise ApiError(NOT_FOUND)
        return await json_answer(request, _encode({"results": (await shown([done]))[0]}))

    @delete(HELD, status_code=204, opt={"staff": ANYBODY, "operation": DISCARD})
    async def discard_from_thread_quarantine(request: Request[Any, Any, Any], quarantine_id: str) -> None:
        member, mine = await overseers.of(request)
        found = await _held(member, mine, quarantine_id)
        if not await gate.discard(found.quarantine_id, _actor(member)):
            raise ApiError(NOT_FOUND)

    async def _writer(account_id: int, email: str) -> Contact | None:
        """Return whose word it is: the named contact's, else that of the first who is authorised. raises Wrong."""
        if email:
            return await _contact(account_id, email)
        found = await contacts.of_account(pool, account_id)
        return next((one for one in found if one.role is ContactRole.AUTHORISED), None)

    async def _contact(account_id: int, email: str) -> Contact:
        found = await contacts.of_account(pool, account_id)
        contact = next((one for one in found if one.email == email.strip().lower()), None)
        if contact is None:
            raise Wrong(_WHO)
        return contact

    async def _people(member: StaffMember, mine: Sequence[int]) -> list[int]:
        """Return whose mail somebody may see besides that of his accounts: his own, and that of whom he stands in for."""
        now = await overseers.legal.now(pool)
        tams = [await contracts.tam_at(pool, one, now) for one in mine]
        return sorted({member.person_id, *(tam.primary.person_id for tam in tams if tam is not None)})

    async def _may(member: StaffMember, mine: Sequence[int], account_id: int | None, person_id: int | None) -> bool:
        if member.is_a(Role.ADMIN) or account_id in mine:
            return True
        return person_id is not None and person_id in await _people(member, mine)

    async def _held(member: StaffMember, mine: Sequence[int], text: str) -> Quarantined:
        """Return something in quarantine that somebody may decide on. raises ApiError 404."""
        with db.trouble_is_temporary():
            found = await store.held(pool, wire.number_of(text))
            his = found is not None and await _may(member, mine, found.account_id, found.person_id)
        if found is None or not his:
            raise ApiError(NOT_FOUND)
        return found

    return [
        get_own_thread,
        write_to_tam,
        get_thread,
        answer_in_thread,
        count_thread_message,
        void_thread_message,
        get_thread_file,
        listen_to_voicemail,
        erase_voicemail,
        list_thread_quarantine,
        release_into_thread,
        discard_from_thread_quarantine,
    ]


def _actor(member: StaffMember) -> Actor:
    name = f"staff {member.person_id}"
    return Actor(side=Side.PROVIDER, name=name, person_id=member.person_id, email=member.email)


def _path(name: str) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "integer"}}


_BY = bad_params("by must be email or phone")
_WHO = bad_params("contact must be the address of a contact of that account")
_WHOSE = bad_params("account_id must be an account that you oversee")
_REFUSED = {
    NO_WORDS: bad_type(f"text: {NO_WORDS}"),
    NO_READER: missing(f"contact: {NO_READER}"),
    NO_ADDRESS: Problem(409, "resource conflict", NO_ADDRESS, "1602"),
    TOO_MUCH: Problem(413, "Request entity too large", TOO_MUCH),
    TOO_OFTEN: Problem(429, "Too many requests", TOO_OFTEN),
}
_NOT_VOID = {
    NO_REASON: missing(f"reason: {NO_REASON}"),
    NOTHING_OWED: Problem(409, "resource conflict", NOTHING_OWED, "1602"),
    ANOTHER: Problem(409, "resource conflict", ANOTHER, "1602"),
}
_ACCOUNT = (_path("account_id"),)
_RESULTS: Schema = {"type": "object", "required": ["results"], "properties": {"results": {"type": "object"}}}
_LISTED: Schema = {"type": "object", "required": ["results"], "properties": {"results": {"type": "array"}}}
_THREAD: Schema = {
    "type": "object",
    "required": ["results", "tam", "acting", "ways"],
    "properties": {"results": {"type": "array"}, "ways": {"type": "array"}},
}
_PAGING: Sequence[Schema] = (
    {"name": "before", "in": "query", "schema": {"type": "integer"}, "description": "older than this message"},
    {"name": "per_page", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": wire.MOST_PER_PAGE}},
)
OWN_THREAD = Operation(
    "Read what you and your Technical Account Manager have said",
    {200: ("the messages, the latest first; who the TAM is, who acts, how he is reached and when", _THREAD)},
    description="`answered_at` and `clock` are about an objective of ours, never a term of the contract.",
    parameters=_PAGING,
    errors=(NOT_FOUND, wire.BAD_PER_PAGE),
    limits=(Limit("per_page", wire.MOST_PER_PAGE, "messages", "400 (1200)"),),
)
WRITE = Operation(
    "Write to your Technical Account Manager",
    {200: ("the message, with the clock of its answer", _RESULTS)},
    description=(
        "It is in the thread as a mail would be: he, or who stands in for him, is told, and TAM_REPLY begins. `contact` is the "
        "address of whose word it is, and who is answered; left out, the first contact who is authorised."
    ),
    body={
        "type": "object",
        "required": ["text"],
        "properties": {
            "text": {"type": "string", "maxLength": LONGEST_BODY},
            "subject": {"type": "string", "maxLength": LONGEST_SUBJECT},
            "contact": {"type": "string", "maxLength": 254},
            "attachments": FILES,
        },
    },
    errors=(NOT_FOUND, _WHO, _REFUSED[NO_WORDS], _REFUSED[TOO_MUCH], _REFUSED[TOO_OFTEN]),
    limits=(
        Limit("messages of an account within an hour", MOST_AN_HOUR, "messages", "429"),
        Limit("text", LONGEST_BODY, "characters", "400 (1200)"),
        Limit("files of a thread together", MOST_ATTACHED, "bytes", "413"),
    ),
    example={"subject": "Volume", "text": "May we double our volume in June?", "contact": "kim@acme.example"},
)
VOID = Operation(
    "Say that no answer was ever owed: a duplicate, a test, spam",
    {200: ("the message; its clock is void once a second person has said so", _RESULTS)},
    description="Two people make a clock void. What was missed stays missed, and is counted apart.",
    parameters=(*_ACCOUNT, _path("number")),
    body={
        "type": "object",
        "required": ["reason"],
        "properties": {"reason": {"type": "string", "maxLength": LONGEST_REASON}},
    },
    errors=(FORBIDDEN, NOT_FOUND, *_NOT_VOID.values()),
    example={"reason": "the same words came by mail an hour before"},
)
SHOW = Operation(
    "Read the thread of an account",
    {200: ("its messages, the latest first; the TAM, and who acts for him", _THREAD)},
    parameters=(*_ACCOUNT, *_PAGING),
    errors=(FORBIDDEN, NOT_FOUND, wire.BAD_PER_PAGE),
    limits=(Limit("per_page", wire.MOST_PER_PAGE, "messages", "400 (1200)"),),
)
ANSWER = Operation(
    "Answer the customer",
    {200: ("the message", _RESULTS)},
    description=(
        "By mail, from the TAM's address, to `contact` or to whoever wrote last; TAM_REPLY ends once it is accepted for "
        "delivery. With `by` `phone` it says what was told by telephone, which is an answer, too."
    ),
    parameters=_ACCOUNT,
    body={
        "type": "object",
        "required": ["text"],
        "properties": {
            "text": {"type": "string", "maxLength": LONGEST_BODY},
            "by": {"type": "string", "enum": ["email", "phone"]},
            "contact": {"type": "string", "maxLength": 254},
        },
    },
    errors=(FORBIDDEN, NOT_FOUND, _BY, _WHO, *(_REFUSED[one] for one in (NO_WORDS, NO_READER, NO_ADDRESS))),
    example={"text": "We have raised your limit; it holds from now on.", "contact": "kim@example.com"},
)
COUNT = Operation(
    "Say that a machine's message is somebody's word after all",
    {200: ("the message: an answer is owed since it was received", _RESULTS)},
    parameters=(*_ACCOUNT, _path("number")),
    errors=(FORBIDDEN, NOT_FOUND),
)
FILE = Operation(
    "Download a file of a message",
    {200: ("the file, as a download alone", {"type": "string", "format": "binary"})},
    parameters=(*_ACCOUNT, _path("number"), _path("file")),
    errors=(FORBIDDEN, NOT_FOUND),
)
LISTEN = Operation(
    "Hear a voicemail; it is noted who did",
    {200: ("the sound", {"type": "string", "format": "binary"})},
    parameters=(_path("recording_id"),),
    errors=(FORBIDDEN, NOT_FOUND),
)
ERASE = Operation(
    "Erase a voicemail; its digest stays",
    {204: "erased"},
    parameters=(_path("recording_id"),),
    errors=(FORBIDDEN, NOT_FOUND),
)
LIST_HELD = Operation(
    "List mail and voicemail for TAMs that nobody has vouched for",
    {200: ("the latest first", _LISTED)},
    errors=(FORBIDDEN,),
    description="`candidates` are the contacts, in accounts that you oversee, with the address or verified number of the sender.",
)
RELEASE = Operation(
    "Let it into the thread of an account",
    {200: ("the message: an answer is owed since it was received", _RESULTS)},
    description="Without `contact` it is the word of the account's contact with the address or verified number of the sender.",
    parameters=(_path("quarantine_id"),),
    body={
        "type": "object",
        "required": ["account_id"],
        "properties": {
            "account_id": {"type": "integer", "minimum": 1, "maximum": 2_147_483_647},
            "contact": {"type": "string", "maxLength": 254},
        },
    },
    errors=(FORBIDDEN, NOT_FOUND, _WHO, _WHOSE),
    example={"account_id": 3},
)
DISCARD = Operation(
    "Throw it away",
    {204: "it is gone; the recording of a voicemail stays until its time is over"},
    parameters=(_path("quarantine_id"),),
    errors=(FORBIDDEN, NOT_FOUND),
)
