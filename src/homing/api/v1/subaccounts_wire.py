"""Subaccounts on the wire: bodies and queries in, objects out (SparkPost reference, section 2.20). Nothing is looked up here."""

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from homing.accounts.grants import check_grants, read_masks
from homing.accounts.subaccounts import Place, Wanted
from homing.accounts.types import Sender, Subaccount, SubaccountStatus
from homing.ingress.rules.problem import Problem, Wrong

PATH = "/api/v1/subaccounts"
MOST_NAME = 64
MOST_POOL = 20
MOST_LABEL = 255
MOST_MASKS = 100
MOST_PER_PAGE = 100
PER_PAGE = 25
SORTS = ("created_at", "updated_at", "id", "name")
OPTIONS = ("deliverability",)
_STATUSES = tuple(status.value for status in SubaccountStatus)
_ASKS = ("cursor", "per_page", "sort_by", "order", "ip_pool", "status", "name", "ids", "option")
_POOL = re.compile(r"[A-Za-z0-9_]+")
_encode = msgspec.json.Encoder().encode
_decode_place = msgspec.json.Decoder(Place).decode


class SubaccountIn(msgspec.Struct, kw_only=True):
    """A subaccount to make, or what to change of one; `null` means absent. Every member is judged one by one."""

    name: Any = None
    status: Any = None
    ip_pool: Any = None
    options: Any = None
    setup_api_key: Any = None
    key_label: Any = None
    key_grants: Any = None
    key_valid_ips: Any = None


class KeyWanted(msgspec.Struct, frozen=True, kw_only=True):
    """The key that a new subaccount begins with."""

    label: str
    grants: list[str]
    valid_ips: list[str]


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """What a body says; None: nothing. key: None where none is wanted."""

    name: str | None = None
    status: str | None = None
    ip_pool: str | None = None
    options: dict[str, bool] = {}
    key: KeyWanted | None = None


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """A page that is asked for."""

    wanted: Wanted
    sort_by: str
    upwards: bool
    after: Place | None
    per_page: int


def wrong(param: str, message: str, value: Any = None) -> Problem:
    """Return what is wrong with one member, in this resource's shape (reference, section 1.5)."""
    more: dict[str, Any] = {"param": param}
    if isinstance(value, str | bool | int | float):
        more["value"] = value[:200] if isinstance(value, str) else value
    return Problem(400, message, more=more)


def read_new(given: SubaccountIn, sender: Sender) -> Read | list[Problem]:
    """Return the subaccount that a body asks for, or everything that is wrong with it."""
    problems: list[Problem] = []
    if given.name is None:
        problems.append(wrong("name", "`name` is a required field"))
    read = _read(msgspec.structs.replace(given, status=None), problems)
    key: KeyWanted | None = None
    if given.setup_api_key not in (None, True, False):
        problems.append(wrong("setup_api_key", "`setup_api_key` must be a boolean", given.setup_api_key))
    elif given.setup_api_key is not False:
        key = _key(given, sender, problems)
    return problems or msgspec.structs.replace(read, key=key)


def read_change(given: SubaccountIn) -> Read | list[Problem]:
    """Return what a body changes of a subaccount, or everything that is wrong with it."""
    problems: list[Problem] = []
    read = _read(given, problems)
    return problems or read


def _read(given: SubaccountIn, problems: list[Problem]) -> Read:
    name, status, pool, options = given.name, given.status, given.ip_pool, given.options
    if name is not None:
        if not isinstance(name, str) or not name.strip() or not name.isprintable():
            problems.append(wrong("name", "`name` must be a text of printable characters", name))
        elif len(name.strip()) > MOST_NAME:
            problems.append(wrong("name", f"name must be {MOST_NAME} characters or less", name))
    if status is not None and status not in _STATUSES:
        problems.append(wrong("status", f"status must be one of: {', '.join(_STATUSES)}", status))
    if pool is not None and pool != "":
        if not isinstance(pool, str) or _POOL.fullmatch(pool) is None:
            problems.append(wrong("ip_pool", "ip_pool must be alphanumeric and underscore", pool))
        elif len(pool) > MOST_POOL:
            problems.append(wrong("ip_pool", f"ip_pool must be {MOST_POOL} characters or less", pool))
    known: dict[str, bool] = {}
    if options is not None and not isinstance(options, dict):
        problems.append(wrong("options", "`options` must be an object", options))
    elif options is not None:
        known = {option: options[option] for option in OPTIONS if options.get(option) is not None}
        problems += [
            wrong(f"options.{option}", f"`options.{option}` must be a boolean", value)
            for option, value in known.items()
            if not isinstance(value, bool)
        ]
    if problems:
        return Read()
    return Read(
        name=None if name is None else name.strip(),
        status=status,
        ip_pool=None if pool is None else pool.lower(),
        options=known,
    )


def _key(given: SubaccountIn, sender: Sender, problems: list[Problem]) -> KeyWanted | None:
    before = len(problems)
    label, grants, masks = given.key_label, given.key_grants, given.key_valid_ips
    if label is None or label == "":
        problems.append(wrong("key_label", "`key_label` is a required field"))
    elif not isinstance(label, str) or not label.strip() or len(label) > MOST_LABEL or not label.isprintable():
        problems.append(wrong("key_label", f"`key_label` must be at most {MOST_LABEL} printable characters", label))
    if grants is None or grants == []:
        problems.append(wrong("key_grants", "`key_grants` is a required field"))
    elif not isinstance(grants, list) or not all(isinstance(grant, str) for grant in grants):
        problems.append(wrong("key_grants", "`key_grants` must be an Array of grants", grants))
    else:
        impossible = check_grants(grants, subaccount_id=1)
        beyond = check_grants(grants, subaccount_id=1, held=sender.grants)
        if impossible:
            text = f"a subaccount's key cannot hold these grants: {_few(impossible)}"
            problems.append(wrong("key_grants", text, _few(impossible)))
        elif beyond:
            text = f"a key cannot give away what it does not hold: {_few(beyond)}"
            problems.append(wrong("key_grants", text, _few(beyond)))
    valid_ips: list[str] = []
    if masks is not None and not isinstance(masks, list):
        problems.append(wrong("key_valid_ips", "`key_valid_ips` must be an Array", masks))
    elif masks is not None:
        try:
            if len(masks) > MOST_MASKS:
                raise ValueError
            valid_ips = [str(network) for network in read_masks(masks)]
        except (ValueError, AttributeError):  # too many, no masks, or no texts
            problems.append(wrong("key_valid_ips", "`key_valid_ips` must have valid netmask values", str(masks)))
    if len(problems) > before:
        return None
    return KeyWanted(label=label.strip(), grants=grants, valid_ips=valid_ips)


def _few(grants: list[str]) -> str:
    return ", ".join(grant[:64] for grant in grants[:10])


def read_number(text: str) -> int:
    """Return the number of a subaccount, 0 (which none has) for a text that is none."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else 0
    return number if number < 2**31 else 0


def not_found(text: str) -> Problem:
    """Return the error of a subaccount that this account does not have."""
    return Problem(404, "resource not found", f"Subaccount '{text[:64]}' does not exist", "1600")


def read_listing(query: Mapping[str, str], account_id: int) -> Listing | None:
    """Return the page that a query asks for; None: it asks for no page, so all are listed. Raises Wrong."""
    asked = {name: query[name].strip() for name in _ASKS if query.get(name, "").strip()}
    if not asked:
        return None
    sort_by, order = asked.get("sort_by", "created_at"), asked.get("order", "desc").lower()
    if sort_by not in SORTS:
        raise Wrong(wrong("sort_by", f"sort_by must be one of: {', '.join(SORTS)}", sort_by))
    if order not in ("asc", "desc"):
        raise Wrong(wrong("order", "order must be asc or desc", order))
    statuses = None if "status" not in asked else _list(asked["status"])
    if statuses is not None and not set(statuses) <= set(_STATUSES):
        raise Wrong(wrong("status", f"status must be one of: {', '.join(_STATUSES)}", asked["status"]))
    ids = None if "ids" not in asked else [read_number(text) for text in _list(asked["ids"])]
    if ids is not None and 0 in ids:
        raise Wrong(wrong("ids", "ids must be numbers of subaccounts, separated by commas", asked["ids"]))
    if asked.get("option", OPTIONS[0]) not in OPTIONS:
        raise Wrong(wrong("option", f"option must be one of: {', '.join(OPTIONS)}", asked["option"]))
    return Listing(
        wanted=Wanted(
            account_id=account_id,
            ip_pool=asked["ip_pool"].lower() if "ip_pool" in asked else None,
            statuses=statuses,
            name=asked.get("name"),
            ids=ids,
            option=asked.get("option"),
        ),
        sort_by=sort_by,
        upwards=order == "asc",
        after=_cursor(asked.get("cursor", "initial")),
        per_page=_per_page(asked.get("per_page", str(PER_PAGE))),
    )


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _per_page(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MOST_PER_PAGE):
        raise Wrong(wrong("per_page", f"per_page must be a number from 1 to {MOST_PER_PAGE}", text))
    return int(text)


def _cursor(text: str) -> Place | None:
    if text == "initial":
        return None
    try:
        found = _decode_place(base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), b"-_", validate=True))
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        found = None
    if found is None or not 0 < found.subaccount_id < 2**31 or "\0" in found.key:
        raise Wrong(wrong("cursor", "cursor must be 'initial' or come from links.next", text))
    return found


def links(query: Mapping[str, str], following: Place | None) -> dict[str, str]:
    """Return the `links` of a page: `next`, or nothing."""
    if following is None:
        return {}
    cursor = base64.urlsafe_b64encode(_encode(following)).rstrip(b"=").decode()
    kept = [(name, query[name]) for name in _ASKS if name != "cursor" and query.get(name)]
    return {"next": f"{PATH}?{urlencode([('cursor', cursor), *kept], quote_via=quote)}"}


def show(one: Subaccount) -> dict[str, Any]:
    """Return a subaccount as customers see it."""
    shown: dict[str, Any] = {
        "id": one.subaccount_id,
        "customer_id": one.account_id,
        "name": one.name,
        "status": one.status,
        "compliance_status": one.compliance_status,
        "options": {option: one.options.get(option, False) for option in OPTIONS},
        "created_at": moment(one.created_at),
        "updated_at": moment(one.updated_at),
    }
    if one.ip_pool:
        shown["ip_pool"] = one.ip_pool
    return shown


def moment(at: datetime) -> str:
    """Return a moment as this resource writes it (reference, section 1.9)."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
