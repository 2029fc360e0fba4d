"""POST /transmissions: from the bytes of a body to a Transmission, or to what is wrong with them.

Everything that can be judged without looking anything up is judged here; domains, pools and suppressions are admission's.
Members that are unknown are ignored, `null` means absent. Source: SparkPost reference, section 2.1.
"""

import codecs
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import chain
from mmap import mmap
from typing import Any, TypeVar

import msgspec

from homing.ingress.rules.bulk import Bulk
from homing.ingress.rules.content import ContentIn, OverrideIn, read_content
from homing.ingress.rules.problem import (
    Problem,
    Wrong,
    bad_combination,
    bad_type,
    check_bytes,
    check_one_line,
    missing,
    unknown_tracking_domain,
)
from homing.ingress.rules.recipients import (
    MOST_SUBSTITUTION,
    check_metadata,
    check_substitution,
    metadata_too_large,
    named_list,
    read_recipients,
    read_return_path,
    substitution_too_large,
    wrong_type,
)
from homing.ingress.types import Recipient, RecipientError, Transmission
from homing.message.addresses import BadAddress, parse_domain
from homing.spool.types import MOST_INLINED, InlineContent

T = TypeVar("T")
MOST_CAMPAIGN_ID = 64  # bytes
MOST_DESCRIPTION = 1_024
MOST_POOL = 20
_START_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|z|[+-]\d\d:?\d\d)")
_AT_ONCE = 1_048_576  # bytes of a large body that are looked at together
_WHERE = re.compile(r" \(byte (\d+)\)$")


class OptionsIn(msgspec.Struct, gc=False):
    """`options`."""

    start_time: str | None = None
    open_tracking: bool | None = None
    initial_open: bool | None = None
    click_tracking: bool | None = None
    transactional: bool | None = None
    sandbox: bool | None = None
    skip_suppression: bool | None = None
    ip_pool: str | None = None
    inline_css: bool | None = None
    perform_substitutions: bool | None = None
    dkim_key: str | None = None


class BodyIn(msgspec.Struct, gc=False):
    """The body; recipients stay raw until the rest is known to be right."""

    recipients: msgspec.Raw
    content: ContentIn | None = None
    options: OptionsIn | None = None
    override: OverrideIn | None = None
    campaign_id: str | None = None
    description: str | None = None
    metadata: dict[str, Any] | None = None
    substitution_data: dict[str, Any] | None = None
    return_path: str | None = None
    tracking_domain: str | None = None


_NULL = msgspec.Raw(b"null")


class LargeIn(BodyIn, gc=False):
    """The body of a large call: what could become many objects stays raw until its size is known to be right."""

    content: msgspec.Raw = _NULL  # type: ignore[assignment]
    metadata: msgspec.Raw = _NULL  # type: ignore[assignment]
    substitution_data: msgspec.Raw = _NULL  # type: ignore[assignment]


_decode_body = msgspec.json.Decoder(BodyIn).decode
_decode_large = msgspec.json.Decoder(LargeIn).decode
_decode_content = msgspec.json.Decoder(ContentIn | None).decode
_decode_data = msgspec.json.Decoder(dict[str, Any] | None).decode


def decode(body: bytes) -> Transmission | Problem:
    """Return the transmission that a body asks for, or the first thing that is wrong with it."""
    try:
        if not body.isascii():
            body.decode()  # members that are skipped would otherwise pass unread
        return _read(_decode_body(body))
    except Wrong as wrong:
        return wrong.problem
    except msgspec.ValidationError as trouble:
        return wrong_type(trouble)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as trouble:
        return malformed(body, trouble)


def decode_large(body: mmap, *, most_content: int) -> Transmission | Problem:
    """Return the transmission that a body in a file asks for; its recipients are read from there, so the file must stay.

    most_content   bytes of texts, attachments and images together
    """
    try:
        wrong_at = _no_utf8_at(body)
        if wrong_at is not None:
            return _not_utf8(wrong_at)
        given = _decode_large(body)
        content = _small(given.content, "content", 2 * most_content, _decode_content)
        if content is not None and content.size > most_content:
            raise Wrong(content_too_large(most_content))
        read = BodyIn(
            recipients=given.recipients,
            content=content,
            options=given.options,
            override=given.override,
            campaign_id=given.campaign_id,
            description=given.description,
            metadata=_small(given.metadata, "metadata", 2 * MOST_SUBSTITUTION, _decode_data),
            substitution_data=_small(given.substitution_data, "substitution_data", 10 * MOST_SUBSTITUTION, _decode_data),
            return_path=given.return_path,
            tracking_domain=given.tracking_domain,
        )
        return _read(read, large=True)
    except Wrong as wrong:
        return wrong.problem
    except msgspec.ValidationError as trouble:
        return wrong_type(trouble)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as trouble:
        return malformed(body, trouble)


def malformed(body: bytes | mmap, trouble: Exception) -> Problem:
    """Return what to say of a body that is no JSON in UTF-8, with the place where it ends to be."""
    if len(body) < _AT_ONCE and not body[:].strip():
        return Problem(400, "Request body parsing failed", "the body is empty; a JSON object is expected", "1300")
    wrong_at = _no_utf8_at(body)
    if wrong_at is not None:
        return _not_utf8(wrong_at)
    if isinstance(trouble, RecursionError):
        return Problem(400, "Request body parsing failed", "the JSON is nested too deeply", "1300")
    reason = str(trouble).removeprefix("JSON is malformed: ")
    where = _WHERE.search(reason)
    if where is None:
        return Problem(400, "Request body parsing failed", f"the JSON is malformed: {reason}"[:200], "1300")
    end = int(where[1])
    line = 1 + sum(part.count(b"\n") for part in _parts(body, 0, end))
    decoder = codecs.getincrementaldecoder("utf-8")(errors="ignore")
    column = 1 + sum(len(decoder.decode(part)) for part in _parts(body, body.rfind(b"\n", 0, end) + 1, end))
    said = f"the JSON is malformed at line {line}, column {column}: {reason[: where.start()]}"
    return Problem(400, "Request body parsing failed", said, "1300")


def content_too_large(most: int) -> Problem:
    """The content of a large call is too long."""
    text = f"content must be at most {most} bytes: texts, attachments and images together"
    return Problem(413, "Request entity too large", text)


def _small(raw: msgspec.Raw, name: str, most: int, decode: Callable[[memoryview], T]) -> T:
    """Return a member as objects, if its JSON is no longer than anything right could be."""
    seen = memoryview(raw)
    if len(seen) > most:
        raise Wrong(_TOO_LONG[name](most))
    try:
        return decode(seen)
    except msgspec.ValidationError as trouble:
        raise Wrong(wrong_type(trouble, inside=name)) from None


_TOO_LONG: dict[str, Callable[[int], Problem]] = {
    "content": lambda most: content_too_large(most // 2),
    "metadata": lambda most: metadata_too_large("metadata"),
    "substitution_data": lambda most: substitution_too_large("substitution_data"),
}


def _not_utf8(offset: int) -> Problem:
    return Problem(400, "body is not UTF-8", f"the byte at offset {offset} does not belong to UTF-8", "1305")


def _no_utf8_at(body: bytes | mmap) -> int | None:
    """Return the offset of the first byte that is no UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    start = 0
    for part in chain(_parts(body, 0, len(body)), (b"",)):
        begun = len(decoder.getstate()[0])
        try:
            decoder.decode(part, final=not part)
        except UnicodeDecodeError as trouble:
            return start - begun + trouble.start
        start += len(part)
    return None


def _parts(body: bytes | mmap, start: int, end: int) -> Iterator[bytes]:
    for begin in range(start, end, _AT_ONCE):
        yield body[begin : min(begin + _AT_ONCE, end)]


def _read(given: BodyIn, *, large: bool = False) -> Transmission:
    if bytes(memoryview(given.recipients)[:4]) == b"null":
        raise Wrong(missing("recipients is a required field"))
    if given.content is None:
        raise Wrong(missing("content object or template_id required"))
    check_bytes(given.campaign_id, "campaign_id", MOST_CAMPAIGN_ID)
    check_one_line(given.campaign_id, "campaign_id")
    check_bytes(given.description, "description", MOST_DESCRIPTION)
    if given.description is not None and "\0" in given.description:
        raise Wrong(bad_type("description must not contain NUL"))
    check_metadata(given.metadata, "metadata")
    check_substitution(given.substitution_data, "substitution_data")
    return_path = read_return_path(given.return_path, "return_path") if given.return_path else None
    options = given.options or OptionsIn()
    check_one_line(options.dkim_key, "options.dkim_key")
    open_tracking = options.open_tracking is not False
    written = read_content(given.content, given.override, perform_substitutions=options.perform_substitutions is not False)
    if options.inline_css and isinstance(written.content, InlineContent):
        check_bytes(written.content.html, "content.html, where options.inline_css is true,", MOST_INLINED)
    stored_list = named_list(memoryview(given.recipients))
    recipients: list[Recipient] = []
    rejected: tuple[RecipientError, ...] = ()
    bulk = None
    if stored_list is None and large:
        bulk = Bulk(memoryview(given.recipients))
        rejected = bulk.refused
    elif stored_list is None:
        recipients, rejected = read_recipients(memoryview(given.recipients))
    single = (len(recipients) if bulk is None else bulk.accepted) + len(rejected) == 1
    if written.named is not None and written.named.ab_test_id is not None and not single:
        raise Wrong(bad_combination("a transmission of an A/B test has a single recipient"))
    return Transmission(
        stored_list=stored_list or "",
        recipients=recipients,
        bulk=bulk,
        rejected=rejected,
        content=written.content,
        named=written.named,
        recv_method="rest",
        from_email=written.from_email,
        sending_domain=written.sending_domain,
        subject=written.subject,
        campaign_id=given.campaign_id or "",
        description=given.description or "",
        return_path=return_path,
        ip_pool=_pool(options.ip_pool),
        transactional=options.transactional is True,
        sandbox=options.sandbox is True,
        skip_suppression=options.skip_suppression is True,
        open_tracking=open_tracking,
        click_tracking=options.click_tracking is not False,
        initial_open=open_tracking if options.initial_open is None else options.initial_open,
        inline_css=options.inline_css is True,
        unset=_unset(options),
        start_time=_start_time(options.start_time),
        dkim_key=options.dkim_key or "default",
        tracking_domain=_tracking_domain(given.tracking_domain),
        list_id=(given.override.list_id or "") if given.override is not None else "",
        own_list_id=written.own_list_id,
        substitution_data=given.substitution_data or {},
        metadata=given.metadata or {},
    )


def _unset(options: OptionsIn) -> frozenset[str]:
    names = ("open_tracking", "click_tracking", "transactional", "initial_open")
    return frozenset(name for name in names if getattr(options, name) is None)


def _pool(given: str | None) -> str | None:
    if not given:
        return None
    if len(given) > MOST_POOL or not given.replace("_", "").isalnum() or not given.isascii():
        raise Wrong(bad_type(f"options.ip_pool must have at most {MOST_POOL} letters, digits and underscores"))
    return given.lower()


def _tracking_domain(given: str | None) -> str:
    if not given:
        return ""
    try:
        return parse_domain(given)
    except BadAddress:
        raise Wrong(unknown_tracking_domain(given)) from None


def _start_time(given: str | None) -> datetime | None:
    if not given or given == "now":
        return None
    try:
        moment = datetime.fromisoformat(given.upper()) if _START_TIME.fullmatch(given) else None
        if moment is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise Wrong(bad_type("options.start_time must be a time in the form YYYY-MM-DDTHH:MM:SS+-HH:MM"))
