"""A bounded look into a MIME message: its leaves, in order. Never raises, whatever the message is made of.

Deeper than MAX_DEPTH, or beyond MAX_PARTS, what is left counts as one leaf as it stands. A message inside (message/rfc822)
is a leaf too; whoever wants to look into it calls again.
"""

import binascii
import re

from homing.message.scan import Scan

MAX_DEPTH = 10
MAX_PARTS = 100
MAX_HEAD = 65_536  # octets of a part's header; with more it has none
MAX_TEXT = 65_536  # octets of one part that are read as text
_MAX_PARAMETERS = 2_000  # characters of a Content-Type that are looked at

_PARAMETER = re.compile(r';\s*([A-Za-z0-9_*-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;"]*)')
# Python knows codecs that are no character sets, and some of them are slow.
_CHARSET = re.compile(
    r"us-ascii|utf-?8|utf-?16(?:[bl]e)?|iso-?8859-\d{1,2}|latin-?\d|windows-\d{3,4}|cp\d{3,4}|koi8-[rtu]|shift[_-]jis|euc-(?:jp|kr)|"
    r"gb2312|gbk|gb18030|big5(?:-?hkscs)?|iso-2022-(?:jp|kr)|ks_c_5601-1987|tis-620",
    re.IGNORECASE,
)
_ESCAPED = re.compile(r"\\(.)")
_TAG = re.compile(r"<[^<>]*>")
_BREAK = re.compile(r"<(?:br|/p|/div|/tr|/li|/h\d)[^<>]*>", re.IGNORECASE)
_NO_TEXT = re.compile(r"<(style|script|title)\b[^<>]*>[^<]*</\1\s*>", re.IGNORECASE)
_ENTITY = re.compile(r"&(#\d{1,7}|#x[0-9a-f]{1,6}|[a-z]{2,8});", re.IGNORECASE)
_ENTITIES = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'", "nbsp": " "}
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")


class Part:
    """One leaf.

    kind         type/subtype, lower case
    parameters   of the Content-Type, names in lower case
    head         its header fields
    body         as it stands, not decoded
    """

    __slots__ = ("body", "head", "kind", "parameters")

    def __init__(self, head: Scan, body: bytes, default: str) -> None:
        found = head.values(b"content-type")
        self.head = head
        self.body = body
        self.kind, self.parameters = read_content_type(found[0] if found else default)

    def octets(self, limit: int = MAX_TEXT) -> bytes:
        """Return the body without its transfer encoding, at most `limit` octets."""
        found = self.head.values(b"content-transfer-encoding")
        how = found[0].partition(";")[0].strip().lower() if found else ""
        if how == "base64":
            clean = _NOT_BASE64.sub(b"", self.body[: limit * 2])
            # A lone sign at the end holds no octet; what is cut off is filled up.
            clean = clean[: len(clean) - (len(clean) % 4 == 1)]
            return binascii.a2b_base64(clean + b"=" * (-len(clean) % 4))[:limit]
        if how == "quoted-printable":
            return binascii.a2b_qp(self.body[: limit * 3])[:limit]
        return self.body[:limit]

    def text(self, limit: int = MAX_TEXT) -> str:
        """Return the body as text with LF line ends; HTML loses its tags."""
        words = self.words(limit).replace("\r\n", "\n").replace("\r", "\n")
        return strip_html(words) if self.kind == "text/html" else words

    def words(self, limit: int = MAX_TEXT) -> str:
        """Return the body as text, without NUL. What is not of its character set counts as UTF-8, else as Latin-1."""
        octets = self.octets(limit)
        charset = self.parameters.get("charset", "utf-8")
        try:
            words = octets.decode(charset if _CHARSET.fullmatch(charset) else "utf-8")
        except (LookupError, ValueError):
            try:
                words = octets.decode("utf-8")
            except UnicodeDecodeError:
                words = octets.decode("latin-1")
        return words.replace("\x00", "")


def read_content_type(value: str) -> tuple[str, dict[str, str]]:
    """Return type/subtype in lower case and the parameters; `text/plain` for what cannot be read."""
    value = value[:_MAX_PARAMETERS]
    kind = value.partition(";")[0].strip().lower()
    parameters: dict[str, str] = {}
    for name, raw in _PARAMETER.findall(value):
        text = _ESCAPED.sub(r"\1", raw[1:-1]) if raw.startswith('"') else raw
        parameters.setdefault(name.lower(), text)
    return (kind if kind.count("/") == 1 else "text/plain"), parameters


def leaves(message: Scan) -> list[Part]:
    """Return the leaves of a message, in order; a message without MIME is one leaf of text."""
    found: list[Part] = []
    _open(message, "text/plain", 0, found)
    return found


def strip_html(words: str) -> str:
    """Return what a reader sees of HTML: roughly, which is enough to look for sentences and addresses."""
    words = _TAG.sub(" ", _BREAK.sub("\n", _NO_TEXT.sub(" ", words)))
    return _ENTITY.sub(_entity, words)


def _entity(found: re.Match[str]) -> str:
    name = found[1].lower()
    if not name.startswith("#"):
        return _ENTITIES.get(name, " ")
    number = int(name[2:], 16) if name[1] == "x" else int(name[1:])
    return chr(number) if 32 <= number < 0xD800 else " "


def _open(message: Scan, default: str, depth: int, found: list[Part]) -> None:
    part = Part(message, message.raw[message.body_start :], default)
    boundary = part.parameters.get("boundary", "")
    if not part.kind.startswith("multipart/") or not boundary or depth >= MAX_DEPTH:
        found.append(part)
        return
    inside = "message/rfc822" if part.kind == "multipart/digest" else "text/plain"
    for piece in _split(part.body, boundary.encode("utf-8", "replace"), MAX_PARTS - len(found)):
        if len(found) >= MAX_PARTS:
            return
        _open(Scan(piece if _has_short_head(piece) else b"\r\n" + piece), inside, depth + 1, found)


def _has_short_head(piece: bytes) -> bool:
    return len(piece) <= MAX_HEAD or piece.startswith(b"\r\n") or piece.find(b"\r\n\r\n", 0, MAX_HEAD) >= 0


def _split(body: bytes, boundary: bytes, limit: int) -> list[bytes]:
    """Return the pieces between the lines of a boundary, at most `limit`; an end that is missing is forgiven."""
    line = re.compile(rb"(?:\A|(?<=\n))--" + re.escape(boundary) + rb"(--)?[ \t]*(?:\r\n|\Z)")
    pieces: list[bytes] = []
    start = -1
    for found in line.finditer(body):
        if start >= 0:
            pieces.append(body[start : found.start()].removesuffix(b"\r\n"))
        if found[1] or len(pieces) >= limit:
            return pieces
        start = found.end()
    if start >= 0:
        pieces.append(body[start:])
    return pieces
