"""The `content` of an API call: inline members or a whole message (SparkPost reference, sections 2.1.4 and 2.1.5)."""

import re
from email import policy
from email.parser import BytesHeaderParser

import msgspec

from homing.ingress.rules.problem import (
    Problem,
    Wrong,
    bad_combination,
    bad_header,
    bad_type,
    check_bytes,
    check_one_line,
    missing,
)
from homing.ingress.types import NO_CONTENT, Named, Transmission
from homing.message.addresses import BadAddress, parse_address, parse_domain, split_mailbox, split_mailboxes
from homing.message.headers import BadHeader, write_header
from homing.message.lines import normalise_line_ends
from homing.message.list_ids import list_of
from homing.message.words import decode_words
from homing.spool.inline import RESERVED_FIELDS
from homing.spool.types import Content, InlineContent, Part, RawContent
from homing.templates.types import StoredTemplate

MOST_TEMPLATE_ID = 64  # bytes
MOST_NAME = 255  # bytes of an attachment's name
MOST_FROM = 1_024  # bytes of a From address, template language included
MOST_HEADERS = 524_288  # bytes of all header fields together; each of them is an object while it is read
NO_SENDING_DOMAIN = Problem(400, "Invalid domain", "No sending domain specified", "7001")
_HEADER_NAME = re.compile(r"[!-9;-~]{1,126}")  # RFC 5322 section 3.6.8: printable ASCII but the colon
_EXPRESSION = re.compile(r"\{\{.*?\}\}")
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}(?:[ \t]*;.{0,500})?")
_FIELD = re.compile(rb"[!-9;-~]+:[^\r\n]*(?:\r\n[ \t][^\r\n]*)*\r\n")


class FromIn(msgspec.Struct, gc=False):
    """`from` as an object."""

    email: str | None = None
    name: str | None = None


class PartIn(msgspec.Struct, gc=False):
    """An attachment or an inline image; msgspec decodes the base64."""

    name: str | None = None
    type: str | None = None
    data: bytes | None = None


class ContentIn(msgspec.Struct, gc=False):
    """`content`, in whichever of its forms."""

    from_: str | FromIn | None = msgspec.field(default=None, name="from")
    subject: str | None = None
    text: str | None = None
    html: str | None = None
    amp_html: str | None = None
    reply_to: str | None = None
    headers: dict[str, str | None] | None = None
    attachments: list[PartIn] | None = None
    inline_images: list[PartIn] | None = None
    template_id: str | None = None
    use_draft_template: bool | None = None
    ab_test_id: str | None = None
    email_rfc822: str | None = None

    @property
    def size(self) -> int:
        """Return the bytes of its texts, attachments and images together."""
        texts = (self.text, self.html, self.amp_html, self.email_rfc822)
        parts = (*(self.attachments or ()), *(self.inline_images or ()))
        return sum(len(text.encode()) for text in texts if text) + sum(len(part.data) for part in parts if part.data)


class OverrideIn(msgspec.Struct, gc=False):
    """`override`: no template language inside."""

    from_: str | FromIn | None = msgspec.field(default=None, name="from")
    reply_to: str | None = None
    list_id: str | None = None


class ReadContent(msgspec.Struct, frozen=True):
    """The content, and what its From header says.

    sending_domain   lower case A-labels
    own_list_id      bare id of its List-Id; '' where it has none, or one that data decides
    """

    content: Content
    from_email: str
    sending_domain: str
    subject: str
    named: Named | None = None
    own_list_id: str = ""


def read_content(given: ContentIn, override: OverrideIn | None, *, perform_substitutions: bool) -> ReadContent:
    """Return the content to keep.

    raises   Wrong
    """
    if override is not None:
        _check_override(override)
    inline = given.text is not None or given.html is not None or given.subject is not None
    if given.template_id is not None:
        if inline or given.email_rfc822 is not None or given.ab_test_id is not None:
            raise Wrong(bad_combination("Both content object and template_id are specified"))
        return _named(given, given.template_id, override)
    if given.ab_test_id is not None:
        if inline or given.email_rfc822 is not None:
            raise Wrong(bad_combination("Both content object and ab_test_id are specified"))
        return _named(given, "", override)
    if given.email_rfc822 is not None:
        if inline or given.amp_html is not None:
            raise Wrong(bad_combination("Both content object and email_rfc822 are specified"))
        return _raw(given.email_rfc822, override, substitute=perform_substitutions)
    if given.from_ is None and not inline:
        raise Wrong(missing("content object or template_id required"))
    return _inline(given, override, perform_substitutions=perform_substitutions)


def _named(given: ContentIn, template_id: str, override: OverrideIn | None) -> ReadContent:
    """Return a content that is a stored template's, or an A/B test's; from, reply_to, headers and parts beside it are ignored."""
    check_bytes(template_id, "content.template_id", MOST_TEMPLATE_ID)
    sender = read_from(override.from_, "override.from") if override is not None and override.from_ else None
    named = Named(
        template_id=template_id,
        ab_test_id=given.ab_test_id,
        draft=given.use_draft_template is True,
        from_=sender,
        reply_to=(override.reply_to or None) if override is not None else None,
    )
    return ReadContent(NO_CONTENT, "", "", "", named)


def with_stored(transmission: Transmission, content: Content, template: StoredTemplate, *, version: int) -> Transmission:
    """Return a transmission with the content of the template that it names.

    What the call says wins over what the template says.
    raises   Wrong
    """
    named = transmission.named
    assert named is not None
    if isinstance(content, RawContent):
        override = OverrideIn(reply_to=named.reply_to, list_id=transmission.list_id or None)
        if named.from_ is not None:
            override.from_ = FromIn(email=named.from_[1], name=named.from_[0])
        read = _raw(content.rfc822.decode("utf-8", "surrogateescape"), override, substitute=True)
    else:
        name, email = content.from_name, content.from_email
        if named.from_ is not None:
            name, email = named.from_[0] or name, named.from_[1]
        made = msgspec.structs.replace(content, from_name=name, from_email=email, reply_to=named.reply_to or content.reply_to)
        domain = read_from(FromIn(email=email), "the template's from")[2]
        read = ReadContent(made, email, domain, content.subject, own_list_id=_own_list(content.headers))
    options = msgspec.structs.asdict(template.options)
    said = {name: value for name, value in options.items() if value is not None and name in transmission.unset}
    return msgspec.structs.replace(
        transmission,
        content=read.content,
        named=None,
        template_id=template.template_id,
        template_version=str(version),
        from_email=read.from_email,
        sending_domain=read.sending_domain,
        subject=read.subject,
        own_list_id=read.own_list_id,
        unset=transmission.unset - said.keys(),
        **said,
    )


def read_from(given: str | FromIn | None, member: str) -> tuple[str | None, str, str]:
    """Return name, address and domain of a From; the local part may hold the template language, the domain may not.

    raises   Wrong
    """
    if given is None or given == "":
        raise Wrong(missing(f"{member} is a required field"))
    if isinstance(given, str):
        name, email = split_mailbox(given)
    elif not given.email:
        raise Wrong(missing(f"{member}.email is a required field"))
    else:
        name, email = given.name or None, given.email.strip()
    check_one_line(name, f"{member}.name")
    check_one_line(email, f"{member}.email")
    check_bytes(email, f"{member}.email", MOST_FROM)
    local, at, domain = email.rpartition("@")
    outside = _EXPRESSION.sub("", local)
    if not at or not domain or "," in outside or ("@" in outside and not outside.startswith('"')):
        raise Wrong(NO_SENDING_DOMAIN)
    if not local:
        raise Wrong(Problem(400, "sender address has no local part", f"{member} has nothing before the @", "2008"))
    try:
        sending_domain = parse_domain(domain)
    except BadAddress as trouble:
        text = f"{member} has a domain that cannot be used: {trouble}"
        raise Wrong(Problem(400, "Invalid domain", text, "7001")) from trouble
    if any(sign.isspace() or sign in "<>" for sign in outside):
        raise Wrong(bad_type(f"{member} is not a valid address"))
    if outside == local:
        try:
            parse_address(email)
        except BadAddress as trouble:
            raise Wrong(bad_type(f"{member} is not a valid address: {trouble}")) from trouble
    return name, email, sending_domain


def _inline(given: ContentIn, override: OverrideIn | None, *, perform_substitutions: bool) -> ReadContent:
    name, email, domain = read_from(given.from_, "content.from")
    if override is not None and override.from_:
        other_name, email, domain = read_from(override.from_, "override.from")
        name = other_name or name
    if given.subject is None:
        raise Wrong(missing("content.subject is a required field"))
    check_one_line(given.subject, "content.subject")
    if given.text is None and given.html is None:
        raise Wrong(missing("content.text or content.html is a required field"))
    check_one_line(given.reply_to, "content.reply_to")
    reply_to = (override.reply_to if override is not None else None) or given.reply_to or None
    images = _parts(given.inline_images, "content.inline_images")
    if len({image.name for image in images}) != len(images):
        raise Wrong(bad_type("content.inline_images must have different names"))
    content = InlineContent(
        from_email=email,
        from_name=name,
        subject=given.subject,
        text=given.text,
        html=given.html,
        amp_html=given.amp_html or None,
        reply_to=reply_to,
        headers=_headers(given.headers),
        attachments=_parts(given.attachments, "content.attachments"),
        inline_images=images,
        perform_substitutions=perform_substitutions,
    )
    return ReadContent(content, email, domain, given.subject, own_list_id=_own_list(content.headers))


def _own_list(headers: dict[str, str]) -> str:
    return next((list_of(value) for name, value in headers.items() if name.lower() == "list-id"), "")


def _headers(given: dict[str, str | None] | None) -> dict[str, str]:
    kept: dict[str, str] = {}
    if given and sum(len(name) + len(value or "") for name, value in given.items()) > MOST_HEADERS:
        raise Wrong(bad_type(f"content.headers must have at most {MOST_HEADERS} bytes in all"))
    for name, value in (given or {}).items():
        if _HEADER_NAME.fullmatch(name) is None:
            raise Wrong(bad_header(f"content.headers: {name[:60]!r} is not a header name"))
        if name.lower() in RESERVED_FIELDS:
            raise Wrong(bad_header(f"content.headers must not contain {name}"))
        check_one_line(value, f"content.headers.{name}")
        if value is not None:
            kept[name] = value
    return kept


def _parts(given: list[PartIn] | None, member: str) -> tuple[Part, ...]:
    kept = []
    for index, part in enumerate(given or ()):
        place = f"{member}[{index}]"
        if part.name is None or part.type is None or part.data is None:
            absent = next(name for name in ("name", "type", "data") if getattr(part, name) is None)
            raise Wrong(missing(f"{place}.{absent} is a required field"))
        check_one_line(part.name, f"{place}.name")
        check_bytes(part.name, f"{place}.name", MOST_NAME)
        check_one_line(part.type, f"{place}.type")
        if _MEDIA_TYPE.fullmatch(part.type) is None or not part.type.isascii():
            raise Wrong(bad_type(f"{place}.type must be a media type, for example application/pdf"))
        kept.append(Part(part.name, part.type, part.data))
    return tuple(kept)


def _check_override(override: OverrideIn) -> None:
    texts = [("override.reply_to", override.reply_to), ("override.list_id", override.list_id)]
    if isinstance(override.from_, FromIn):
        texts += [("override.from.email", override.from_.email), ("override.from.name", override.from_.name)]
    elif override.from_:
        texts.append(("override.from", override.from_))
    for member, text in texts:
        check_one_line(text, member)
        if text and "{{" in text:
            raise Wrong(bad_type(f"{member} must not contain template language"))
    if override.list_id:
        try:
            write_header("List-Id", override.list_id)
        except BadHeader as trouble:
            raise Wrong(bad_type(f"override.list_id cannot be a List-Id: {trouble}")) from trouble


def _raw(text: str, override: OverrideIn | None, *, substitute: bool) -> ReadContent:
    if "\0" in text:
        raise Wrong(Problem(422, "MIME parse error", "content.email_rfc822 contains NUL", "3020"))
    message = normalise_line_ends(text.encode())
    if override is not None:
        message = _replaced(message, override)
    head = _head(message)
    fields = BytesHeaderParser(policy=policy.compat32).parsebytes(head)
    froms = fields.get_all("From", [])
    if len(froms) != 1:
        raise Wrong(NO_SENDING_DOMAIN if not froms else Problem(422, "MIME parse error", "more than one From header", "3020"))
    value = str(froms[0]).replace("\r\n", "").replace("\n", "")
    try:
        mailboxes = split_mailboxes(value)
    except BadAddress as trouble:
        raise Wrong(Problem(422, "MIME parse error", f"the From header cannot be read: {trouble}", "3020")) from trouble
    if len(mailboxes) != 1:
        raise Wrong(NO_SENDING_DOMAIN)
    _, email, domain = read_from(FromIn(email=mailboxes[0][1]), "the From header")
    subject = decode_words(" ".join(str(fields.get("Subject", "")).split()))
    lists = fields.get_all("List-Id", [])
    own_list_id = list_of(" ".join(str(lists[0]).split())) if len(lists) == 1 else ""
    return ReadContent(RawContent(rfc822=message, substitute=substitute), email, domain, subject, own_list_id=own_list_id)


def _head(message: bytes) -> bytes:
    """Return the header of a message with the empty line; RFC 5322 section 2.2: fields, then an empty line."""
    end = 2 if message.startswith(b"\r\n") else message.find(b"\r\n\r\n") + 4
    head = message[:end] if end > 3 else message + b"\r\n\r\n"
    if len(head) > MOST_HEADERS:
        text = f"the header of content.email_rfc822 must have at most {MOST_HEADERS} bytes"
        raise Wrong(Problem(422, "MIME parse error", text, "3020"))
    place = 0
    while (field := _FIELD.match(head, place)) is not None:
        place = field.end()
    if place == 0 or head[place : place + 2] != b"\r\n":
        line = head.count(b"\r\n", 0, place) + 1
        raise Wrong(Problem(422, "MIME parse error", f"line {line} of content.email_rfc822 is not a header field", "3020"))
    return head


def _replaced(message: bytes, override: OverrideIn) -> bytes:
    """Return a raw message with the From, Reply-To and List-Id that `override` names in place of its own."""
    written = [
        (field, f"{field}: {value}\r\n".encode())
        for field, value in (("From", _mailbox(override.from_, message)), ("Reply-To", override.reply_to))
        if value
    ]
    if override.list_id:
        written.append(("List-Id", write_header("List-Id", override.list_id)))
    for field, line in written:
        end = found + 2 if (found := message.find(b"\r\n\r\n")) >= 0 else len(message)
        head = re.sub(rb"(?im)^" + field.encode() + rb"[ \t]*:[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*", b"", message[:end])
        message = line + head + message[end:]
    return message


def _mailbox(given: str | FromIn | None, message: bytes) -> str | None:
    if not given:
        return None
    name, email, _ = read_from(given, "override.from")
    if name is None:
        own = BytesHeaderParser(policy=policy.compat32).parsebytes(message).get("From", "")
        name, _ = split_mailbox(" ".join(str(own).split()))
    if not name:
        return email
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}" <{email}>'
