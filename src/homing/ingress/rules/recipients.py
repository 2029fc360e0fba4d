"""The `recipients` of an API call: each is taken or refused by itself (SparkPost reference, section 2.1.3)."""

import re
from collections.abc import Iterator, Sequence
from mmap import mmap
from typing import Any

import msgspec

from homing.ingress.rules.problem import Problem, Wrong, bad_header, bad_type, check_one_line, missing
from homing.ingress.types import Recipient, RecipientError
from homing.message.addresses import BadAddress, parse_address
from homing.spool.types import RecipientDetail

MOST_RECIPIENTS = 50_000
MOST_TAGS = 10  # more are ignored, as documented
MOST_TAG = 1_024  # bytes of one; every event repeats them
MOST_METADATA = 10_240  # bytes of JSON
MOST_SUBSTITUTION = 102_400
MOST_NESTING = 32  # levels of objects and lists in metadata and substitution data


class AddressIn(msgspec.Struct, gc=False):
    """`address` as an object."""

    email: str | None = None
    name: str | None = None
    header_to: str | None = None


class RecipientIn(msgspec.Struct, gc=False):
    """One element of `recipients`."""

    address: str | AddressIn | None = None
    return_path: str | None = None
    tags: list[str] | None = None
    metadata: dict[str, Any] | None = None
    substitution_data: dict[str, Any] | None = None


class ListIn(msgspec.Struct):
    """`recipients` as a reference to a stored list."""

    list_id: str | None = None


_TYPES = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "object": "an object",
    "array": "a list",
}
# A whole innermost object, a string, or a sign; possessive, so that nothing is searched twice.
_STEP = re.compile(rb'\{(?:[^{}\[\]"]++|"(?:[^"\\]++|\\.)*+")*+\}|"(?:[^"\\]++|\\.)*+"|[\[\]{},]', re.DOTALL)
_TYPE = re.compile(r"\b(?:" + "|".join(_TYPES) + r")\b")
_decode_all = msgspec.json.Decoder(list[RecipientIn]).decode
_decode_one = msgspec.json.Decoder(RecipientIn).decode
_split = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_list = msgspec.json.Decoder(ListIn).decode
_as_json = msgspec.json.Encoder().encode
_as_msgpack = msgspec.msgpack.Encoder().encode


def named_list(raw: bytes | memoryview) -> str | None:
    """Return the id of the stored list that the member names; None: it is no object.

    raises   Wrong where the object names none
    """
    if bytes(raw[:1]) != b"{":
        return None
    named = _decode_list(raw).list_id
    if not named:
        raise Wrong(missing("recipients must be a list, or an object with list_id"))
    return named


def read_recipients(raw: bytes | memoryview) -> tuple[list[Recipient], tuple[RecipientError, ...]]:
    """Return the recipients that may be used, and for each of the others what is wrong with it.

    raw      the member as it was sent
    raises   Wrong where nothing can be sent: none at all, too many, not a list
    """
    if bytes(raw[:1]) != b"[":
        raise Wrong(bad_type("recipients must be a list, or an object with list_id"))
    if has_more_than(raw, MOST_RECIPIENTS):
        raise Wrong(bad_type(f"recipients must have at most {MOST_RECIPIENTS} elements"))
    found, refused = read_some(raw)
    if not found:
        raise Wrong(nobody(refused))
    return found, tuple(refused)


def nobody(refused: Sequence[RecipientError]) -> Problem:
    """Return what to say where no recipient can be used."""
    return Problem(400, "At least one valid recipient is required", refused[0].description if refused else "", "5002")


def read_some(raw: bytes | memoryview) -> tuple[list[Recipient], list[RecipientError]]:
    """Return the usable recipients of a JSON list, and what is wrong with the others."""
    found: list[Recipient] = []
    refused: list[RecipientError] = []
    try:
        given: list[RecipientIn | Problem] = list(_decode_all(raw))
    except msgspec.ValidationError:
        given = [_one(part) for part in _split(raw)]  # somewhere in the list is a wrong type: find whose
    for recipient in given:
        taken = recipient if isinstance(recipient, Problem) else _taken(recipient)
        if isinstance(taken, Recipient):
            found.append(taken)
        else:
            refused.append(RecipientError(taken.message, taken.description, taken.code))
    return found, refused


def slices(raw: bytes | memoryview | mmap, start: int, end: int, *, elements: int, size: int) -> Iterator[bytes]:
    """Return a JSON list as JSON lists of at most so many elements and about so many bytes, without reading it whole.

    raw   well-formed JSON in which the list lies from start to end
    """
    depth = count = 0
    begin = start + 1
    for step in _STEP.finditer(raw, start, end):
        sign = step[0]
        if sign in (b"[", b"{"):
            depth += 1
        elif sign in (b"]", b"}"):
            depth -= 1
        elif sign == b"," and depth == 1:
            count += 1
            if count >= elements or step.start() - begin >= size:
                yield b"[" + bytes(raw[begin : step.start()]) + b"]"
                begin, count = step.end(), 0
    rest = bytes(raw[begin : end - 1])
    if rest.strip():
        yield b"[" + rest + b"]"


def metadata_too_large(name: str) -> Problem:
    """Metadata is longer than is kept."""
    return Problem(422, "metadata too large", f"{name} must be at most {MOST_METADATA} bytes of JSON", "2007")


def substitution_too_large(name: str) -> Problem:
    """Substitution data is longer than is kept."""
    return Problem(422, "substitution data too large", f"{name} must be at most {MOST_SUBSTITUTION} bytes of JSON", "2002")


def check_metadata(value: dict[str, Any] | None, name: str) -> None:
    """Refuse metadata over 10 KB, or with numbers that cannot be kept.

    raises   Wrong
    """
    if value:
        if len(_as_json(value)) > MOST_METADATA:
            raise Wrong(metadata_too_large(name))
        _check_kept(value, name)


def check_substitution(value: dict[str, Any] | None, name: str) -> None:
    """Refuse substitution data over 100 KB, or with numbers that cannot be kept.

    raises   Wrong
    """
    if value:
        if len(_as_json(value)) > MOST_SUBSTITUTION:
            raise Wrong(substitution_too_large(name))
        _check_kept(value, name)


def read_return_path(value: str, name: str) -> str:
    """Return an envelope sender that is an address.

    raises   Wrong
    """
    try:
        return parse_address(value).text
    except BadAddress as trouble:
        raise Wrong(bad_type(f"{name} is not a valid address: {trouble}")) from trouble


def wrong_type(trouble: msgspec.ValidationError, *, inside: str = "") -> Problem:
    """Return msgspec's complaint as an error of ours: "Expected `str`, got `int` - at `$.subject`"."""
    text, _, path = str(trouble).partition(" - at `$")
    place = (inside + path.rstrip("`")).lstrip(".") or "the body"
    if text.startswith("Object missing required field"):
        return missing(f"{text.split('`')[1]} is a required field")
    if text.startswith("Invalid base64"):
        return bad_type(f"{place} must be base64 without line breaks")
    text = _TYPE.sub(lambda found: _TYPES[found[0]], text.replace(" | null", "").replace(" | ", " or ").replace("`", ""))
    return bad_type(f"{place}: {text[:1].lower()}{text[1:]}")


def has_more_than(raw: bytes | memoryview, most: int) -> bool:
    """Return whether a JSON list is longer, before any of it becomes objects: 20 MB hold ten million elements.

    raw   JSON that has been found well formed
    """
    octets = bytes(raw)
    if octets.count(b",") < most:
        return False
    depth = separators = 0
    for step in _STEP.finditer(octets):
        sign = step[0]
        if sign == b",":
            if depth == 1:
                separators += 1
                if separators >= most:
                    return True
        elif sign in (b"[", b"{"):
            depth += 1
        elif sign in (b"]", b"}"):
            depth -= 1
    return False


def _one(part: msgspec.Raw) -> RecipientIn | Problem:
    try:
        return _decode_one(part)
    except msgspec.ValidationError as trouble:
        return wrong_type(trouble, inside="recipient")


def _taken(given: RecipientIn) -> Recipient | Problem:
    address = given.address
    name = header_to = None
    if isinstance(address, str):
        email: str | None = address
    elif address is None:
        email = None
    else:
        email, name, header_to = address.email, address.name or None, address.header_to or None
    if not email:
        return missing("address.email is required for each recipient")
    try:
        domain = parse_address(email).domain
    except BadAddress as trouble:
        return bad_type(f"address.email '{email[:100]}' cannot be used: {trouble}")
    if not (name or header_to or given.tags or given.metadata or given.substitution_data or given.return_path):
        return Recipient(email, domain)
    try:
        check_one_line(name, "address.name")
        check_one_line(header_to, "address.header_to")
        check_metadata(given.metadata, "recipient metadata")
        check_substitution(given.substitution_data, "recipient substitution_data")
        return_path = read_return_path(given.return_path, "recipient return_path") if given.return_path else None
    except Wrong as wrong:
        return wrong.problem
    tags = tuple(given.tags[:MOST_TAGS]) if given.tags else ()
    if any("\0" in tag for tag in tags):
        return bad_header("tags must not contain NUL")
    if any(len(tag.encode()) > MOST_TAG for tag in tags):
        return bad_type(f"tags must have at most {MOST_TAG} bytes each")
    return Recipient(
        email,
        domain,
        RecipientDetail(
            name=name,
            header_to=header_to,
            tags=tags,
            metadata=given.metadata or {},
            substitution_data=given.substitution_data or {},
            return_path=return_path,
        ),
    )


def _check_kept(value: dict[str, Any], name: str) -> None:
    try:
        _as_msgpack(value)  # as it is kept: integers of 64 bits
    except OverflowError as trouble:
        raise Wrong(bad_type(f"{name} holds a number beyond 64 bits; send it as a string")) from trouble
    if is_nested_deeper(value, MOST_NESTING):
        raise Wrong(bad_type(f"{name} is nested more than {MOST_NESTING} levels deep"))


def is_nested_deeper(value: Any, than: int) -> bool:
    """Return whether objects and lists stand within each other on more levels than so many."""
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return than < 1 or any(is_nested_deeper(child, than - 1) for child in children if isinstance(child, dict | list))
