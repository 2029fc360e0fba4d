"""/api/v1/support/contacts: the people of a customer, what they may do, and whether their addresses and numbers are theirs."""

from typing import Any

import msgspec
from litestar import Request, Response, delete, get, post, put
from litestar.handlers import HTTPRouteHandler

from homing.api.bodies import Bodies, json_answer
from homing.api.errors import NOT_FOUND, ApiError
from homing.api.openapi import Limit, Operation, Schema
from homing.api.reading import query_of, read_body, refusals
from homing.api.v1.support_askers import (
    ANYBODY,
    DESK,
    LISTED,
    MANAGE,
    NOT_SAID,
    RESULTS,
    VIEW,
    WHOSE,
    Asker,
    asker,
    number_of,
    path_number,
    taken,
)
from homing.api.v1.support_contacts_wire import (
    MOST_HOW,
    MOST_PHONES,
    CodeIn,
    ContactIn,
    PhoneCodeIn,
    PhoneIn,
    code_in,
    contact_in,
    how_in,
    is_same,
    letter,
    phone_code_in,
    phone_in,
    show_contact,
)
from homing.contracts import contacts, phones
from homing.contracts.rules import MOST_NAME, MOST_TAG
from homing.contracts.types import Contact, ContactRole
from homing.ground.clock import Clock
from homing.ground.db import Pool, UniqueViolation
from homing.ground.secrets import MasterKey
from homing.ingress.notices import Notices
from homing.ingress.rules.problem import Problem, bad_combination, bad_params, bad_type, missing
from homing.support.line.code_calls import DEAR, CodeCalls

PATH = "/api/v1/support/contacts"
ONE = f"{PATH}/{{contact_id:str}}"
MOST_CONTACTS = 200  # of an account
CANNOT = Problem(503, "Service unavailable", "mail to contacts cannot be sent now; the operator's log says why")
NOT_OFFERED = bad_params("no mail is sent to contacts here; staff can verify an address")
TOO_OFTEN = Problem(
    429,
    "too many requests",
    f"a contact is sent {contacts.MOST_CODES} codes a day, all of an account's {contacts.MOST_CODES_OF_ACCOUNT}; "
    "use the last one, or try tomorrow",
)
NO_CARRIER = bad_params("no codes are sent to numbers here: there is no carrier; staff can verify a number")
TOO_DEAR = bad_params(f"number: {DEAR}")
CANNOT_CALL = Problem(
    503, "Service unavailable", "no carrier took the code; try the other way (by text or voice), or try again later"
)
TOO_MANY_CODES = Problem(
    429,
    "too many requests",
    f"a number is sent {phones.MOST_TO_NUMBER} codes a day, all of an account's contacts {phones.MOST_OF_ACCOUNT}; try tomorrow, "
    "or let staff verify it",
)
WRONG_PHONE_CODE = bad_params(
    f"code: it is not what this number was sent within {phones.GOOD.seconds // 60} minutes, or was tried {phones.MOST_TRIES} "
    "times; ask for another"
)
WRONG_CODE = bad_params("code: it is not what this contact was mailed in the last days")
_encode = msgspec.json.Encoder().encode


def routes(
    *, pool: Pool, bodies: Bodies, clock: Clock, master_key: MasterKey, notices: Notices, codes: CodeCalls, hostname: str
) -> list[HTTPRouteHandler]:
    """Return the routes. hostname: of the installation, as its mail names it."""

    async def found(who: Asker, contact_id: str) -> Contact:
        known = await contacts.one(pool, who.account_id, number_of(contact_id))
        if known is None:
            raise ApiError(NOT_FOUND)
        return known

    async def shown(request: Request[Any, Any, Any], one: Contact) -> Response[bytes]:
        return await json_answer(request, _encode({"results": show_contact(one)}))

    @get(PATH, opt={"grants": VIEW, "staff": ANYBODY, "operation": LIST})
    async def list_contacts(request: Request[Any, Any, Any]) -> Response[bytes]:
        with refusals():
            who = await asker(pool, request, query_of(request))
        known = await contacts.of_account(pool, who.account_id)
        return await json_answer(request, _encode({"results": [show_contact(one) for one in known]}))

    @get(ONE, opt={"grants": VIEW, "staff": ANYBODY, "operation": RETRIEVE})
    async def get_contact(request: Request[Any, Any, Any], contact_id: str) -> Response[bytes]:
        with refusals():
            who = await asker(pool, request, query_of(request))
        return await shown(request, await found(who, contact_id))

    @post(PATH, status_code=200, opt={"grants": MANAGE, "staff": DESK, "operation": ADD})
    async def add_contact(request: Request[Any, Any, Any]) -> Response[bytes]:
        async with bodies.json(request) as body:
            with refusals():
                who = await asker(pool, request, query_of(request))
                wanted = contact_in(read_body(body, ContactIn), account_id=who.account_id, known=None)
        known = await contacts.of_account(pool, who.account_id)
        there = next((one for one in known if one.email == wanted.email), None)
        if there is None and len(known) >= MOST_CONTACTS:
            raise ApiError(bad_params(f"an account has at most {MOST_CONTACTS} contacts; remove one that is none any more"))
        made = await contacts.add(pool, wanted, actor=who.actor) if there is None else there
        if made is None or not is_same(made, wanted):
            raise ApiError(TAKEN)
        return await shown(request, made)

    @put(ONE, opt={"grants": MANAGE, "staff": DESK, "operation": CHANGE})
    async def change_contact(request: Request[Any, Any, Any], contact_id: str) -> Response[bytes]:
        async with bodies.json(request) as body:
            with refusals():
                who = await asker(pool, request, query_of(request))
                given = read_body(body, ContactIn)
                known = await found(who, contact_id)
                wanted = contact_in(given, account_id=who.account_id, known=known)
        if is_same(known, wanted):
            return await shown(request, known)
        if any(one.email == wanted.email for one in await contacts.of_account(pool, who.account_id) if not _is(one, known)):
            raise ApiError(TAKEN)
        try:
            changed = await contacts.change(pool, wanted, actor=who.actor)
        except UniqueViolation:  # somebody was faster
            raise ApiError(TAKEN) from None
        if changed is None:
            raise ApiError(NOT_FOUND)
        return await shown(request, changed)

    @delete(ONE, status_code=204, opt={"grants": MANAGE, "staff": DESK, "operation": REMOVE})
    async def remove_contact(request: Request[Any, Any, Any], contact_id: str) -> None:
        with refusals():
            who = await asker(pool, request, query_of(request))
        if not await contacts.remove(pool, who.account_id, number_of(contact_id), actor=who.actor):
            raise ApiError(NOT_FOUND)

    @post(f"{ONE}/email-verification", status_code=200, opt={"grants": MANAGE, "staff": DESK, "operation": ASK})
    async def mail_contact_code(request: Request[Any, Any, Any], contact_id: str) -> Response[bytes]:
        with refusals():
            who = await asker(pool, request, query_of(request))
        known = await found(who, contact_id)
        if known.email_verified_at is not None:
            return await shown(request, known)
        if not notices.is_offered:
            raise ApiError(NOT_OFFERED)
        now = clock.now()
        if not await contacts.may_ask(pool, known, now=now, actor=who.actor):
            raise ApiError(TOO_OFTEN)
        code = contacts.code_of(master_key, known, day=now.date())
        subject, text = letter(known, code, hostname=hostname, now=now, days=contacts.CODE_DAYS)
        if not await notices.send(known.email, subject=subject, text=text):
            raise ApiError(CANNOT)
        return await shown(request, known)

    @put(f"{ONE}/email-verification", opt={"grants": MANAGE, "staff": DESK, "operation": SHOW_CODE})
    async def show_contact_code(request: Request[Any, Any, Any], contact_id: str) -> Response[bytes]:
        async with bodies.json(request) as body:
            with refusals():
                who = await asker(pool, request, query_of(request))
                given = read_body(body, CodeIn)
                how = "" if who.staff is None or given.how is None else how_in(given.how)
                code = "" if how else code_in(given)
                known = await found(who, contact_id)
        if not how and not contacts.is_code_of(master_key, known, code, today=clock.now().date()):
            raise ApiError(WRONG_CODE)
        if known.email_verified_at is None:
            await contacts.verify_email(pool, known, actor=who.actor, how=how)
        return await shown(request, await found(who, contact_id))

    @post(f"{ONE}/phone-verification", status_code=200, opt={"grants": MANAGE, "staff": DESK, "operation": ASK_PHONE})
    async def send_contact_phone_code(request: Request[Any, Any, Any], contact_id: str) -> Response[bytes]:
        async with bodies.json(request) as body:
            with refusals():
                who = await asker(pool, request, query_of(request))
                number, way = phone_code_in(read_body(body, PhoneCodeIn))
                known = await found(who, contact_id)
        phone = next((one for one in known.phones if one.number == number), None)
        if phone is None:
            raise ApiError(NOT_HIS)
        if phone.verified_at is not None:
            return await shown(request, known)
        if not codes.is_offered:
            raise ApiError(NO_CARRIER)
        if codes.why_not(number):
            raise ApiError(TOO_DEAR)
        asked = await phones.ask(pool, master_key, known, number, way, now=clock.now(), actor=who.actor)
        if asked is None:
            raise ApiError(TOO_MANY_CODES)
        if await codes.bring(number, asked, way):
            raise ApiError(CANNOT_CALL)
        return await shown(request, known)

    @put(f"{ONE}/phone-verification", opt={"grants": MANAGE, "staff": DESK, "operation": VERIFY_PHONE})
    async def verify_contact_phone(request: Request[Any, Any, Any], contact_id: str) -> Response[bytes]:
        async with bodies.json(request) as body:
            with refusals():
                who = await asker(pool, request, query_of(request))
                number, code, how = phone_in(read_body(body, PhoneIn), staff=who.staff is not None)
                known = await found(who, contact_id)
        if all(one.number != number for one in known.phones):
            raise ApiError(NOT_HIS)
        if code and not await phones.show(pool, master_key, known, number, code, now=clock.now(), actor=who.actor):
            raise ApiError(WRONG_PHONE_CODE)
        if how and not await contacts.verify_phone(pool, known, number, actor=who.actor, how=how):
            raise ApiError(NOT_HIS)
        return await shown(request, await found(who, contact_id))

    return [
        list_contacts,
        get_contact,
        add_contact,
        change_contact,
        remove_contact,
        mail_contact_code,
        show_contact_code,
        send_contact_phone_code,
        verify_contact_phone,
    ]


def _is(one: Contact, other: Contact) -> bool:
    return one.contact_id == other.contact_id


TAKEN = taken("the account has another contact with this address; change that one")
NOT_HIS = bad_params("number: it is none of this contact's")
_WHO = (NOT_SAID, NOT_FOUND)
_ID = (WHOSE, path_number("contact_id"))
_MEMBERS: Schema = {
    "name": {"type": "string", "minLength": 1, "maxLength": MOST_NAME},
    "email": {"type": "string", "maxLength": 320},
    "phones": {
        "type": "array",
        "maxItems": MOST_PHONES,
        "items": {"type": "string", "maxLength": 40},
        "description": "with country code; the first is called first",
    },
    "role": {"type": "string", "enum": [one.value for one in ContactRole], "default": "authorised"},
    "may_sign": {"type": "boolean", "description": "resolutions of cases; default: not a viewer"},
    "may_open_sev1": {"type": "boolean", "description": "default: not a viewer"},
    "language": {"type": "string", "maxLength": MOST_TAG, "default": "en"},
}
_BODY_ERRORS = (
    bad_type("email: 'x' is no address"),
    bad_combination("a viewer may look alone; make him authorised to let him sign or open Severity 1"),
    TAKEN,
)
LIST = Operation("List contacts", {200: ("all of them, oldest first", LISTED)}, errors=_WHO, parameters=(WHOSE,))
RETRIEVE = Operation("Look at one contact", {200: ("the contact", RESULTS)}, errors=_WHO, parameters=_ID)
ADD = Operation(
    "Add a contact",
    {200: ("the contact", RESULTS)},
    errors=(*_WHO, missing("name and email are required fields"), *_BODY_ERRORS),
    limits=(Limit("contacts of an account", MOST_CONTACTS, "contacts", "400"),),
    description="The same body again answers with the contact that is there. Nobody's address or number counts as verified yet.",
    parameters=(WHOSE,),
    body={"type": "object", "required": ["name", "email"], "properties": _MEMBERS},
    example={"name": "Kim", "email": "kim@acme.example", "phones": ["+1 202 555 0123"], "may_sign": True, "may_open_sev1": True},
)
CHANGE = Operation(
    "Change a contact",
    {200: ("the contact", RESULTS)},
    errors=(*_WHO, *_BODY_ERRORS),
    description="What is absent stays. Another address or number is not verified.",
    parameters=_ID,
    body={"type": "object", "properties": _MEMBERS},
    example={"may_open_sev1": False},
)
REMOVE = Operation("Let somebody be a contact no more", {204: "what he signed stays"}, errors=_WHO, parameters=_ID)
ASK = Operation(
    "Mail a contact a code that shows that his address is his",
    {200: ("the contact; of a verified address none is mailed", RESULTS)},
    errors=(*_WHO, NOT_OFFERED, TOO_OFTEN, CANNOT),
    limits=(
        Limit("codes to a contact within a day", contacts.MOST_CODES, "mails", "429"),
        Limit("codes to all contacts of an account within a day", contacts.MOST_CODES_OF_ACCOUNT, "mails", "429"),
    ),
    parameters=_ID,
)
SHOW_CODE = Operation(
    "Show the code that a contact was mailed",
    {200: ("the contact, his address verified", RESULTS)},
    errors=(*_WHO, missing("code is a required field"), bad_type("how must be 1 to 255 printable characters"), WRONG_CODE),
    description=(
        f"A code is good for {contacts.CODE_DAYS} days, and for the address that it was mailed to. Staff may say `how` else the "
        "address was shown to be his; that goes into the audit."
    ),
    parameters=_ID,
    body={
        "type": "object",
        "properties": {
            "code": {"type": "string", "maxLength": 100},
            "how": {"type": "string", "maxLength": MOST_HOW, "description": "staff, instead of a code"},
        },
    },
    example={"code": "0123456789abcdef0123"},
)
_NUMBER: Schema = {"type": "string", "maxLength": 40}
ASK_PHONE = Operation(
    "Send a contact a code that shows that a number is his",
    {200: ("the contact; to a verified number none is sent", RESULTS)},
    errors=(
        *_WHO,
        missing("number is a required field"),
        bad_type("number: 'x' is no phone number"),
        NOT_HIS,
        NO_CARRIER,
        TOO_DEAR,
        TOO_MANY_CODES,
        CANNOT_CALL,
    ),
    limits=(
        Limit("codes to a number within a day", phones.MOST_TO_NUMBER, "codes", "429"),
        Limit("codes to all contacts of an account within a day", phones.MOST_OF_ACCOUNT, "codes", "429"),
    ),
    description="`by` `text`: a short message; `voice`: a call that reads it out to whoever presses 1. The one before is void.",
    parameters=_ID,
    body={
        "type": "object",
        "required": ["number"],
        "properties": {"number": _NUMBER, "by": {"type": "string", "enum": list(phones.Way), "default": "text"}},
    },
    example={"number": "+12025550123", "by": "voice"},
)
VERIFY_PHONE = Operation(
    "Show the code that came to a number",
    {200: ("the contact, his number verified", RESULTS)},
    errors=(
        *_WHO,
        missing("number and code are required fields; staff can say how else it is his"),
        bad_type("number: 'x' is no phone number"),
        NOT_HIS,
        WRONG_PHONE_CODE,
    ),
    limits=(Limit("tries of a code", phones.MOST_TRIES, "tries", "400"),),
    description=(
        f"A code is good for {phones.GOOD.seconds // 60} minutes and once. Staff who have spoken to him may say `how` instead; "
        "either goes into the audit."
    ),
    parameters=_ID,
    body={
        "type": "object",
        "required": ["number"],
        "properties": {
            "number": _NUMBER,
            "code": {"type": "string", "maxLength": 100},
            "how": {"type": "string", "maxLength": MOST_HOW, "description": "staff, instead of a code"},
        },
    },
    example={"number": "+12025550123", "code": "012345"},
)
