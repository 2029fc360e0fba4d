"""POST /transmissions: from the bytes of a body to a Transmission, or to what is wrong with them.

Everything that can be judged without looking anything up is judged here; domains, pools and suppressions are admission's.
Members that are unknown are ignored, `null` means absent. Source: SparkPost reference, section 2.1.
"""

import re
from datetime import UTC, datetime
from typing import Any

import msgspec

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
    check_metadata,
    check_substitution,
    named_list,
    read_recipients,
    read_return_path,
    wrong_type,
)
from homing.ingress.types import Transmission
from homing.message.addresses import BadAddress, parse_domain
from homing.spool.types import MOST_INLINED, InlineContent

MOST_CAMPAIGN_ID = 64  # bytes
MOST_DESCRIPTION = 1_024
MOST_POOL = 20
_START_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|z|[+-]\d\d:?\d\d)")
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


_decode_body = msgspec.json.Decoder(BodyIn).decode


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


def malformed(body: bytes, trouble: Exception) -> Problem:
    """Return what to say of a body that is no JSON in UTF-8, with the place where it ends to be."""
    if not body.strip():
        return Problem(400, "Request body parsing failed", "the body is empty; a JSON object is expected", "1300")
    try:
        body.decode()
    except UnicodeDecodeError as not_utf8:
        return Problem(400, "body is not UTF-8", f"the byte at offset {not_utf8.start} does not belong to UTF-8", "1305")
    if isinstance(trouble, RecursionError):
        return Problem(400, "Request body parsing failed", "the JSON is nested too deeply", "1300")
    reason = str(trouble).removeprefix("JSON is malformed: ")
    where = _WHERE.search(reason)
    if where is None:
        return Problem(400, "Request body parsing failed", f"the JSON is malformed: {reason}"[:200], "1300")
    before = body[: int(where[1])].decode(errors="ignore")
    line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
    said = f"the JSON is malformed at line {line}, column {column}: {reason[: where.start()]}"
    return Problem(400, "Request body parsing failed", said, "1300")


def _read(given: BodyIn) -> Transmission:
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
    recipients, rejected = read_recipients(memoryview(given.recipients)) if stored_list is None else ([], ())
    if (
        written.named is not None
        and written.named.ab_test_id is not None
        and (stored_list or len(recipients) + len(rejected) > 1)
    ):
        raise Wrong(bad_combination("a transmission of an A/B test has a single recipient"))
    return Transmission(
        stored_list=stored_list or "",
        recipients=recipients,
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
