"""A raw message's block of headers, read once and fast; fields dropped and added, everything else untouched.

Works on bytes that end their lines with CRLF (lines.normalise_line_ends). The standard `email` package is the oracle of
the tests and is not used: it takes a hundred times as long.
"""

import re

from homing.message.addresses import Address, BadAddress, parse_address, split_mailboxes
from homing.message.words import decode_words

MAX_HOPS = 100  # Received fields; more means a loop (RFC 5321 section 6.3)

_FIELD_END = re.compile(rb"\r\n(?![ \t])")
_NAME = re.compile(rb"[!-9;-~]+")
_ONE_MAILBOX = re.compile(r'(?:"[^"\\]*"|[^"<>,:;()@\\]*)<([^<>@\s"\\]+@[^<>@\s"\\]+)>')
_BARE = re.compile(r'[^<>@\s"\\,:;()]+@[^<>@\s"\\,:;()]+')

Field = tuple[bytes, bytes]  # lower-case name; the whole field as it stands, without its last CRLF


class Scan:
    """What one look at a message shows.

    fields        every field in order; a line that is no field has the name b""
    header_end    octets of the header block, its last CRLF included
    body_start    where the body begins; the message's length if it has none
    malformed     the first line of the block that is no field, or None
    eight_bit     there are octets above 127 somewhere
    hops          Received fields
    """

    __slots__ = ("body_start", "by_name", "eight_bit", "fields", "header_end", "hops", "malformed", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        if raw.startswith(b"\r\n"):
            self.header_end, self.body_start = 0, 2
        else:
            end = raw.find(b"\r\n\r\n")
            self.header_end = len(raw) if end < 0 else end + 2
            self.body_start = len(raw) if end < 0 else end + 4
        self.fields = split_fields(raw[: self.header_end])
        self.by_name: dict[bytes, list[bytes]] = {}
        self.malformed: bytes | None = None
        for name, field in self.fields:
            if name:
                self.by_name.setdefault(name, []).append(field)
            elif self.malformed is None:
                self.malformed = field
        self.eight_bit = not raw.isascii()
        self.hops = len(self.by_name.get(b"received", ()))

    def count(self, name: bytes) -> int:
        """Return how many fields of a name (lower case) there are."""
        return len(self.by_name.get(name, ()))

    def values(self, name: bytes) -> list[str]:
        """Return the unfolded values of a field (lower-case name), top to bottom; encoded-words are left as they are."""
        return [unfold(field) for field in self.by_name.get(name, ())]

    @property
    def has_message_id(self) -> bool:
        """Return whether there is a Message-ID."""
        return b"message-id" in self.by_name

    @property
    def has_date(self) -> bool:
        """Return whether there is a Date."""
        return b"date" in self.by_name

    @property
    def subject(self) -> str:
        """Return the Subject decoded, '' without one."""
        found = self.by_name.get(b"subject")
        return decode_words(unfold(found[0])) if found else ""

    @property
    def msys_api(self) -> list[str]:
        """Return the unfolded X-MSYS-API values; a fold gives one space (SparkPost reference 2.31.2)."""
        texts = (_value(field).split("\r\n") for field in self.by_name.get(b"x-msys-api", ()))
        return [decode_words(" ".join(piece.strip(" \t") for piece in pieces).strip()) for pieces in texts]

    def sender(self) -> Address:
        """Return the address of the From field.

        raises   BadAddress, with a sentence, if there is no From, several, or not exactly one address in it: whom the
                 message is from decides who may send it, so there is nothing to guess
        """
        found = self.by_name.get(b"from", ())
        if len(found) != 1:
            raise BadAddress("the message has no From header" if not found else f"the message has {len(found)} From headers")
        value = unfold(found[0])
        simple = _ONE_MAILBOX.fullmatch(value)
        if simple is not None:
            return parse_address(simple[1])
        if _BARE.fullmatch(value):
            return parse_address(value)
        mailboxes = split_mailboxes(value)
        if len(mailboxes) != 1:
            raise BadAddress(f"the From header holds {len(mailboxes)} addresses; there must be one")
        return parse_address(mailboxes[0][1])


def scan(raw: bytes) -> Scan:
    """Read the header block of a message."""
    return Scan(raw)


def split_fields(block: bytes) -> list[Field]:
    """Split a header block into (lower-case name, whole field); what is no field gets the name b""."""
    if not block:
        return []
    fields: list[Field] = []
    for field in _FIELD_END.split(block.removesuffix(b"\r\n")):
        name, colon, _ = field.partition(b":")
        # Obsolete syntax (RFC 5322 section 4.5) allows white space before the colon.
        name = name.rstrip(b" \t")
        fields.append((name.lower() if colon and _NAME.fullmatch(name) else b"", field))
    return fields


def unfold(field: bytes) -> str:
    """Return a field's value on one line, without white space around it. 8-bit octets are UTF-8, else Latin-1."""
    return _value(field).replace("\r\n", "").strip(" \t")


def _value(field: bytes) -> str:
    octets = field.partition(b":")[2]
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return octets.decode("latin-1")


def without(found: Scan, names: frozenset[bytes]) -> bytes:
    """Return the message without the named fields (lower case); every other octet stays."""
    if names.isdisjoint(found.by_name):
        return found.raw
    kept = b"".join(field + b"\r\n" for name, field in found.fields if name not in names)
    return kept + found.raw[found.header_end :]
