"""Parts of a raw message taken out and put back: for the template language, and for lines that are too long.

The rare path: here, and only here, the standard `email` package reads and writes a message. Top-level fields are not its
business; they stay octet for octet, but for those that tell the encoding.
"""

import re
from collections.abc import Iterator
from email import policy
from email.errors import MessageError
from email.generator import BytesGenerator
from email.message import Message
from email.parser import BytesParser
from io import BytesIO

import msgspec

from homing.message.lines import has_long_line
from homing.message.scan import Scan, scan
from homing.spool.css import InlineCss, has_styles
from homing.spool.encoding import encode_base64, quoted_printable
from homing.spool.rendered import CannotRender, Problem, ProblemKind, problem_of
from homing.spool.types import Content, RawContent
from homing.templates.errors import TemplateError
from homing.templates.language import PLACES, Template, parse
from homing.templates.pieces import Pieces

_POLICY = policy.compat32.clone(linesep="\r\n", max_line_length=0, mangle_from_=False)
_UNTOUCHABLE = frozenset({"multipart/signed", "multipart/encrypted"})
_PARTS = {"text/plain": "text", "text/html": "html", "text/x-amp-html": "amp_html"}
# Of a part, so after a line's end; the octets that are searched are in lower case.
_AMP_FIELD = re.compile(rb"\ncontent-type:[ \t]*(?:\r\n[ \t]+)?text/x-amp-html[ \t;\r]")
MOST_AMP = 262_144  # bytes of a message that is parsed to be sure of its AMP part; Gmail shows none over 200,000
_TRANSFER = b"content-transfer-encoding"
_DESCRIBING = frozenset({b"content-type", _TRANSFER, b"mime-version"})
# What the email package raises on hostile input, besides its own errors.
_TROUBLE = (MessageError, ValueError, LookupError, TypeError, AttributeError, RecursionError, AssertionError)


class TemplatePart(msgspec.Struct, frozen=True):
    """A text part that differs by recipient; its octets go, in quoted-printable, where the placeholder stands.

    inline   moves the CSS of what is rendered; None: there is none, or it was moved before
    """

    placeholder: bytes
    name: str  # text, html or amp_html
    template: Template
    inline: InlineCss | None = None


def has_amp(content: Content) -> bool:
    """Return whether a message has an AMP part; events say so."""
    if not isinstance(content, RawContent):
        return content.amp_html is not None
    if _AMP_FIELD.search(content.rfc822.lower()) is None:
        return False
    if len(content.rfc822) > MOST_AMP:
        return True
    try:
        parts = list(_leaves(_parsed(content.rfc822)))
    except _TROUBLE:
        return False
    return len(parts) > 1 and any(_PARTS.get(part.get_content_type()) == "amp_html" for part in parts)


def open_parts(
    found: Scan, secret: str, *, substitute: bool, tracked: bool, inline: InlineCss | None = None
) -> tuple[Scan, list[TemplatePart]]:
    """Return a message with placeholders for the first text, html and amp part that are written anew.

    Those are parts that differ by recipient, and with the language those that have octets above 127 (reference 3.9).

    secret      text that the message cannot hold by chance
    substitute  the template language counts
    tracked     links and pixels are written in
    inline      moves the CSS of HTML
    raises   CannotRender
    """
    try:
        message = _parsed(found.raw)
        opened: list[TemplatePart] = []
        seen: set[str] = set()
        for part in _leaves(message):
            name = _PARTS.get(part.get_content_type())
            if name is None or name in seen or part.get_content_disposition() == "attachment":
                continue
            seen.add(name)
            text = _text(part)
            moved = inline if name == "html" and has_styles(text) else None
            differs = (substitute and "{{" in text) or (tracked and (name != "text" or "://" in text))
            if not differs and moved is None and not (substitute and _is_eight_bit(part)):
                continue
            template = parse(text, place=PLACES[name], part=name) if substitute else Template(Pieces([text]), name)
            if moved is not None and template.static is not None:
                template, moved = Template(Pieces([moved(template.static)]), name), None
            placeholder = f"part-{secret}-{name}-"
            _replace(part, placeholder, "quoted-printable", charset="utf-8")
            opened.append(TemplatePart(placeholder.encode("ascii"), name, template, moved))
        return (_put_back(found, message), opened) if opened else (found, opened)
    except TemplateError as trouble:
        raise CannotRender(problem_of(trouble, trouble.part)) from trouble
    except _TROUBLE as trouble:
        raise CannotRender(Problem(ProblemKind.PARSE, "the message cannot be parsed")) from trouble


def shorten_lines(found: Scan) -> Scan:
    """Return a message whose parts with lines over 998 octets are encoded; the same one where that cannot be done."""
    try:
        message = _parsed(found.raw)
        changed = False
        for part in _leaves(message):
            octets = part.get_payload(decode=True)
            encoding = str(part.get("Content-Transfer-Encoding", "7bit")).strip().lower()
            if not isinstance(octets, bytes):
                continue
            encoded = encoding in ("base64", "quoted-printable")
            if not has_long_line(str(part.get_payload()).encode("utf-8", "replace") if encoded else octets):
                continue
            as_text = part.get_content_maintype() == "text" and encoding != "base64"
            new = quoted_printable(octets) if as_text else encode_base64(octets)
            _replace(part, new.decode("ascii"), "quoted-printable" if as_text else "base64", charset=None)
            changed = True
        return _put_back(found, message) if changed else found
    except _TROUBLE:
        return found


def _parsed(raw: bytes) -> Message:
    return BytesParser(policy=_POLICY).parsebytes(raw)


def _leaves(message: Message) -> Iterator[Message]:
    """Yield the parts that hold no others; what is signed or encrypted as a whole, or is a message itself, is skipped."""
    kind = message.get_content_type()
    if kind in _UNTOUCHABLE or kind.startswith("message/"):
        return
    if not message.is_multipart():
        yield message
        return
    for part in message.get_payload():
        if isinstance(part, Message):
            yield from _leaves(part)


def _text(part: Message) -> str:
    octets = part.get_payload(decode=True)
    if not isinstance(octets, bytes):
        return ""
    try:
        text = octets.decode(part.get_content_charset("utf-8"), "replace")
    except (LookupError, ValueError, TypeError):
        text = octets.decode("utf-8", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _is_eight_bit(part: Message) -> bool:
    return not str(part.get_payload()).isascii()


def _replace(part: Message, payload: str, encoding: str, *, charset: str | None) -> None:
    del part["Content-Transfer-Encoding"]
    part["Content-Transfer-Encoding"] = encoding
    if charset is not None:
        # Replaced in its place, where there is one: the order of fields is the sender's.
        part.set_param("charset", charset, replace="Content-Type" in part)
    part.set_payload(payload)


def _put_back(found: Scan, message: Message) -> Scan:
    """Return the message with the new body under its own top-level fields."""
    out = BytesIO()
    BytesGenerator(out, mangle_from_=False, maxheaderlen=0, policy=_POLICY).flatten(message)
    flat = scan(out.getvalue())
    head = found.raw[: found.header_end]
    if not message.is_multipart():
        kept = [field + b"\r\n" for name, field in found.fields if name not in _DESCRIBING]
        told = [field + b"\r\n" for name, field in flat.fields if name in _DESCRIBING]
        if b"mime-version" not in flat.by_name:
            told.append(b"MIME-Version: 1.0\r\n")
        head = b"".join((*kept, *told))
    return scan(head + b"\r\n" + flat.raw[flat.body_start :])
