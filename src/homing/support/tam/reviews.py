"""Prepares planning reviews: gathers an account's figures, and keeps them as they were at that moment."""

from datetime import UTC, date, datetime, time, timedelta

import msgspec

from homing.accounts import store as accounts
from homing.accounts import subaccounts, usage
from homing.domains import store as domains
from homing.domains import tracking_store
from homing.domains.types import Verdict
from homing.egress import store as egress
from homing.ground import db
from homing.support.cases.rules.decision import Bar, No
from homing.support.cases.types import Actor
from homing.support.clocks import store as clocks
from homing.support.clocks.rules.tally import tallies
from homing.support.clocks.types import Nature
from homing.support.tam import store
from homing.support.tam.desk import Answer, Desk, Taken
from homing.support.tam.happened import DocumentPrepared
from homing.support.tam.ports import Figures
from homing.support.tam.rules import states
from homing.support.tam.rules.checks import rates_of
from homing.support.tam.rules.document import (
    AdviceLine,
    CaseLine,
    ClockLine,
    DomainLine,
    Prepared,
    capacity,
    shares,
    words_of,
)
from homing.support.tam.rules.states import Decision, Step
from homing.support.tam.store import Document
from homing.support.tam.types import About, Record, RecordKind
from homing.templates import store as templates

LONGEST_DAYS = 92  # figures of days are kept for 186: a stretch and the one before it
MOST_DOCUMENTS = 100  # of one review
_encode = msgspec.json.Encoder().encode


def wrong_stretch(first: date, last: date, *, now: datetime) -> str:
    """Return why figures of these days cannot be drawn; '': they can."""
    if last < first:
        return "until must not be before since"
    if (last - first).days >= LONGEST_DAYS:
        return f"at most {LONGEST_DAYS} days"
    return "until lies ahead" if last > now.date() else ""


async def prepare(desk: Desk, figures: Figures, record: Record, by: Actor, *, first: date, last: date) -> Answer:
    """Draw figures of a stretch of days and keep them with the review.

    raises   StoreUnavailable, TooSlow; then nothing was kept
    """
    if no := states.barred(record, Step.PREPARE):
        return no
    now = await desk.legal.now(desk.pool)
    if wrong := wrong_stretch(first, last, now=now):
        return No(Bar.WHAT, wrong)
    made = await gather(desk.pool, figures, record, first=first, last=last, now=now)
    data = _encode(made).decode()

    async def decide(taken: Taken) -> Decision:
        if no := states.barred(taken.record, Step.PREPARE):
            return no
        number = taken.record.documents + 1
        if number > MOST_DOCUMENTS:
            return No(Bar.STATE, f"a review has at most {MOST_DOCUMENTS} documents")
        kept = Document(
            number=number,
            prepared_at=now,
            prepared_by=by.name,
            sha256=store.digest(data),
            data=data,
            words=words_of(made),
        )
        await store.add_document(taken.connection, taken.record_id, kept)
        return [DocumentPrepared(number=number, sha256=kept.sha256)]

    return await desk.act(record.record_id, by, decide)


async def gather(pool: db.Pool, figures: Figures, record: Record, *, first: date, last: date, now: datetime) -> Prepared:
    """Return what is known of an account's use of the platform in a stretch of days, and in the one before it."""
    account_id = record.account_id
    account = await accounts.account_by_id(pool, account_id)
    if account is None:
        raise LookupError(account_id)
    length = last - first + timedelta(days=1)
    earlier = (first - length, first - timedelta(days=1))
    begin, end = _midnight(first), _midnight(last + timedelta(days=1))
    counts = await figures.total(account_id, About(), first=first, last=last)
    before = await figures.total(account_id, About(), first=earlier[0], last=earlier[1])
    kept = await clocks.of_account(pool, account_id, begin, end)
    advice = await store.records(pool, await store.find(pool, account_ids=[account_id], kind=RecordKind.RECOMMENDATION))
    results = await store.last_results(pool, [one.record_id for one in advice])
    sending = await domains.list_domains(pool, account_id)
    return Prepared(
        account=account.company_name or account.name,
        first=first,
        last=last,
        prepared_at=now,
        capacity=capacity(
            await usage.by_day(pool, account_id, first=first, last=last),
            await usage.by_day(pool, account_id, first=earlier[0], last=earlier[1]),
            month_so_far=(await usage.of_account(pool, account_id, now=now)).used.month,
            limits=msgspec.structs.asdict(account.limits),
        ),
        counts=counts,
        rates=rates_of(counts),
        counts_before=before,
        rates_before=rates_of(before),
        providers=shares(await figures.by_provider(account_id, first=first, last=last)),
        domains=tuple(
            DomainLine(
                domain=one.domain,
                dkim=one.status.dkim_status,
                return_path=_better(one.status.cname_status, one.status.mx_status),
                compliance=one.status.compliance_status,
            )
            for one in sending
        ),
        features={
            "sending_domains": len(sending),
            "tracking_domains": len(await tracking_store.list_domains(pool, account_id)),
            "subaccounts": await subaccounts.count(pool, account_id),
            "ip_pools": len(await egress.pools_of(pool, account_id)),
            "dedicated_ips": len(await egress.sending_ips(pool, account_id)),
            "templates": len(await templates.of_account(pool, account_id, None, draft=None, shared=None)),
        },
        cases=tuple(
            CaseLine(state=state, severity=severity, cases=number)
            for state, severity, number in await store.cases_between(pool, account_id, begin, end)
        ),
        clocks=tuple(
            ClockLine(nature=one.nature.value, kind=one.kind.value, met=one.met, missed=one.missed, open=one.open)
            for one in tallies(one.reading for one in kept if one.reading.nature is not Nature.INTERNAL)
        ),
        recommendations=tuple(
            AdviceLine(
                record_id=one.record_id,
                title=one.title,
                state=one.state.value,
                holds=results[one.record_id].passed if one.record_id in results else None,
            )
            for one in advice
        ),
        topics=record.topics,
    )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)


def _better(cname: str, mx: str) -> str:
    return Verdict.VALID.value if Verdict.VALID.value in (cname, mx) else cname
