"""Header fields, written: folded, encoded, and never more than the one that was asked for.

Sources: RFC 5322 sections 2.1.1 and 2.2 (lengths, names, folding), RFC 2047 (encoded-words), RFC 2231 (parameters),
RFC 6532 (UTF-8 where an address has it).
"""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime

from homing.ground.errors import Permanent
from homing.message.addresses import BadAddress, parse_address, split_mailboxes
from homing.message.lines import MAX_LINE
from homing.message.words import decode_words, encode_words

WIDTH = 76  # characters of a line, where it can be helped: 78 by RFC 5322 section 2.1.1, 76 with encoded-words by RFC 2047
MAX_VALUE = 131_072  # octets of one field's value; a thousand copied addresses fit

ADDRESS_FIELDS = frozenset(
    {
        "from",
        "sender",
        "reply-to",
        "to",
        "cc",
        "bcc",
        "resent-from",
        "resent-sender",
        "resent-to",
        "resent-cc",
        "resent-bcc",
        "return-receipt-to",
        "disposition-notification-to",
        "errors-to",
    }
)
# Fields whose grammar has no place for an encoded-word.
ASCII_FIELDS = frozenset(
    {
        "message-id",
        "in-reply-to",
        "references",
        "date",
        "mime-version",
        "content-type",
        "content-transfer-encoding",
        "content-id",
        "list-unsubscribe",
        "list-unsubscribe-post",
        "list-help",
        "list-subscribe",
        "list-post",
        "list-owner",
        "list-archive",
        "return-path",
        "received",
        "dkim-signature",
        "auto-submitted",
        "precedence",
    }
)

_NAME = re.compile(r"[!-9;-~]{1,126}", re.ASCII)
_FOLD = re.compile(r"(?:\r\n|\n|\r)(?=[ \t])")
_FORBIDDEN = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_WORD = re.compile(r"[ \t]*[^ \t]+")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*", re.ASCII)
_PLAIN_PARAMETER = re.compile(r"[ !#-\[\]-~]{0,200}", re.ASCII)
_ATTRIBUTE_CHARS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$&+-.^_`{|}~")
_PERCENT = tuple(chr(octet) if octet in _ATTRIBUTE_CHARS else f"%{octet:02X}" for octet in range(256))
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class BadHeader(Permanent):
    """A header field that cannot be written; the message says which and why."""


def check_header_name(name: str) -> None:
    """Refuse what is no field name (RFC 5322 section 3.6.8).

    raises   BadHeader
    """
    if _NAME.fullmatch(name) is None:
        raise BadHeader(f"{name[:76]!r} is not a valid header name")


def clean_value(name: str, value: str) -> str:
    """Return a value on one line: unfolded, without white space around it.

    raises   BadHeader for line breaks that are no folds, and for other control characters: they would begin a header
             of somebody else's choice
    """
    value = value.strip(" \t\r\n")
    if _FORBIDDEN.search(value) is None:
        return value
    value = _FOLD.sub("", value)
    forbidden = _FORBIDDEN.search(value)
    if forbidden is not None:
        what = "a line break" if forbidden[0] in "\r\n" else "a control character"
        raise BadHeader(f"the value of header {name} holds {what}")
    return value


def write_header(name: str, value: str, *, base64: bool = False) -> bytes:
    """Return one field with its CRLF, encoded and folded as its grammar allows.

    base64   encoded-words are in base64 throughout; otherwise in the form that reads better

    In address fields only display names are encoded, and domains become A-labels; an address with a UTF-8 local part
    makes the field UTF-8 (it then needs SMTPUTF8). Encoded-words in an ASCII value are left as they are.
    raises   BadHeader
    """
    check_header_name(name)
    value = clean_value(name, value)
    if len(value) > MAX_VALUE:
        raise BadHeader(f"the value of header {name} is longer than {MAX_VALUE} characters")
    kind = name.lower()
    if kind in ADDRESS_FIELDS:
        return _write_addresses(name, value, base64)
    if kind == "list-id":
        return _write_list_id(name, value, base64)
    if kind in ASCII_FIELDS:
        if not value.isascii():
            raise BadHeader(f"the value of header {name} can hold ASCII only")
        return _fold(name, _WORD.findall(value))
    if len(name) + 2 + len(value) <= WIDTH and value.isascii():
        return f"{name}: {value}\r\n".encode("ascii")
    return _fold(name, _unstructured(value, len(name) + 2, base64))


def write_mailboxes(name: str, mailboxes: Iterable[tuple[str | None, str]]) -> bytes:
    """Return an address field of (display name, address) pairs; names are plain text, or encoded-words already.

    raises   BadHeader, BadAddress
    """
    pieces: list[str] = []
    column = len(name) + 2
    for display, email in mailboxes:
        if pieces:
            pieces[-1] += ","
        words = _mailbox(decode_words(clean_value(name, display)) if display else "", parse_address(email).text, column)
        pieces += words
        column = WIDTH  # only the very first word shares its line with the field's name
    return _fold(name, _spaced(pieces))


def format_date(moment: datetime) -> str:
    """Return a moment as RFC 5322 section 3.3 writes it; aware, in UTC."""
    return (
        f"{_DAYS[moment.weekday()]}, {moment.day:02d} {_MONTHS[moment.month - 1]} {moment.year:04d}"
        f" {moment.hour:02d}:{moment.minute:02d}:{moment.second:02d} +0000"
    )


def write_parameter(name: str, value: str) -> list[str]:
    """Return one MIME parameter as `name=value` texts: quoted where that is enough, else RFC 2231, continued if long.

    raises   BadHeader
    """
    value = clean_value(name, value)
    if _PLAIN_PARAMETER.fullmatch(value):
        return [f'{name}="{value}"']
    if value.isascii() and len(value) <= 200:
        return [f'{name}="{_escape(value)}"']
    signs = [_PERCENT[octet] for octet in value.encode("utf-8")]
    budget = WIDTH - len(name) - len(" *000*=;")
    if sum(map(len, signs)) + len("utf-8''") <= budget:
        return [f"{name}*=utf-8''{''.join(signs)}"]
    parts: list[str] = []
    line: list[str] = []
    used = len("utf-8''")
    for sign in signs:
        if used + len(sign) > budget:
            parts.append("".join(line))
            line, used = [], 0
        line.append(sign)
        used += len(sign)
    parts.append("".join(line))
    parts[0] = f"utf-8''{parts[0]}"
    return [f"{name}*{number}*={part}" for number, part in enumerate(parts)]


def write_parameters(name: str, value: str, parameters: Sequence[str]) -> bytes:
    """Return a structured field (`Content-Type`, `Content-Disposition`) with its parameters, folded between them."""
    pieces = [value, *parameters]
    return _fold(name, _spaced([f"{piece};" for piece in pieces[:-1]] + pieces[-1:]))


def _write_addresses(name: str, value: str, base64: bool) -> bytes:
    try:
        mailboxes = split_mailboxes(value)
    except BadAddress:
        # Groups (`undisclosed-recipients:;`) and whatever else people write: as it is, if it can be.
        return _fold(name, _unstructured(value, len(name) + 2, base64))
    pieces: list[str] = []
    for display, email in mailboxes:
        if pieces:
            pieces[-1] += ","
        pieces += _mailbox(decode_words(display), email, len(name) + 2 if not pieces else WIDTH, base64)
    return _fold(name, _spaced(pieces))


def _write_list_id(name: str, value: str, base64: bool) -> bytes:
    """Write `phrase <identifier>` (RFC 2919 section 3); angles are added where they were forgotten."""
    phrase, _, identifier = value.removesuffix(">").rpartition("<")
    if not identifier.isascii():
        raise BadHeader(f"the identifier in header {name} can hold ASCII only")
    phrase = decode_words(phrase.strip().strip('"'))
    return _fold(name, _spaced([*(_phrase(phrase, len(name) + 2, base64) if phrase else ()), f"<{identifier.strip()}>"]))


def _mailbox(display: str, email: str, column: int, base64: bool = False) -> list[str]:
    """Return the words of one mailbox; an address that cannot be read passes only if it is ASCII, or is a name in truth."""
    try:
        address = parse_address(email, literals=True).text
    except BadAddress:
        if not email.isascii():
            if display or "@" in email:
                raise
            return encode_words(email, room=WIDTH - column, base64=base64)
        address = email
    if not display:
        return [address]
    return [*_phrase(display, column, base64), f"<{address}>"]


def _phrase(display: str, column: int, base64: bool) -> list[str]:
    # The name may come out of an encoded-word, which can hold anything, line breaks too.
    display = _FORBIDDEN.sub(" ", display).replace("\t", " ").strip(" ")
    if display.isascii() and "=?" not in display and "  " not in display and len(display) <= WIDTH - 18:
        if _ATOMS.fullmatch(display):
            return display.split(" ")
        return [f'"{_escape(display)}"']
    return encode_words(display, room=WIDTH - column, base64=base64)


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _unstructured(value: str, column: int, base64: bool) -> list[str]:
    words = _WORD.findall(value)
    first, last = -1, -1
    encoded_too = not value.isascii()
    for number, word in enumerate(words):
        if not word.isascii() or len(word) > MAX_LINE - WIDTH or (encoded_too and "=?" in word):
            first, last = (number if first < 0 else first), number
    if first < 0:
        return words
    before = "".join(words[:first])
    middle = "".join(words[first : last + 1])
    body = middle.lstrip(" \t")
    space = middle[: len(middle) - len(body)]
    room = WIDTH - column - len(before) - len(space)
    encoded = encode_words(body, room=room, base64=base64)
    return [*words[:first], space + encoded[0], *(f" {word}" for word in encoded[1:]), *words[last + 1 :]]


def _spaced(pieces: list[str]) -> list[str]:
    return [piece if number == 0 else f" {piece}" for number, piece in enumerate(pieces)]


def _fold(name: str, words: list[str]) -> bytes:
    """Write words (each with the white space before it) on lines of 78 characters, longer only where one word is."""
    lines: list[str] = []
    line = f"{name}: "
    begun = False  # the line holds a word: a fold never leaves a line of white space alone
    for word in words:
        if len(word) > MAX_LINE - WIDTH:
            word = " " + word.lstrip(" \t") if begun else word.lstrip(" \t")
            if len(word) > MAX_LINE - WIDTH:
                raise BadHeader(f"the value of header {name} holds a word of more than {MAX_LINE - WIDTH} characters")
        if begun and len(line) + len(word) > WIDTH:
            lines.append(line)
            line = word if word[0] in " \t" else f" {word}"
        elif not begun and word.startswith("=?") and len(line) + len(word) > WIDTH:
            lines.append(line.rstrip())
            line = f" {word}"
        else:
            line += word
        begun = True
    lines.append(line)
    return ("\r\n".join(lines) + "\r\n").encode("utf-8")
