"""Whole messages, from SMTP or `email_rfc822`: the body stays as it came, octet for octet.

Three things may change before signing, and nothing after it:
- fields: X-MSYS-API and Bcc go; Message-ID and Date come where they are missing; fields with raw 8-bit text or lines over
  998 octets are written anew, so that SMTPUTF8 is needed only for the addresses that need it;
- a body with lines over 998 octets is re-encoded part by part: RFC 5321 section 4.5.3.1.6 forbids sending it, relays on the
  way would cut the lines and break our signature. A message that is signed or encrypted already (multipart/signed,
  multipart/encrypted, a DKIM-Signature of its own) is left alone: cutting may or may not happen, changing it surely breaks it;
- the template language, for `email_rfc822` (SparkPost reference 3.9): top-level fields and the first text, html and amp part.
  Encoded-words are decoded for it where each stands on one line. What has octets above 127 afterwards is encoded: fields in
  base64, those parts in quoted-printable.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from homing.message.addresses import BadAddress
from homing.message.headers import BadHeader, format_date, write_header
from homing.message.lines import has_long_line
from homing.message.scan import Field, Scan, scan, unfold, without
from homing.message.words import decode_words
from homing.spool.css import InlineCss
from homing.spool.encoding import quoted_printable
from homing.spool.inline import scope_of
from homing.spool.marks import Marks, unmarked
from homing.spool.reencode import TemplatePart, open_parts, shorten_lines
from homing.spool.rendered import CannotRender, Problem, ProblemKind, Rendered, problem_of
from homing.spool.types import ChunkFacts, RawContent, RecipientDetail
from homing.templates.errors import TemplateError
from homing.templates.language import Place, Template, parse
from homing.templates.types import Snippet
from homing.templates.values import Scope

NOT_FOR_OTHERS = frozenset({b"x-msys-api", b"bcc"})


class PreparedRaw:
    """A raw message of one chunk, ready to be rendered for its recipients.

    waits    rendering waits for the process that moves CSS
    raises   CannotRender, from the constructor
    """

    __slots__ = (
        "_body",
        "_facts",
        "_fields",
        "_from",
        "_has_date",
        "_has_message_id",
        "_head_utf8",
        "_hostname",
        "_raw",
        "_subject",
        "_substitute",
        "size_bytes",
        "waits",
    )  # fmt: skip

    def __init__(
        self,
        content: RawContent,
        facts: ChunkFacts,
        hostname: str,
        *,
        tracked: bool = False,
        inline: InlineCss | None = None,
    ) -> None:
        self._facts = facts
        self._hostname = hostname
        self._substitute = content.substitute
        self._subject: Template | None = None
        self._from: Template | None = None
        self._raw = content.rfc822
        self.waits = False
        if content.plain and not content.substitute and not tracked and inline is None:
            self._has_message_id = self._has_date = True
            self._head_utf8 = False
            self._fields: list[bytes | tuple[str, Template]] = []
            self._body: list[bytes | TemplatePart] = [content.rfc822]
            self.size_bytes = len(content.rfc822) + 2_000
            return
        found = scan(content.rfc822)
        if found.malformed is not None:
            raise CannotRender(Problem(ProblemKind.PARSE, "a line of the message's header is no header field"))
        raw = without(found, NOT_FOR_OTHERS)
        if raw is not content.rfc822:
            found = scan(raw)
        found = _with_short_lines(found)
        parts: list[TemplatePart] = []
        if found.count(b"dkim-signature"):  # it covers the bodies as they are
            tracked, inline = False, None
        if content.substitute or tracked or inline is not None:
            found, parts = open_parts(
                found, facts.transmission_id.hex(), substitute=content.substitute, tracked=tracked, inline=inline
            )
            self.waits = any(part.inline is not None for part in parts)
        self._has_message_id = found.has_message_id
        self._has_date = found.has_date
        if content.substitute:
            self._subject = _header_template(found.subject, "Subject")
        self._fields = self._split_head(found)
        self._body = _split_body(found.raw[found.header_end :], parts)
        self.size_bytes = len(found.raw) + 2_000

    def brings(self, name: str) -> bool:
        """Return whether the message has a field of this lower-case name."""
        end = self._raw.find(b"\r\n\r\n")
        head = b"\n" + (self._raw if end < 0 else self._raw[:end]).lower()
        return b"\n" + name.encode("ascii") + b":" in head

    def _split_head(self, found: Scan) -> list[bytes | tuple[str, Template]]:
        block = found.raw[: found.header_end]
        self._head_utf8 = not block.isascii()
        if not self._substitute and not self._head_utf8 and not has_long_line(block):
            return [block if block.endswith(b"\r\n") or not block else block + b"\r\n"]
        pieces: list[bytes | tuple[str, Template]] = []
        for field in found.fields:
            template = self._field_template(field) if self._substitute else None
            if template is not None:
                pieces.append(template)
                if field[0] == b"from":
                    self._from = template[1]
            else:
                pieces.append(_written_anew(field, base64=self._substitute))
        static = [piece for piece in pieces if isinstance(piece, bytes)]
        self._head_utf8 = not b"".join(static).isascii()
        return pieces if len(static) < len(pieces) else [b"".join(static)]

    def _field_template(self, field: Field) -> tuple[str, Template] | None:
        text = decode_words(unfold(field[1]))
        if "{{" not in text:
            return None
        name = field[1].partition(b":")[0].decode("ascii", "replace").strip()
        return name, _header_template(text, name)

    def render(
        self,
        *,
        detail: RecipientDetail,
        recipient: str,
        message_id: bytes,
        mail_from: str,
        now: datetime,
        extra_headers: Sequence[tuple[str, str]] = (),
        snippets: Mapping[str, Snippet] | None = None,
        marks: Marks | None = None,
    ) -> Rendered:
        """Return one recipient's message. marks: what is written into its bodies, where they are tracked.

        raises   CannotRender
        """
        subject, friendly_from = self._facts.subject, self._facts.friendly_from
        part = "headers"
        try:
            head = [write_header(name, value) for name, value in (*detail.extra_headers, *extra_headers)]
            if self._substitute:
                scope = scope_of(self._facts, detail, recipient, mail_from, snippets)
                for piece in self._fields:
                    part = "headers" if isinstance(piece, bytes) else piece[0]
                    head.append(piece if isinstance(piece, bytes) else _render_field(piece[0], piece[1], scope))
                part = "From"
                if self._from is not None:
                    friendly_from = self._checked_from(head)
                if self._subject is not None:  # for events; as a field it was rendered above
                    called, scope.called = scope.called, 0
                    subject = self._subject.render(scope)
                    scope.called = called
            else:
                scope = Scope((), {})
                head += [piece for piece in self._fields if isinstance(piece, bytes)]
            scope.hides = marks is not None
            body = [piece if isinstance(piece, bytes) else _written_part(piece, scope, marks) for piece in self._body]
        except TemplateError as trouble:
            problem = Problem(ProblemKind.RENDER, trouble.problem, trouble.part, trouble.line)
            raise CannotRender(problem) from trouble
        except (BadHeader, BadAddress) as trouble:
            raise CannotRender(problem_of(trouble, part)) from trouble
        if not self._has_message_id:
            head.append(f"Message-ID: <{message_id.hex()}@{self._hostname}>\r\n".encode())
        if not self._has_date:
            head.append(f"Date: {format_date(now)}\r\n".encode())
        data = b"".join((*head, *body))
        if not data.endswith(b"\r\n"):
            data += b"\r\n"
        return Rendered(
            data=data,
            utf8=self._needs_utf8(head, recipient, mail_from),
            eight_bit=not data.isascii(),
            subject=subject,
            friendly_from=friendly_from,
        )

    def _needs_utf8(self, head: Sequence[bytes], recipient: str, mail_from: str) -> bool:
        if self._head_utf8 or not (mail_from.isascii() or mail_from.rpartition("@")[0].isascii()):
            return True
        if not recipient.isascii() and not recipient.rpartition("@")[0].isascii():
            return True
        return len(head) > 1 and not all(piece.isascii() for piece in head)

    def _checked_from(self, head: Sequence[bytes]) -> str:
        """Return the rendered From address; data must not make the message another domain's."""
        address = scan(b"".join(head)).sender()
        if address.domain != self._facts.sending_domain:
            raise BadAddress(f"the From address is not of the sending domain {self._facts.sending_domain}")
        return address.text


def _header_template(text: str, part: str) -> Template:
    try:
        return parse(text, place=Place.HEADER, part=part)
    except TemplateError as trouble:
        raise CannotRender(problem_of(trouble, part)) from trouble


def _render_field(name: str, template: Template, scope: Scope) -> bytes:
    value = template.render(scope)
    return write_header(name, value, base64=True) if value.strip() else b""


def _written_anew(field: Field, *, base64: bool) -> bytes:
    """Return a field with its CRLF, encoded and folded if it is not fit to be sent as it is."""
    whole = field[1] + b"\r\n"
    if whole.isascii() and not has_long_line(whole):
        return whole
    name = field[1].partition(b":")[0].decode("ascii", "replace").strip()
    try:
        return write_header(name, unfold(field[1]), base64=base64)
    except (BadHeader, BadAddress):
        return whole


def _with_short_lines(found: Scan) -> Scan:
    if not has_long_line(found.raw[found.body_start :]) or found.count(b"dkim-signature"):
        return found
    return shorten_lines(found)


def _written_part(part: TemplatePart, scope: Scope, marks: Marks | None) -> bytes:
    text = part.template.render(scope)
    if part.inline is not None:
        text = part.inline(text)
    text = unmarked(part.name, text) if marks is None else marks.rewrite(part.name, text)
    return quoted_printable(text.encode("utf-8", "replace"))


def _split_body(body: bytes, parts: Sequence[TemplatePart]) -> list[bytes | TemplatePart]:
    """Cut the flattened message at the places of its template parts."""
    pieces: list[bytes | TemplatePart] = []
    for part in parts:
        before, _, body = body.partition(part.placeholder)
        pieces += [before, part]
    return [*pieces, body]
