"""Messages from the members of an API call: fields from templates, bodies as a MIME tree (SparkPost reference 2.1.3, 2.1.4).

    multipart/mixed                 only with attachments
      multipart/related             only with inline images
        multipart/alternative       only with two bodies or more
          text/plain, text/x-amp-html, text/html

Everything that is alike for all recipients is built once; for each of them the pieces are only joined.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any
from urllib.parse import quote

from homing.message.addresses import BadAddress, parse_address, split_mailboxes
from homing.message.headers import (
    BadHeader,
    check_header_name,
    clean_value,
    format_date,
    write_header,
    write_mailboxes,
    write_parameter,
    write_parameters,
)
from homing.spool.css import InlineCss
from homing.spool.encoding import encode_base64, encode_message, encode_text
from homing.spool.marks import Marks, unmarked
from homing.spool.rendered import CannotRender, Problem, ProblemKind, Rendered, problem_of
from homing.spool.types import ChunkFacts, InlineContent, Part, RecipientDetail
from homing.templates.errors import TemplateError
from homing.templates.language import PLACES, Place, Template, parse
from homing.templates.pieces import Pieces
from homing.templates.types import Snippet
from homing.templates.values import Scope

# Fields that the platform writes itself.
RESERVED_FIELDS = frozenset(
    {
        "subject", "from", "to", "reply-to", "content-type", "content-transfer-encoding", "mime-version", "return-path",
        "dkim-signature",
    }
)  # fmt: skip
_CONTENT_ID = re.compile(r"[!-;=?-~]{1,200}", re.ASCII)
_SHORT = 70


class _Text:
    """A body part whose text differs by recipient."""

    __slots__ = ("inline", "part", "subtype", "template")

    def __init__(self, part: str, subtype: str, template: Template, inline: InlineCss | None = None) -> None:
        self.part = part
        self.subtype = subtype
        self.template = template
        self.inline = inline  # moves the CSS of what is rendered; None: there is none, or it was moved before


Entity = list[bytes | _Text]  # header fields, empty line, body; in pieces


class PreparedInline:
    """Content of one chunk, ready to be rendered for its recipients.

    waits    rendering waits for the process that moves CSS
    raises   CannotRender, from the constructor, for whatever no recipient's data could mend
    """

    __slots__ = (
        "_body", "_date", "_facts", "_fields", "_from", "_from_name", "_hostname", "_message_id", "_names", "_static_from",
        "_static_head", "_subject", "size_bytes", "waits",
    )  # fmt: skip

    def __init__(
        self,
        content: InlineContent,
        facts: ChunkFacts,
        hostname: str,
        *,
        tracked: bool = False,
        inline: InlineCss | None = None,
    ) -> None:
        self._facts = facts
        self._hostname = hostname
        part = ""
        try:
            part = "from"
            self._from = _header_template(content.from_email, part)
            self._from_name = _header_template(content.from_name or "", part)
            part = "subject"
            self._subject = _header_template(content.subject, part)
            part = "reply_to"
            self._fields: list[tuple[str, Template]] = []
            if content.reply_to:
                self._fields.append(("Reply-To", _header_template(content.reply_to, part)))
            self._message_id: Template | None = None
            self._date: Template | None = None
            for name, value in content.headers.items():
                part = name
                self._add_field(name, value, facts)
            if facts.list_id:
                part = "List-Id"
                self._fields.append(("List-Id", Template(Pieces([facts.list_id]), "List-Id")))
            self._static_from: tuple[bytes, str] | None = None
            part = "from"
            if self._from.static is not None and self._from_name.static is not None:
                self._static_from = self._write_from(self._from_name.static, self._from.static)
            part = "headers"
            self._static_head: bytes | None = None
            if self._subject.static is not None and all(template.static is not None for _, template in self._fields):
                part = "subject"
                subject = write_header("Subject", self._subject.static)
                self._static_head = subject + b"".join(_write_field(name, str(value.static)) for name, value in self._fields)
        except (TemplateError, BadHeader, BadAddress) as trouble:
            raise CannotRender(problem_of(trouble, part)) from trouble
        self._names = {name.lower() for name in content.headers}
        self._body = _tree(content, f"=_{facts.transmission_id.hex()}", tracked=tracked, inline=inline)
        self.waits = any(isinstance(piece, _Text) and piece.inline is not None for piece in self._body)
        self.size_bytes = 2_000 + sum(len(piece) if isinstance(piece, bytes) else 2_000 for piece in self._body)

    def brings(self, name: str) -> bool:
        """Return whether the message has a field of this lower-case name."""
        return name in self._names

    def _add_field(self, name: str, value: str, facts: ChunkFacts) -> None:
        check_header_name(name)
        kind = name.lower()
        if kind in RESERVED_FIELDS:
            raise BadHeader(f"header {name} is written by the platform and cannot be given")
        template = _header_template(value, name)
        if kind == "message-id":
            self._message_id = template
        elif kind == "date":
            self._date = template
        elif kind != "list-id" or not facts.list_id:
            self._fields.append((name, template))

    def _write_from(self, name: str, email: str) -> tuple[bytes, str]:
        address = parse_address(clean_value("From", email))
        if address.domain != self._facts.sending_domain:
            raise BadAddress(f"the From address is not of the sending domain {self._facts.sending_domain}")
        return write_mailboxes("From", [(name, address.text)]), address.text

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
        scope = scope_of(self._facts, detail, recipient, mail_from, snippets)
        part = "headers"
        try:
            part = "from"
            from_field, friendly_from = self._static_from or self._write_from(
                self._from_name.render(scope), self._from.render(scope)
            )
            part = "to"
            to_field, utf8 = write_to(detail, recipient)
            part = "subject"
            subject = self._subject.render(scope)
            if self._static_head is not None:
                fields = self._static_head
            else:
                written = [write_header("Subject", subject)]
                for name, template in self._fields:
                    part = name
                    written.append(_write_field(name, template.render(scope)))
                fields = b"".join(written)
            part = "headers"
            head = [from_field, to_field, fields]
            own_date = self._date.render(scope) if self._date is not None else ""
            own_id = self._message_id.render(scope) if self._message_id is not None else ""
            head.append(_write_field("Date", own_date or format_date(now)))
            head.append(_write_field("Message-ID", own_id) or f"Message-ID: <{message_id.hex()}@{self._hostname}>\r\n".encode())
            head += [_write_field(name, value) for name, value in (*detail.extra_headers, *extra_headers)]
            head.append(b"MIME-Version: 1.0\r\n")
            header = b"".join(head)
            scope.hides = marks is not None
            body = [piece if isinstance(piece, bytes) else _text_entity(piece, scope, marks) for piece in self._body]
        except TemplateError as trouble:
            problem = Problem(ProblemKind.RENDER, trouble.problem, trouble.part, trouble.line)
            raise CannotRender(problem) from trouble
        except (BadHeader, BadAddress) as trouble:
            raise CannotRender(problem_of(trouble, part)) from trouble
        data = b"".join((header, *body)) if body[-1].endswith(b"\r\n") else b"".join((header, *body, b"\r\n"))
        return Rendered(
            data=data,
            utf8=utf8 or not header.isascii() or _needs_utf8(mail_from),
            eight_bit=not data.isascii(),
            subject=subject.strip(),
            friendly_from=friendly_from,
        )


def scope_of(
    facts: ChunkFacts,
    detail: RecipientDetail,
    recipient: str,
    mail_from: str,
    snippets: Mapping[str, Snippet] | None = None,
) -> Scope:
    """Return the data of one recipient in the documented order (SparkPost reference 3.3), with the built-in names."""
    return Scope(
        (detail.substitution_data, detail.metadata, facts.substitution_data, facts.metadata),
        builtins_of(recipient, detail.name, mail_from),
        facts.substitution_data,
        snippets,
    )


def builtins_of(recipient: str, name: str | None, mail_from: str) -> dict[str, Any]:
    """Return the names of ours that a template knows."""
    address = {"email": recipient} if name is None else {"email": recipient, "name": name}
    return {"address": address, "email": recipient, "email_id": recipient, "env_from": mail_from, "return_path": mail_from}


def write_to(detail: RecipientDetail, recipient: str) -> tuple[bytes, bool]:
    """Return the To field (SparkPost reference 2.1.3), and whether the recipient's address needs SMTPUTF8.

    raises   BadHeader, BadAddress
    """
    address = parse_address(recipient)
    if not detail.header_to:
        if not detail.name and len(recipient) < _SHORT:
            return f"To: {address.text}\r\n".encode(), address.utf8
        return write_mailboxes("To", [(detail.name, address.text)]), address.utf8
    header_to = clean_value("To", detail.header_to)
    if detail.name:
        named = split_mailboxes(header_to)
        if len(named) == 1 and not named[0][0]:
            return write_mailboxes("To", [(detail.name, named[0][1])]), address.utf8
    return write_header("To", header_to), address.utf8


def _needs_utf8(mail_from: str) -> bool:
    return not mail_from.isascii() and not mail_from.rpartition("@")[0].isascii()


def _header_template(text: str, part: str) -> Template:
    return parse(text, place=Place.HEADER, part=part)


def _write_field(name: str, value: str) -> bytes:
    """Write a field; one whose value is empty is left out (SparkPost reference 2.1.3)."""
    return write_header(name, value) if value and not value.isspace() else b""


def _tree(content: InlineContent, boundary: str, *, tracked: bool, inline: InlineCss | None) -> Entity:
    alternatives: list[Entity] = []
    for part, subtype, text in (
        ("text", "plain", content.text),
        ("amp_html", "x-amp-html", content.amp_html),
        ("html", "html", content.html),
    ):
        if text is not None:
            moved = inline if part == "html" else None  # AMP allows one style element and no inlining of ours (reference 2.1.2)
            alternatives.append(
                _body(part, subtype, text, substitute=content.perform_substitutions, tracked=tracked, inline=moved)
            )
    if not alternatives:
        raise CannotRender(Problem(ProblemKind.MIME, "content.text or content.html is needed"))
    root, root_type = alternatives[0], "text/html" if content.html is not None else "text/plain"
    if len(alternatives) > 1:
        root, root_type = _multipart("multipart/alternative", (), f"{boundary}_a", alternatives), "multipart/alternative"
    if content.inline_images:
        images = [_attached(image, inline=True) for image in content.inline_images]
        root = _multipart("multipart/related", write_parameter("type", root_type), f"{boundary}_r", [root, *images])
    if content.attachments:
        attached = [_attached(part, inline=False) for part in content.attachments]
        root = _multipart("multipart/mixed", (), f"{boundary}_m", [root, *attached])
    return _coalesced(root)


def _body(part: str, subtype: str, text: str, *, substitute: bool, tracked: bool, inline: InlineCss | None) -> Entity:
    """Return a body part. CSS is moved once where the text is the same for everybody, else in each message.

    Not before the language is applied: a parser of HTML moves statements out of tables, and cannot know what a value selects.
    """
    differs = tracked and (part != "text" or "://" in text)
    if not substitute:
        text = inline(text) if inline is not None else text
        return [_Text(part, subtype, Template(Pieces([text]), part))] if differs else [_encoded(subtype, unmarked(part, text))]
    try:
        template = parse(text, place=PLACES[part], part=part)
    except TemplateError as trouble:
        raise CannotRender(problem_of(trouble, part)) from trouble
    if template.static is None:
        return [_Text(part, subtype, template, inline)]
    if inline is not None:
        template = Template(Pieces([inline(template.static)]), part)
    if differs or template.static is None:
        return [_Text(part, subtype, template)]
    return [_encoded(subtype, unmarked(part, template.static))]


def _text_entity(piece: _Text, scope: Scope, marks: Marks | None) -> bytes:
    text = piece.template.render(scope)
    if piece.inline is not None:
        text = piece.inline(text)
    return _encoded(piece.subtype, unmarked(piece.part, text) if marks is None else marks.rewrite(piece.part, text))


def _encoded(subtype: str, text: str) -> bytes:
    encoding, octets = encode_text(text)
    head = f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return head.encode("ascii") + octets


def _attached(part: Part, *, inline: bool) -> Entity:
    try:
        kind = clean_value("Content-Type", part.type)
        media_type = kind.partition(";")[0].strip().lower()
        if media_type.startswith("multipart/") or "/" not in media_type:
            raise BadHeader(f"an attachment cannot have the type {media_type!r}")
        if media_type == "message/rfc822":
            encoding, octets = encode_message(part.data)
        else:
            encoding, octets = "base64", encode_base64(part.data)
        head = write_header("Content-Type", kind) + f"Content-Transfer-Encoding: {encoding}\r\n".encode()
        disposition = "inline" if inline else "attachment"
        head += write_parameters("Content-Disposition", disposition, write_parameter("filename", part.name))
        if inline:
            # The name is the Content-ID; what a Content-ID cannot hold is written as in a cid: URL.
            name = part.name if _CONTENT_ID.fullmatch(part.name) else quote(part.name)
            head += write_header("Content-ID", f"<{name}>")
    except BadHeader as trouble:
        raise CannotRender(Problem(ProblemKind.MIME, str(trouble), part.name[:80])) from trouble
    return [head + b"\r\n", octets]


def _multipart(kind: str, parameters: Sequence[str], boundary: str, entities: Sequence[Entity]) -> Entity:
    """Return the entities in one; the boundary holds `=_`, which no encoded line can, and the transmission's own number."""
    whole: Entity = [write_parameters("Content-Type", kind, [*parameters, f'boundary="{boundary}"'])]
    for entity in entities:
        whole += [f"\r\n--{boundary}\r\n".encode("ascii"), *entity]
    return [*whole, f"\r\n--{boundary}--\r\n".encode("ascii")]


def _coalesced(entity: Entity) -> Entity:
    """Join neighbouring octets, so that a message is put together from as few pieces as possible."""
    joined: Entity = []
    for of_octets, run in groupby(entity, lambda piece: isinstance(piece, bytes)):
        if of_octets:
            joined.append(b"".join(piece for piece in run if isinstance(piece, bytes)))
        else:
            joined.extend(run)
    return joined
