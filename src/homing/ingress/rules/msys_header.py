"""X-MSYS-API: the one header through which an SMTP injection says what a REST call says in JSON.

Source: SparkPost reference, section 2.31.2; wording of refusals, section 2.31.1. Unknown members are ignored, as there.
"""

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from homing.ingress import answers
from homing.ingress.rules.recipients import MOST_NESTING, MOST_TAG, is_nested_deeper
from homing.message.addresses import BadAddress, check_name, parse_address
from homing.smtp.replies import Reply, printable

CAMPAIGN_OCTETS = 64
METADATA_OCTETS = 1_000  # by REST 10 KB; SparkPost reference, section 9, number 9
MAX_COPIES = 1000
MAX_TAGS = 10  # further ones are ignored
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_NUL_ESCAPE = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_JSON_TYPES = {dict: "json object", list: "json array", str: "json string", bool: "json boolean"}
_DEFAULTED = ("open_tracking", "click_tracking", "initial_open", "transactional")
_FLAGS = ("open_tracking", "click_tracking", "initial_open", "transactional", "skip_suppression", "inline_css")


class Copy(NamedTuple):
    """One more recipient.

    kind     cc, bcc or archive
    domain   routing domain, lower case A-labels
    """

    kind: str
    email: str
    domain: str
    name: str


class ApiHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What the header asks for; the defaults are those of a message without one."""

    campaign_id: str = ""
    metadata: dict[str, Any] = {}
    tags: tuple[str, ...] = ()
    copies: tuple[Copy, ...] = ()
    open_tracking: bool = False
    click_tracking: bool = False
    initial_open: bool = False
    transactional: bool = False
    skip_suppression: bool = False
    inline_css: bool = False
    ip_pool: str | None = None
    dkim_key: str = "default"
    unset: frozenset[str] = frozenset(_DEFAULTED)  # of these options, those that it does not name


NOTHING_ASKED = ApiHeader()


class _Bad(Exception):
    """The header cannot be used; the text is the reply's."""


def read_api_header(text: str) -> ApiHeader | Reply:
    """Read the header's value, unfolded and with its encoded-words decoded, or refuse it."""
    try:
        return _read(_parse(text))
    except _Bad as bad:
        return answers.bad_api_header(str(bad))


def _parse(text: str) -> dict[str, Any]:
    if _NUL_ESCAPE.search(text):
        raise _Bad("JSON parsing error in X-MSYS-API: it holds \\u0000")
    try:
        found = msgspec.json.decode(text.encode())
        msgspec.msgpack.encode(found)  # as it will be stored: whole numbers beyond 64 bits are found here
    except OverflowError:
        raise _Bad("JSON parsing error in X-MSYS-API: a number is out of range") from None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as trouble:
        raise _Bad(f"JSON parsing error in X-MSYS-API: {trouble}") from None
    if not isinstance(found, dict):
        raise _Bad("JSON parsing error in X-MSYS-API: it must be one JSON object")
    return found


def _read(given: dict[str, Any]) -> ApiHeader:
    campaign_id = _member(given, "campaign_id", str, "")
    if len(campaign_id.encode()) > CAMPAIGN_OCTETS:
        raise _Bad(f"smtpapi_campaign_id context is limited to {CAMPAIGN_OCTETS} bytes")
    metadata = _member(given, "metadata", dict, {})
    if metadata and len(msgspec.json.encode(metadata)) > METADATA_OCTETS:
        raise _Bad(f"smtpapi_metadata context is limited to {METADATA_OCTETS} bytes")
    if is_nested_deeper(metadata, MOST_NESTING):
        raise _Bad(f"X-MSYS-API 'metadata' is nested more than {MOST_NESTING} levels deep")
    tags = _member(given, "tags", list, [])
    if not all(isinstance(tag, str) for tag in tags):
        raise _Bad("X-MSYS-API 'tags' must hold values of type 'json string'")
    if any(len(tag.encode()) > MOST_TAG for tag in tags):
        raise _Bad(f"X-MSYS-API 'tags' are limited to {MOST_TAG} bytes each")
    options = _member(given, "options", dict, {})
    flags = {name: _member(options, name, bool, None, "options.") for name in _FLAGS}
    opens = bool(flags["open_tracking"])
    return ApiHeader(
        campaign_id=_one_line("campaign_id", campaign_id),
        metadata=metadata,
        tags=tuple(_one_line("tags", tag) for tag in tags[:MAX_TAGS]),
        copies=tuple(_copies(given)),
        open_tracking=opens,
        click_tracking=bool(flags["click_tracking"]),
        initial_open=opens if flags["initial_open"] is None else flags["initial_open"],
        transactional=bool(flags["transactional"]),
        skip_suppression=bool(flags["skip_suppression"]),
        inline_css=bool(flags["inline_css"]),
        ip_pool=_one_line("options.ip_pool", _member(options, "ip_pool", str, "", "options.")) or None,
        dkim_key=_one_line("options.dkim_key", _member(options, "dkim_key", str, "", "options.")) or "default",
        unset=frozenset(name for name in _DEFAULTED if flags[name] is None),
    )


def _member(given: dict[str, Any], name: str, kind: type, default: Any, prefix: str = "") -> Any:
    """Return a member of one type; null counts as absent."""
    value = given.get(name)
    if value is None:
        return default
    if not isinstance(value, kind):
        raise _Bad(f"X-MSYS-API '{prefix}{name}' must be of type '{_JSON_TYPES[kind]}'")
    return value


def _one_line(name: str, value: str) -> str:
    if _CONTROL.search(value):
        raise _Bad(f"X-MSYS-API '{name}' must not hold control characters")
    return value


def _copies(given: dict[str, Any]) -> Iterable[Copy]:
    """Return every copy once; who is on several lists counts by the first of cc, bcc, archive."""
    lists = [(kind, _member(given, kind, list, [])) for kind in ("cc", "bcc", "archive")]
    if sum(len(entries) for _, entries in lists) > MAX_COPIES:
        raise _Bad(f"X-MSYS-API 'cc', 'bcc' and 'archive' are limited to {MAX_COPIES} recipients")
    found: dict[str, Copy] = {}
    for kind, entries in lists:
        for entry in entries:
            copy = _copy(kind, entry)
            found.setdefault(copy.email.lower(), copy)
    return found.values()


def _copy(kind: str, entry: Any) -> Copy:
    email, name = (entry.get("email"), entry.get("name") or "") if isinstance(entry, dict) else (entry, "")
    if not isinstance(email, str) or not isinstance(name, str):
        raise _Bad(f"X-MSYS-API '{kind}' must hold addresses, or objects with 'email' and 'name'")
    try:
        check_name(name)
        return Copy(kind, email, parse_address(email).domain, name)
    except BadAddress as bad:
        raise _Bad(f"X-MSYS-API '{kind}' holds {printable(email, 80)!r}: {bad}") from None
