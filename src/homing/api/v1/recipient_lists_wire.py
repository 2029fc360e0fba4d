"""Recipient lists on the wire: bodies read in pieces, and lists as customers see them. Nothing is looked up here."""

import secrets
from collections.abc import AsyncIterator, Iterator
from mmap import mmap
from typing import Any

import msgspec

from homing.ingress.rules.problem import Problem, Wrong, bad_type, check_bytes, check_one_line, missing
from homing.ingress.rules.recipients import nobody, read_some, slices
from homing.ingress.types import Recipient, RecipientError
from homing.recipients.lists import MOST_RECIPIENTS, PIECE_BYTES, PIECE_RECIPIENTS, Piece
from homing.recipients.types import StoredList
from homing.spool.types import RecipientDetail

MOST_BODY = 104_857_600  # bytes: 500,000 recipients of 200 bytes
MOST_ID = 64
MOST_DESCRIPTION = 1_024
MOST_ATTRIBUTES = 65_536
MOST_DOMAINS = 100  # of return paths of recipients' own
RESERVED = "rcptlist_"  # of the ids that we make

_encode = msgspec.json.Encoder().encode
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(list[tuple[str, str, RecipientDetail | None]]).decode


class ListBody(msgspec.Struct):
    """The body; `null` means absent. Recipients stay raw: a view of the body."""

    id: str | None = None
    name: str | None = None
    description: str | None = None
    attributes: dict[str, Any] | None = None
    recipients: msgspec.Raw = msgspec.Raw(b"null")


_decode = msgspec.json.Decoder(ListBody).decode


def decode(body: bytes | mmap) -> ListBody:
    """Return a body as its struct. Raises what msgspec says."""
    return _decode(body)


def check(given: ListBody) -> None:
    """Refuse what a list cannot say of itself.

    raises   Wrong
    """
    for value, name in ((given.id, "id"), (given.name, "name")):
        check_bytes(value, name, MOST_ID)
        check_one_line(value, name)
    if given.id == "" or (given.id or "").startswith(RESERVED):
        raise Wrong(bad_type(f"id must not be empty and must not begin with {RESERVED}"))
    check_bytes(given.description, "description", MOST_DESCRIPTION)
    if "\0" in (given.description or ""):
        raise Wrong(bad_type("description must not contain NUL"))
    if len(_encode(given.attributes or {})) > MOST_ATTRIBUTES:
        raise Wrong(bad_type(f"attributes must be at most {MOST_ATTRIBUTES} bytes of JSON"))


def has_recipients(given: ListBody) -> bool:
    """Return whether the body brings recipients.

    raises   Wrong where they are no list
    """
    start = bytes(memoryview(given.recipients)[:1])
    if start == b"n":
        return False
    if start != b"[":
        raise Wrong(bad_type("recipients must be a list"))
    return True


def must_have_recipients(given: ListBody) -> None:
    """Refuse a new list without recipients. Raises Wrong."""
    if not has_recipients(given):
        raise Wrong(missing("recipients is a required field"))


class Reading:
    """Reads recipients piece by piece, and remembers what the answer tells."""

    def __init__(self, given: ListBody, *, most_errors: int) -> None:
        self._raw = memoryview(given.recipients)
        self._most_errors = most_errors
        self.accepted = 0
        self.rejected = 0
        self.errors: list[RecipientError] = []
        self.domains: set[str] = set()

    def pieces(self) -> Iterator[Piece]:
        """Return the usable recipients; to be read in a thread.

        raises   Wrong where there are too many, or none
        """
        raw = self._raw
        for part in slices(raw, 0, len(raw), elements=PIECE_RECIPIENTS, size=PIECE_BYTES):
            found, refused = read_some(part)
            self.accepted += len(found)
            self.rejected += len(refused)
            self.errors.extend(refused[: max(0, max(1, self._most_errors) - len(self.errors))])
            if self.accepted + self.rejected > MOST_RECIPIENTS:
                raise Wrong(bad_type(f"recipients must have at most {MOST_RECIPIENTS} elements"))
            for recipient in found:
                if recipient.detail is not None and recipient.detail.return_path:
                    self.domains.add(recipient.detail.return_path.rpartition("@")[2].lower())
            if len(self.domains) > MOST_DOMAINS:
                raise Wrong(bad_type(f"the recipients' own return_paths must be of at most {MOST_DOMAINS} domains"))
            if found:
                yield Piece(len(found), _pack([(one.email, one.domain, one.detail) for one in found]))
        if not self.accepted:
            raise Wrong(nobody(self.errors))


def stored_of(given: ListBody, reading: Reading | None, *, before: StoredList | None, snapshot: int) -> StoredList:
    """Return what is kept of a list: what the body names, the rest as it was before."""
    list_id = before.list_id if before is not None else given.id or RESERVED + secrets.token_hex(10)
    name = given.name or (before.name if before is not None else list_id)
    return StoredList(
        list_id=list_id,
        snapshot=snapshot,
        name=name,
        description=given.description if given.description is not None else (before.description if before else ""),
        attributes=_encode(given.attributes)
        if given.attributes is not None
        else (before.attributes if before is not None else b"{}"),
        recipients=reading.accepted if reading is not None else (before.recipients if before is not None else 0),
        return_path_domains=tuple(sorted(reading.domains))
        if reading is not None
        else (before.return_path_domains if before is not None else ()),
    )


def told(stored: StoredList, reading: Reading | None, most_errors: int) -> dict[str, Any]:
    """Return the answer to a creation or a change."""
    if reading is None:
        return {"results": {"id": stored.list_id, "name": stored.name}}
    results: dict[str, Any] = {
        "total_rejected_recipients": reading.rejected,
        "total_accepted_recipients": reading.accepted,
        "id": stored.list_id,
        "name": stored.name,
    }
    if not reading.rejected:
        return {"results": results}
    results["rcpt_to_errors"] = [
        {"message": error.message, "description": error.description, "code": error.code} for error in reading.errors[:most_errors]
    ]
    return {"errors": [{"message": "recipient list created, but with validation errors", "code": "5000"}], "results": results}


def show(stored: StoredList) -> dict[str, Any]:
    """Return a list as customers see it, without its recipients."""
    return {
        "id": stored.list_id,
        "name": stored.name,
        "description": stored.description,
        "attributes": msgspec.Raw(stored.attributes),
        "total_accepted_recipients": stored.recipients,
    }


async def with_recipients(stored: StoredList, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Return the JSON of a list with its recipients, piece by piece."""
    yield b'{"results":' + _encode(show(stored))[:-1] + b',"recipients":['
    first = True
    async for piece in pieces:
        shown = _encode([_recipient(Recipient(*one)) for one in _unpack(piece)])[1:-1]
        yield shown if first else b"," + shown
        first = False
    yield b"]}}"


def _recipient(recipient: Recipient) -> dict[str, Any]:
    detail = recipient.detail
    if detail is None:
        return {"address": {"email": recipient.email}}
    address = {"email": recipient.email, "name": detail.name, "header_to": detail.header_to}
    shown: dict[str, Any] = {"address": {name: value for name, value in address.items() if value}}
    for name in ("return_path", "tags", "metadata", "substitution_data"):
        if value := getattr(detail, name):
            shown[name] = value
    return shown


def missing_list(list_id: str) -> Problem:
    """A list is not there."""
    return Problem(404, "resource not found", f"List '{list_id[:64]}' does not exist", "1600")


def in_use(list_id: str, by: str) -> Problem:
    """A list cannot be changed now."""
    return Problem(409, "resource conflict", f"List '{list_id[:64]}' is in use by {by}", "1602")
