"""GET /events/message: from a query string to a search of the log (SparkPost reference, section 2.14).

Keyword filters match whole segments of a field, or a run of them: `blackfriday` finds `blackfriday-members`, `friday`
does not; `example.com` finds `info.example.com`. Upper and lower case are alike.
"""

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from urllib.parse import quote, urlencode

import msgspec

from homing.events.types import INGEST_TYPES, EventType
from homing.ground import ids

MOST_PER_PAGE = 10_000
DEFAULT_PER_PAGE = 1_000
DEFAULT_SPAN = timedelta(hours=24)
DEFAULT_DELAY = timedelta(minutes=1)  # `to` ends so long ago: by then every shard has written what happened
PATH = "/api/v1/events/message"
INGEST_PATH = "/api/v1/events/ingest"

_TYPES = {kind.wire: kind for kind in EventType if kind not in INGEST_TYPES}
_INGEST = {kind.wire: kind for kind in INGEST_TYPES}
_MESSAGE_TYPES = sorted(int(kind) for kind in _TYPES.values())
_SHARD_BITS = 8
_SEGMENT = re.compile(r"[-_ ]+")
_DOMAIN_SEGMENT = re.compile(r"[-_ .]+")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?))?(Z|z|[+ -]\d\d:?\d\d)?")
_NUMBER = re.compile(r"\d{1,10}")
_INLINE_TEMPLATE = re.compile(r"template_(\d{1,25})")


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked for; None: any (of types: any of messages). Members are named as the parameters of `search` in queries.sql.

    since, until   inclusive, exclusive
    first_day      the log is partitioned by the day of appending, never earlier than what happened (but for skewed clocks)
    keyword lists  LIKE patterns
    """

    account_id: int
    since: datetime
    until: datetime
    first_day: date
    subaccounts: list[int] | None = None
    types: list[int] | None = None
    shards: list[int] | None = None
    seqs: list[int] | None = None
    event_names: list[str] | None = None  # ids of events that other platforms gave
    recipients: list[str] | None = None
    messages: list[bytes] | None = None
    transmissions: list[bytes] | None = None
    from_addresses: list[str] | None = None
    bounce_classes: list[str] | None = None
    sending_ips: list[str] | None = None
    ab_test_versions: list[str] | None = None
    recipient_domains: list[str] | None = None
    sending_domains: list[str] | None = None
    campaigns: list[str] | None = None
    ab_tests: list[str] | None = None
    ip_pools: list[str] | None = None
    reasons: list[str] | None = None
    subjects: list[str] | None = None
    templates: list[str] | None = None
    inline_templates: list[bytes] | None = None
    mailbox_providers: list[str] | None = None
    mailbox_provider_regions: list[str] | None = None
    batch_ids: list[str] | None = None
    error_types: list[str] | None = None
    retryable: str | None = None  # true or false
    reason_like: str | None = None  # a LIKE pattern over the whole reason; of the legacy search


class After(NamedTuple):
    """The last event of the page before."""

    at: datetime
    shard: int
    seq: int


class _Cursor(msgspec.Struct, frozen=True, array_like=True):
    at_us: int  # microseconds since 1970
    shard: int
    seq: int
    total: int


class Asked(NamedTuple):
    """A whole request: what, from where on, how many.

    total    counted with the first page and carried along
    """

    search: Search
    after: After | None
    total: int | None
    per_page: int


class BadQuery(msgspec.Struct, frozen=True):
    """A parameter that cannot be used; the text names it."""

    text: str


class _Bad(Exception):
    pass


_encode_cursor = msgspec.msgpack.Encoder().encode
_decode_cursor = msgspec.msgpack.Decoder(_Cursor).decode
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read_query(
    query: Mapping[str, Sequence[str]], *, account_id: int, subaccount_id: int | None, now: datetime
) -> Asked | BadQuery:
    """Return what a query string asks for. Unknown parameters are ignored.

    query          every parameter with all its values
    subaccount_id  the only one that the caller may see; None: all, or those that `subaccounts` names
    """
    try:
        return _read(query, account_id, subaccount_id, now)
    except _Bad as bad:
        return BadQuery(str(bad))


def read_ingest_query(
    query: Mapping[str, Sequence[str]], *, account_id: int, subaccount_id: int | None, now: datetime
) -> Asked | BadQuery:
    """Return what a query string asks of the events that tell of batches (GET /events/ingest, section 2.16)."""
    common = ("from", "to", "cursor", "per_page", "delimiter", "event_ids", "subaccounts")
    try:
        asked = _read({name: query[name] for name in common if name in query}, account_id, subaccount_id, now)
        delimiter = _one(query, "delimiter") or ","
        retryable = _one(query, "retryable").strip().lower()
        if retryable not in ("", "true", "false"):
            raise _Bad("retryable must be true or false")
        search = msgspec.structs.replace(
            asked.search,
            types=_types(_values(query, "events", delimiter), _INGEST) or sorted(int(kind) for kind in INGEST_TYPES),
            batch_ids=_lowered(_values(query, "batch_ids", delimiter)),
            error_types=_lowered(_values(query, "error_types", delimiter)),
            retryable=retryable or None,
        )
    except _Bad as bad:
        return BadQuery(str(bad))
    return asked._replace(search=search)


def next_link(query: Mapping[str, Sequence[str]], asked: Asked, *, last: After, total: int, path: str = PATH) -> str:
    """Return the address of the next page; the span of time is fixed in it, so pages do not shift under the reader."""
    kept = [(name, value) for name, values in query.items() if name not in ("cursor", "from", "to") for value in values]
    kept += [
        ("from", asked.search.since.strftime("%Y-%m-%dT%H:%M:%S.%fZ")),
        ("to", asked.search.until.strftime("%Y-%m-%dT%H:%M:%S.%fZ")),
        ("cursor", write_cursor(last, total)),
    ]
    return f"{path}?{urlencode(kept, quote_via=quote, safe=',:')}"


def write_cursor(last: After, total: int) -> str:
    """Return the cursor that goes on behind an event."""
    cursor = _Cursor((last.at - _EPOCH) // timedelta(microseconds=1), last.shard, last.seq, total)
    return base64.urlsafe_b64encode(_encode_cursor(cursor)).rstrip(b"=").decode()


def event_id(shard: int, seq: int) -> str:
    """Return the number by which customers know an event."""
    return str(seq << _SHARD_BITS | shard)


def _read(query: Mapping[str, Sequence[str]], account_id: int, subaccount_id: int | None, now: datetime) -> Asked:
    delimiter = _one(query, "delimiter") or ","

    def values(name: str) -> list[str] | None:
        return _values(query, name, delimiter)

    since, until = _moment(query, "from"), _moment(query, "to")
    until = until or now - DEFAULT_DELAY
    try:
        since = since or min(now - DEFAULT_DELAY, until) + DEFAULT_DELAY - DEFAULT_SPAN
    except OverflowError as trouble:
        raise _Bad("to is too early") from trouble
    if since > until:
        raise _Bad("from must not be later than to")
    places, messages = _places(values("event_ids")), values("messages")
    # Events about batches have none of these, so their types need not be left out, and an index may answer alone.
    named = any(values(name) for name in ("campaigns", "recipients", "messages", "transmissions"))
    templates = values("templates")
    search = Search(
        account_id=account_id,
        since=since,
        until=until,
        first_day=since.date() - timedelta(days=1) if since > datetime(1, 1, 2, tzinfo=UTC) else since.date(),
        subaccounts=_subaccounts(values("subaccounts"), subaccount_id),
        types=_types(values("events"), _TYPES) or (None if named else _MESSAGE_TYPES),
        shards=None if places is None else [shard for shard, _ in places],
        seqs=None if places is None else [seq for _, seq in places],
        event_names=values("event_ids"),
        recipients=_lowered(values("recipients")),
        messages=None
        if messages is None
        else [*(_ids(messages, ids.from_hex) or ()), *(ids.foreign(text, of=account_id) for text in messages)],
        transmissions=_ids(values("transmissions"), ids.from_digits),
        from_addresses=_lowered(values("from_addresses")),
        bounce_classes=_numbers(values("bounce_classes"), "bounce_classes"),
        sending_ips=values("sending_ips"),
        ab_test_versions=values("ab_test_versions"),
        recipient_domains=_patterns(values("recipient_domains"), _DOMAIN_SEGMENT),
        sending_domains=_patterns(values("sending_domains"), _DOMAIN_SEGMENT),
        campaigns=_patterns(values("campaigns")),
        ab_tests=_patterns(values("ab_tests")),
        ip_pools=_patterns(values("ip_pools")),
        reasons=_patterns(values("reasons")),
        subjects=_patterns(values("subjects")),
        templates=_patterns(templates),
        inline_templates=_ids(
            [found[1] for text in templates or () if (found := _INLINE_TEMPLATE.fullmatch(text))], ids.from_digits
        ),
        mailbox_providers=_patterns(values("mailbox_providers")),
        mailbox_provider_regions=_patterns(values("mailbox_provider_regions")),
    )
    if search.ab_test_versions is not None and search.ab_tests is None:
        raise _Bad("ab_test_versions requires ab_tests")
    after, total = _cursor(_one(query, "cursor"))
    return Asked(search, after, total, _per_page(_one(query, "per_page")))


def _values(query: Mapping[str, Sequence[str]], name: str, delimiter: str) -> list[str] | None:
    found = [part.strip() for text in query.get(name, ()) for part in text.split(delimiter) if part.strip()]
    if any("\0" in part for part in found):
        raise _Bad(f"{name} must not contain NUL")
    return found or None


def _one(query: Mapping[str, Sequence[str]], name: str) -> str:
    found = query.get(name)
    return found[-1] if found else ""


def _moment(query: Mapping[str, Sequence[str]], name: str) -> datetime | None:
    text = _one(query, name).strip()
    if not text:
        return None
    found = _TIME.fullmatch(text)
    if found is not None:
        day, time, zone = found.groups()
        zone = "+00:00" if zone is None or zone in "zZ" else zone.replace(" ", "+")  # a bare + in a query means a space
        try:
            return datetime.fromisoformat(f"{day}T{time or '00:00'}{zone}").astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise _Bad(f"{name} must be a time in the form YYYY-MM-DDTHH:MM:SSZ")


def _per_page(text: str) -> int:
    if not text:
        return DEFAULT_PER_PAGE
    if _NUMBER.fullmatch(text) is None or not text.isascii() or not 1 <= int(text) <= MOST_PER_PAGE:
        raise _Bad(f"per_page must be a number from 1 to {MOST_PER_PAGE}")
    return int(text)


def _cursor(text: str) -> tuple[After | None, int | None]:
    if text in ("", "initial"):
        return None, None
    try:
        found = _decode_cursor(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if not (0 <= found.shard < 1 << 15 and 0 <= found.seq < 1 << 63 and 0 <= found.total < 1 << 63):
            raise ValueError(text)
        return After(_EPOCH + timedelta(microseconds=found.at_us), found.shard, found.seq), found.total
    except (ValueError, OverflowError, msgspec.DecodeError) as trouble:
        raise _Bad("cursor must be 'initial' or come from links.next") from trouble


def _types(names: list[str] | None, known: Mapping[str, EventType]) -> list[int] | None:
    if names is None:
        return None
    unknown = [name for name in names if name not in known]
    if unknown:
        raise _Bad(f"events: '{unknown[0][:64]}' is not an event type")
    return [known[name].value for name in names]


def _places(texts: list[str] | None) -> list[tuple[int, int]] | None:
    if texts is None:
        return None
    numbers = [int(text) for text in texts if text.isascii() and text.isdigit() and len(text) <= 24]
    return [(number & ((1 << _SHARD_BITS) - 1), number >> _SHARD_BITS) for number in numbers if number >> _SHARD_BITS < 1 << 63]


def _subaccounts(texts: list[str] | None, only: int | None) -> list[int] | None:
    numbers = None if texts is None else [int(text) for text in _numbers(texts, "subaccounts") or ()]
    if numbers is not None and max(numbers) >= 1 << 31:
        raise _Bad("subaccounts must be numbers")
    if only is None:
        return numbers
    return [only] if numbers is None or only in numbers else []


def _numbers(texts: list[str] | None, name: str) -> list[str] | None:
    if texts is not None and not all(text.isascii() and _NUMBER.fullmatch(text) for text in texts):
        raise _Bad(f"{name} must be numbers")
    return texts


def _ids(texts: list[str] | None, read: Callable[[str], bytes]) -> list[bytes] | None:
    if texts is None:
        return None
    found = []
    for text in texts:
        try:
            found.append(read(text.lower()))
        except ids.BadId:
            continue  # no event has it
    return found


def _lowered(texts: list[str] | None) -> list[str] | None:
    return None if texts is None else [text.lower() for text in texts]


def _patterns(texts: list[str] | None, separator: re.Pattern[str] = _SEGMENT) -> list[str] | None:
    if texts is None:
        return None
    phrases = [separator.sub(" ", text.lower()).strip() for text in texts]
    return ["% " + phrase.replace("\\", "\\\\").replace("%", "\\%") + " %" for phrase in phrases if phrase]
