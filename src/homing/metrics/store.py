"""Figures in PostgreSQL: added by the follower, summed up for questions.

Questions are composed here, because they name what they filter by and sort by; every value is a parameter, and every name
comes from a closed list.
"""
# ruff: noqa: S608

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from homing.events.store import TooSlow
from homing.ground import db
from homing.metrics.rules.asked import NEVER, Filter, Grouping, Question, families_of
from homing.metrics.rules.names import columns_of, exact, parts_of
from homing.metrics.rules.windows import Piece, Window, pieces
from homing.metrics.types import COUNTED_BY, COUNTERS, SAID_BY, CountRow, Grain, Kind, Scope, Tally

_sql = db.queries("homing.metrics")

QUESTION_TIMEOUT_S = 10.0
# Each question is planned for its own values: its sums are hashed rather than sorted, and a few sets among many found by index,
# whose pages are mostly in memory.
_AS_ASKED = (
    f"SET LOCAL statement_timeout = {int(QUESTION_TIMEOUT_S * 1000)}; SET LOCAL plan_cache_mode = force_custom_plan;"
    " SET LOCAL work_mem = '64MB'"
)
SETS_KEPT = timedelta(days=250)  # longer than any figure that they are about
_MEMBERS = {
    "domain": "s.domain",
    "campaign_id": "s.campaign_id",
    "template_id": "s.template_id",
    "sending_ip": "s.sending_ip",
    "ip_pool": "s.ip_pool",
    "sending_domain": "s.sending_domain",
    "subaccount_id": "s.subaccount_id",
    "provider": "p.provider",
    "region": "p.region",
}
# What filters compare: bare columns, so that an index finds them.
_COMPARED = _MEMBERS | {
    "subaccount_id": "s.subaccount_id::text",
    NEVER: "''::text",
}
_OF_PROVIDERS = frozenset({"provider", "region"})
_SETS = "metric_sets s LEFT JOIN metric_providers p ON p.domain = s.domain"
_DIGITS = [str(number) for number in range(10)]
_TEXT_SUMS = {
    "count_bounce": "sum(t.n1 + t.n2)",
    "count_inband_bounce": "sum(t.n1)",
    "count_outofband_bounce": "sum(t.n2)",
    "count_admin_bounce": "sum(t.n3)",
    "count_rejected": "sum(t.n1)",
    "count_delayed": "sum(t.n1)",
    "count_delayed_first": "sum(t.n2)",
    "count_clicked": "sum(t.n1)",
    "count_raw_clicked": "sum(t.n1)",
}


class Row(dict[str, Any]):
    """One row of an answer: its keys, then sums by column."""


# what the follower does ------------------------------------------------------------------------------------------------


async def seen(connection: db.Executor, message_ids: Sequence[bytes], today: date) -> dict[bytes, int]:
    """Return what the readers of messages did already; they stay locked to the end of the transaction."""
    if not message_ids:
        return {}
    await _sql.meet_messages(connection, message_ids=list(message_ids), day=today)
    return {row["message_id"]: row["bits"] async for row in _sql.lock_seen(connection, message_ids=list(message_ids))}


async def write(connection: db.Executor, tally: Tally, today: date) -> None:
    """Add figures, in the caller's transaction."""
    if not tally.counts:
        return
    sets = list(tally.sets.items())
    await _sql.meet_sets(
        connection,
        month=today.replace(day=1),
        set_ids=[number for number, _ in sets],
        account_ids=[one.account_id for _, one in sets],
        scopes=[int(one.scope) for _, one in sets],
        subaccount_ids=[one.subaccount_id for _, one in sets],
        domains=[one.domain for _, one in sets],
        sending_ips=[one.sending_ip for _, one in sets],
        ip_pools=[one.ip_pool for _, one in sets],
        sending_domains=[one.sending_domain for _, one in sets],
        campaign_ids=[one.campaign_id for _, one in sets],
        template_ids=[one.template_id for _, one in sets],
    )
    counts = tally.counts
    await _sql.count(
        connection,
        account_ids=_array([str(row.account_id) for row in counts]),
        grains=_array([_DIGITS[row.grain] for row in counts]),
        scopes=_array([_DIGITS[row.scope] for row in counts]),
        moments=_array([row.ts.isoformat() for row in counts]),
        set_ids=_array([row.set_id for row in counts]),
        **_columns(counts),
    )
    if tally.texts:
        texts = tally.texts
        await _sql.note_texts(
            connection,
            account_ids=[row.account_id for row in texts],
            scopes=[int(row.scope) for row in texts],
            grains=[int(row.grain) for row in texts],
            kinds=[int(row.kind) for row in texts],
            moments=[row.ts for row in texts],
            set_ids=[row.set_id for row in texts],
            classifications=[row.classification for row in texts],
            texts=[row.text for row in texts],
            n1=[row.n1 for row in texts],
            n2=[row.n2 for row in texts],
            n3=[row.n3 for row in texts],
        )
    if tally.seen:
        await _sql.see(connection, message_ids=list(tally.seen), bits=list(tally.seen.values()))
    if tally.providers:
        await _sql.meet_providers(
            connection,
            domains=list(tally.providers),
            providers=[provider for provider, _ in tally.providers.values()],
            regions=[region for _, region in tally.providers.values()],
        )


async def forget(executor: db.Executor, now: datetime) -> None:
    """Drop what is too old to be asked for."""
    with db.trouble_is_temporary():
        for grain in Grain:
            await _sql.forget_counts(executor, grain=int(grain), scopes=[int(one) for one in Scope], before=now - grain.kept)
            await _sql.forget_texts(executor, grain=int(grain), kinds=[int(one) for one in Kind], before=now - grain.kept)
        await _sql.forget_seen(executor, before=(now - Grain.DAY.kept).date())
        await _sql.forget_sets(executor, before=(now - SETS_KEPT).date())


def _columns(counts: Sequence[CountRow]) -> dict[str, str | None]:
    """Return the counters of rows, each as an array in text; None where no row has it."""
    columns: dict[int, list[str]] = {}
    for at, row in enumerate(counts):
        for place, number in row.numbers.items():
            column = columns.get(place)
            if column is None:
                column = columns[place] = ["NULL"] * len(counts)
            column[at] = str(number)
    return {name: _array(columns[place]) if place in columns else None for place, name in enumerate(COUNTERS)}


def _array(values: Sequence[str]) -> str:
    """Return an array in text: the driver looks at each element twice, which would be most of the time that counting takes.

    values   without anything that would have to be quoted
    """
    return f"{{{','.join(values)}}}"


# questions -------------------------------------------------------------------------------------------------------------


class _Asking:
    """A statement while it is composed: its values by number."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.values: list[Any] = []

    def put(self, value: Any, kind: str) -> str:
        self.values.append(value)
        return f"${len(self.values)}::{kind}"

    def figures(
        self, table: str, columns: Sequence[str], read: Sequence[tuple[Scope, Piece]], *, joined: str = "", more: str = ""
    ) -> str:
        """Return a table's figures of the account in stretches of time.

        Each stretch is a query of its own, so that each is planned for the one partition that it lies in.
        """
        account = self.put(self.question.account_id, "integer")
        return " UNION ALL ".join(
            f"SELECT {', '.join(columns)} FROM {table} t{joined} WHERE t.account_id = {account}"
            f" AND t.scope = {int(scope)} AND t.grain = {int(grain)}"
            f" AND t.ts >= {self.put(since, 'timestamptz')} AND t.ts < {self.put(until, 'timestamptz')}{more}"
            for scope, (grain, since, until) in read
        )

    def sets(self, scopes: Collection[Scope], members: Sequence[str], known: Sequence[str]) -> str:
        """Return the sets that the question is about, as `s`, with the members that its rows are told apart by.

        known   members that must not be ''
        """
        conditions = [
            f"s.account_id = {self.put(self.question.account_id, 'integer')}",
            f"s.scope IN ({', '.join(str(int(scope)) for scope in sorted(scopes))})",
            *(self.grouping(grouping) for grouping in self.question.groupings),
            *(f"{_MEMBERS[member]} <> ''" for member in known if member != "subaccount_id"),
        ]
        if self.question.subaccount_id is not None:
            conditions.append(f"s.subaccount_id = {self.put(self.question.subaccount_id, 'integer')}")
        shown = "".join(f", {_MEMBERS[member]} AS {member}" for member in members)
        return f"WITH s AS MATERIALIZED (SELECT s.set_id{shown} FROM {_SETS} WHERE {' AND '.join(conditions)}) "

    def grouping(self, grouping: Grouping) -> str:
        word = " OR " if grouping.any_of else " AND "
        return f"({word.join(self.filter(one) for one in grouping.filters)})"

    def filter(self, one: Filter) -> str:
        member = _COMPARED[one.member]
        if one.member in _OF_PROVIDERS and not (one.comparator in ("eq", "like") and all(one.values)):
            member = f"coalesce({member}, '')"  # where the provider is not known; elsewhere a bare column spares such rows
        if one.comparator in ("eq", "notEq"):
            found = f"{member} = ANY({self.put(list(one.values), 'text[]')})"
        else:
            found = f"{member} ILIKE ANY({self.put([f'%{_escaped(value)}%' for value in one.values], 'text[]')})"
        return found if one.comparator in ("eq", "like") else f"NOT {found}"


async def totals(
    pool: db.Pool,
    question: Question,
    members: Sequence[str] = (),
    *,
    columns: Sequence[str] = (),
    known_provider: bool = False,
) -> list[Row]:
    """Return the sums of what the question's metrics are made of: one row for each value of the members.

    members         of a set, or provider or region; rows in which one of them is not known are left out
    columns         to be summed up instead of those of the metrics
    known_provider  only domains whose mailbox provider is known
    """
    columns = columns or columns_of(question.metrics)
    asking = _Asking(question)
    needed = (*members, *(("provider",) if known_provider else ()))
    by = columns_of((question.order_by,)) if question.order_by else ()  # it need not be among what is shown
    source = _source(asking, tuple(dict.fromkeys((*columns, *by))), members, known=needed)
    sums = ", ".join(f"coalesce(sum(c.{column}), 0)::bigint AS {column}" for column in columns)
    if not members:
        return await _rows(pool, f"SELECT {sums} FROM {source}", asking.values)
    keys = ", ".join(f"c.{member}" for member in members)
    text = (
        f"SELECT {keys}, {sums} FROM {source} GROUP BY {keys}"
        f" ORDER BY {_sum_of(question.order_by or question.metrics[0])} DESC, {keys}"
        f" LIMIT {asking.put(question.limit, 'integer')}"
    )
    return await _rows(pool, text, asking.values)


async def series(pool: db.Pool, question: Question, starts: Sequence[datetime]) -> dict[int, Row]:
    """Return sums by the place of their bucket; a bucket in which nothing happened is absent.

    starts   of all buckets, in order
    """
    asking = _Asking(question)
    columns = columns_of(question.metrics)
    source = _source(asking, ("ts", *columns), in_one_grain=True)
    sums = ", ".join(f"coalesce(sum(c.{column}), 0)::bigint AS {column}" for column in columns)
    place = f"width_bucket(c.ts, {asking.put(list(starts), 'timestamptz[]')}) - 1"
    rows = await _rows(pool, f"SELECT {place} AS place, {sums} FROM {source} GROUP BY 1", asking.values)
    return {row["place"]: row for row in rows}


async def texts(
    pool: db.Pool, question: Question, kind: Kind, *, window: Window, by_text: bool = True, by_domain: bool = False
) -> list[Row]:
    """Return what was said, how often: rows with classification, text, domain as far as they are told apart.

    window   by quarters of an hour or days: texts are not kept by the minute
    """
    asking = _Asking(question)
    keys = ["classification", *(["text"] if by_text else []), *(["domain"] if by_domain else [])]
    members = ("domain",) if by_domain else ()
    families = families_of(question, members, SAID_BY)
    read = [(families[piece[0]], piece) for piece in pieces(window, families)]
    sets = asking.sets({scope for scope, _ in read}, members, ())
    said = asking.figures(
        "metric_texts", (*keys, "n1", "n2", "n3"), read, joined=" JOIN s USING (set_id)", more=f" AND t.kind = {int(kind)}"
    )
    sums = ", ".join(f"{_TEXT_SUMS[exact(name)]}::bigint AS {name}" for name in question.metrics)
    text = (
        f"{sets}SELECT {', '.join(keys)}, {sums} FROM ({said}) t GROUP BY {', '.join(keys)}"
        f" HAVING {' + '.join(_TEXT_SUMS[exact(name)] for name in question.metrics)} > 0"
        f" ORDER BY {_TEXT_SUMS[exact(question.order_by or question.metrics[0])]} DESC, {', '.join(keys)}"
        f" LIMIT {asking.put(question.limit, 'integer')}"
    )
    return await _rows(pool, text, asking.values)


async def names(pool: db.Pool, question: Question, member: str, match: str) -> list[str]:
    """Return the values that a member had in the window, in order. match: a part of it, '' for all."""
    asking = _Asking(question)
    source = _source(asking, (), (member,), known=(member,))
    like = f" WHERE c.{member} ILIKE {asking.put(f'%{_escaped(match)}%', 'text')}" if match else ""
    text = f"SELECT DISTINCT c.{member} AS name FROM {source}{like} ORDER BY 1 LIMIT {asking.put(question.limit, 'integer')}"
    return [row["name"] for row in await _rows(pool, text, asking.values)]


async def by_account_and_provider(pool: db.Pool, *, since: datetime, until: datetime) -> list[Row]:
    """Return sums of whole days, [since, until), with account_id and provider, of every account: for staff alone.

    raises   TooSlow, StoreUnavailable
    """
    with db.trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction(readonly=True):
            await connection.execute(f"SET LOCAL statement_timeout = {int(QUESTION_TIMEOUT_S * 1000)}")
            try:
                rows = _sql.provider_totals(
                    connection, grain=int(Grain.DAY), scope=int(Scope.DOMAIN_ONLY), since=since, until=until
                )
                return [Row(one) async for one in rows]
            except db.TookTooLong as trouble:
                raise TooSlow(f"the answer took longer than {QUESTION_TIMEOUT_S:.0f} seconds") from trouble


def _source(
    asking: _Asking,
    columns: Sequence[str],
    members: Sequence[str] = (),
    *,
    known: Sequence[str] = (),
    in_one_grain: bool = False,
) -> str:
    """Return where a question's counts come from, as `c`: columns, and the members of their sets.

    known          members that must not be ''
    in_one_grain   as the buckets of a series are
    """
    question, window = asking.question, asking.question.window
    families = families_of(question, known, COUNTED_BY)
    pieces_ = [(window.grain, window.since, window.until)] if in_one_grain else pieces(window, families)
    read = [(families[piece[0]], piece) for piece in pieces_]
    if not known and not question.groupings and question.subaccount_id is None:
        return f"({asking.figures('metric_counts', columns, read)}) c"
    sets = asking.sets({scope for scope, _ in read}, members, known)
    return f"({sets}{asking.figures('metric_counts', (*members, *columns), read, joined=' JOIN s USING (set_id)')}) c"


def _sum_of(metric: str) -> str:
    plus, minus = parts_of(metric)
    return " ".join(
        (" + ".join(f"coalesce(sum(c.{one}), 0)" for one in plus) or "sum(0)", *(f"- coalesce(sum(c.{one}), 0)" for one in minus))
    )


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


async def _rows(pool: db.Pool, text: str, values: Sequence[Any]) -> list[Row]:
    """Return the rows of a question.

    raises   TooSlow, StoreUnavailable
    """
    with db.trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction(readonly=True):
            await connection.execute(_AS_ASKED)
            try:
                found = await connection.fetch(text, *values)
            except db.TookTooLong as trouble:
                raise TooSlow(f"the answer took longer than {QUESTION_TIMEOUT_S:.0f} seconds") from trouble
    return [Row(one) for one in found]
