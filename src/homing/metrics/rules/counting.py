"""From events to figures: which counters an event moves, and under which sets (SparkPost reference, section 2.17.3)."""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from homing.events.types import EventType, Logged
from homing.ground.ids import is_foreign
from homing.metrics.types import COUNTED_BY, COUNTERS, SAID_BY, CountRow, Grain, Kind, Scope, Seen, Set, Tally, TextRow

MOST_TEXT = 300  # characters of a reason or of a link's name
UNNAMED = "Raw URL"  # of a link without a name

_AT = {name: place for place, name in enumerate(COUNTERS)}
_COUNTED = {grain: [scope for scope, grains in COUNTED_BY.items() if grain in grains] for grain in Grain}
_BY_CATEGORY = {
    "Hard": _AT["hard_bounce"],
    "Soft": _AT["soft_bounce"],
    "Block": _AT["block_bounce"],
    "Undetermined": _AT["undetermined_bounce"],
}
_ADMIN = "Admin"
_REJECTIONS = {
    EventType.POLICY_REJECTION: ("policy_rejection", 1),
    EventType.GENERATION_REJECTION: ("generation_rejection", 2),
    EventType.GENERATION_FAILURE: ("generation_failed", 2),
}
_OPENS = frozenset({EventType.OPEN, EventType.AMP_OPEN})
_INITIAL_OPENS = frozenset({EventType.INITIAL_OPEN, EventType.AMP_INITIAL_OPEN})
_CLICKS = frozenset({EventType.CLICK, EventType.AMP_CLICK})
_LEFT = frozenset({EventType.LIST_UNSUBSCRIBE, EventType.LINK_UNSUBSCRIBE})
ENGAGEMENT = _OPENS | _INITIAL_OPENS | _CLICKS
COUNTED = (
    frozenset({EventType.INJECTION, EventType.DELIVERY, EventType.BOUNCE, EventType.OUT_OF_BAND, EventType.DELAY})
    | frozenset({EventType.SPAM_COMPLAINT})
    | frozenset(_REJECTIONS)
    | ENGAGEMENT
    | _LEFT
)
_UNIQUE = {
    Seen.RENDERED: _AT["unique_rendered"],
    Seen.INITIAL: _AT["unique_initial_rendered"],
    Seen.OPENED: _AT["unique_confirmed_opened"],
    Seen.CLICKED: _AT["unique_clicked"],
    Seen.NONPREFETCHED_RENDERED: _AT["nonprefetched_unique_rendered"],
    Seen.NONPREFETCHED_INITIAL: _AT["nonprefetched_unique_initial_rendered"],
    Seen.NONPREFETCHED_OPENED: _AT["nonprefetched_unique_confirmed_opened"],
}
_WORD = re.compile(r"\S+")


Family = tuple[str, ...]  # the sets that an event counts under, by scope
Numbers = dict[int, int]  # by place in COUNTERS


class _Agent(msgspec.Struct):
    is_prefetched: bool = False


class _Detail(msgspec.Struct):
    """The members of an event's detail that are counted by."""

    ip_pool: str = ""
    sending_ip: str = ""
    sending_domain: str = ""
    template_id: str = ""
    mailbox_provider: str = ""
    mailbox_provider_region: str = ""
    num_retries: str = "0"
    queue_time: str = "0"
    msg_size: str = "0"
    bounce_class: str = "1"
    reason: str = ""
    target_link_name: str = ""
    user_agent_parsed: _Agent | None = None


_read = msgspec.json.Decoder(_Detail, strict=False).decode


def engaged(events: Iterable[Logged]) -> list[bytes]:
    """Return the messages whose readers did something, once each."""
    return sorted({event.message_id for event in events if event.type in ENGAGEMENT and event.message_id is not None})


def tally(events: Sequence[Logged], *, seen: Mapping[bytes, int], category: Callable[[int], str]) -> Tally:
    """Return what events add up to.

    seen       what the readers of `engaged(events)` did before; a message that is absent did nothing
    category   of a bounce class: Hard, Soft, Block, Admin or Undetermined
    """
    sheet = _Sheet(seen, category)
    for event in events:
        if event.type in COUNTED:
            sheet.add(event)
    return sheet.done()


def said(text: str) -> str:
    """Return a reason without the ids that make it different for each message, so that equal ones add up.

    A word of 8 characters or more with 4 digits or more stands for an id: `OK a1-20020a170902b7c1si12345` becomes `OK ...`.
    """
    if sum(letter.isdigit() for letter in text) >= 4:
        text = _WORD.sub(_id_or_word, text)
    return text[:MOST_TEXT].replace("\0", "")


def set_id(one: Set) -> str:
    """Return the number of a set, a UUID in hexadecimal digits: 128 bits of SHA-256 over its members as netstrings.

    Migrations make it in SQL too.
    """
    members = (str(one.account_id), str(int(one.scope)), str(one.subaccount_id), one.domain, one.sending_ip, one.ip_pool,
               one.sending_domain, one.campaign_id, one.template_id)  # fmt: skip
    encoded = [member.encode() for member in members]
    return hashlib.sha256(b"".join(b"%d:%b," % (len(part), part) for part in encoded)).hexdigest()[:32]


def _narrowed(whole: Set, scope: Scope) -> Set:
    """Return the set of a family that a whole one counts under."""
    told_apart = {member: getattr(whole, member) for member in scope.members}
    return Set(account_id=whole.account_id, scope=scope, subaccount_id=whole.subaccount_id, **told_apart)


def _id_or_word(found: re.Match[str]) -> str:
    word = found[0]
    return "..." if len(word) >= 8 and sum(letter.isdigit() for letter in word) >= 4 else word


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0


def _add(sums: Numbers, numbers: Numbers) -> None:
    for place, number in numbers.items():
        sums[place] = sums.get(place, 0) + number


class _Sheet:
    """Figures while they are added up."""

    def __init__(self, seen: Mapping[bytes, int], category: Callable[[int], str]) -> None:
        self._seen = dict(seen)
        self._category = category
        self._sets: dict[Set, str] = {}
        self._families: dict[tuple[Any, ...], Family] = {}
        self._minutes: dict[tuple[int, datetime, Family], Numbers] = {}
        self._said: dict[tuple[int, datetime, Family, Kind, int, str], Numbers] = {}
        self._providers: dict[str, tuple[str, str]] = {}

    def add(self, event: Logged) -> None:
        detail = _read(event.detail)
        numbers: Numbers = {}
        match event.type:
            case EventType.INJECTION:
                self._one(numbers, "injected")
            case EventType.DELIVERY:
                self._delivery(numbers, detail)
            case EventType.BOUNCE | EventType.OUT_OF_BAND:
                self._bounce(numbers, event, detail)
            case EventType.DELAY:
                first = detail.num_retries == "0"
                self._one(numbers, "delayed")
                if first:
                    self._one(numbers, "delayed_first")
                self._text(event, detail, Kind.DELAY, 0, detail.reason, (1, int(first), 0))
            case EventType.SPAM_COMPLAINT:
                self._one(numbers, "spam_complaint")
            case kind if kind in _REJECTIONS:
                counter, category = _REJECTIONS[kind]
                self._one(numbers, counter)
                self._text(event, detail, Kind.REJECTION, category, detail.reason, (1, 0, 0))
            case kind if kind in _LEFT:
                self._one(numbers, "unsubscribe")
            case _:
                self._engagement(numbers, event, detail)
        # What one customer hands in from elsewhere must not say for all of them who receives a domain's mail.
        if detail.mailbox_provider and event.recipient_domain and not is_foreign(event.message_id):
            self._providers[event.recipient_domain] = (detail.mailbox_provider, detail.mailbox_provider_region)
        key = (event.account_id, Grain.MINUTE.start(event.at), self._family(event, detail))
        sums = self._minutes.get(key)
        if sums is None:
            self._minutes[key] = numbers
        else:
            _add(sums, numbers)

    def done(self) -> Tally:
        return Tally(
            sets={number: one for one, number in self._sets.items()},
            counts=[CountRow(*key, numbers) for key, numbers in self._counts().items()],
            texts=[TextRow(*key, *(numbers.get(place, 0) for place in range(3))) for key, numbers in self._texts().items()],
            seen=self._seen,
            providers=self._providers,
        )

    def _counts(self) -> dict[tuple[int, Grain, Scope, datetime, str], Numbers]:
        """Return what the minutes add up to by every grain and scope; each grain out of the finer one, which has more rows."""
        counts: dict[tuple[int, Grain, Scope, datetime, str], Numbers] = {}
        finer = self._minutes
        for grain in Grain:
            coarser: dict[tuple[int, datetime, Family], Numbers] = {}
            for (account_id, moment, family), numbers in finer.items():
                _add(coarser.setdefault((account_id, grain.start(moment), family), {}), numbers)
            for (account_id, start, family), numbers in coarser.items():
                for scope in _COUNTED[grain]:
                    key = (account_id, grain, scope, start, family[scope])
                    if scope is Scope.WHOLE:  # each family has its own
                        counts[key] = numbers
                    else:
                        _add(counts.setdefault(key, {}), numbers)
            finer = coarser
        return counts

    def _texts(self) -> dict[tuple[int, Scope, Grain, Kind, datetime, str, int, str], Numbers]:
        """Return what was said by every grain and scope."""
        texts: dict[tuple[int, Scope, Grain, Kind, datetime, str, int, str], Numbers] = {}
        for (account_id, moment, family, kind, classification, text), numbers in self._said.items():
            for scope, grains in SAID_BY.items():
                for grain in grains:
                    key = (account_id, scope, grain, kind, grain.start(moment), family[scope], classification, text)
                    _add(texts.setdefault(key, {}), numbers)
        return texts

    def _one(self, numbers: Numbers, counter: str) -> None:
        numbers[_AT[counter]] = 1

    def _delivery(self, numbers: Numbers, detail: _Detail) -> None:
        self._one(numbers, "delivered")
        numbers[_AT["msg_volume"]] = _number(detail.msg_size)
        first = detail.num_retries == "0"
        if first:
            self._one(numbers, "delivered_first")
        elif detail.num_retries == "1":
            self._one(numbers, "delivered_second")
        numbers[_AT["delivery_time_first" if first else "delivery_time_subsequent"]] = _number(detail.queue_time)

    def _bounce(self, numbers: Numbers, event: Logged, detail: _Detail) -> None:
        number = _number(detail.bounce_class) or 1
        category = self._category(number)
        where = (0, 0, 1)
        if category == _ADMIN:
            self._one(numbers, "admin_bounce")
        else:
            outofband = event.type is EventType.OUT_OF_BAND
            where = (int(not outofband), int(outofband), 0)
            self._one(numbers, "outofband_bounce" if outofband else "inband_bounce")
            numbers[_BY_CATEGORY[category]] = 1
        self._text(event, detail, Kind.BOUNCE, number, detail.reason, where)

    def _engagement(self, numbers: Numbers, event: Logged, detail: _Detail) -> None:
        prefetched = detail.user_agent_parsed is not None and detail.user_agent_parsed.is_prefetched
        did = Seen.OPENED
        if event.type in _CLICKS:
            did |= Seen.CLICKED
            self._one(numbers, "clicked")
            self._text(event, detail, Kind.LINK, 0, detail.target_link_name or UNNAMED, (1, 0, 0))
        else:
            initial = event.type in _INITIAL_OPENS
            did |= Seen.INITIAL if initial else Seen.RENDERED
            name = "initial_rendered" if initial else "rendered"
            self._one(numbers, name)
            if not prefetched:
                did |= Seen.NONPREFETCHED_INITIAL if initial else Seen.NONPREFETCHED_RENDERED
                self._one(numbers, f"nonprefetched_{name}")
        if not prefetched:
            did |= Seen.NONPREFETCHED_OPENED
        if event.message_id is None:
            return
        before = self._seen.get(event.message_id, 0)
        for bit in did & ~Seen(before):
            numbers[_UNIQUE[bit]] = 1
        self._seen[event.message_id] = before | int(did)

    def _text(
        self, event: Logged, detail: _Detail, kind: Kind, classification: int, text: str, numbers: tuple[int, int, int]
    ) -> None:
        text = said(text) if kind is not Kind.LINK else text[:MOST_TEXT]
        key = (event.account_id, Grain.MINUTE.start(event.at), self._family(event, detail), kind, classification, text)
        _add(self._said.setdefault(key, {}), dict(enumerate(numbers)))

    def _family(self, event: Logged, detail: _Detail) -> Family:
        """Return the sets that an event counts under, by scope."""
        key = (
            event.account_id,
            event.subaccount_id,
            event.recipient_domain,
            detail.sending_ip,
            detail.ip_pool,
            detail.sending_domain,
            event.campaign_id,
            detail.template_id,
        )
        family = self._families.get(key)
        if family is None:
            whole = Set(
                account_id=event.account_id,
                scope=Scope.WHOLE,
                subaccount_id=event.subaccount_id,
                domain=event.recipient_domain,
                sending_ip=detail.sending_ip,
                ip_pool=detail.ip_pool,
                sending_domain=detail.sending_domain,
                campaign_id=event.campaign_id,
                template_id=detail.template_id,
            )
            family = tuple(self._number(_narrowed(whole, scope)) for scope in Scope)
            self._families[key] = family
        return family

    def _number(self, one: Set) -> str:
        number = self._sets.get(one)
        if number is None:
            number = self._sets[one] = set_id(one)
        return number
