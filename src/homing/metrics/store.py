"""Figures in PostgreSQL: added by the follower, summed up for questions.

Questions are composed here, because they name what they filter by and sort by; every value is a parameter, and every name
comes from a closed list.
"""
# ruff: noqa: S608

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from homing.events.store import TooSlow
from homing.ground import db
from homing.metrics.rules.asked import NEVER, Filter, Grouping, Question, scope_of
from homing.metrics.rules.names import columns_of, exact, parts_of
from homing.metrics.rules.windows import Window, pieces
from homing.metrics.types import COUNTERS, Grain, Kind, Scope, Tally

_sql = db.queries("homing.metrics")

Piece = tuple[Grain, datetime, datetime]  # grain, since, until
QUESTION_TIMEOUT_S = 10.0
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
_SETS = "metric_sets s LEFT JOIN metric_providers p ON p.domain = s.domain"
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
        account_ids=[row.account_id for row in counts],
        grains=[int(row.grain) for row in counts],
        scopes=[int(row.scope) for row in counts],
        moments=[row.ts for row in counts],
        set_ids=[row.set_id for row in counts],
        **{name: [row.numbers.get(place) for row in counts] for place, name in enumerate(COUNTERS)},
    )
    if tally.texts:
        texts = tally.texts
        await _sql.note_texts(
            connection,
            account_ids=[row.account_id for row in texts],
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


# questions -------------------------------------------------------------------------------------------------------------


class _Asking:
    """A statement while it is composed: its values by number."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def put(self, value: Any, kind: str) -> str:
        self.values.append(value)
        return f"${len(self.values)}::{kind}"

    def place(self, question: Question, table: str, read: Sequence[Piece]) -> str:
        """Return the condition that leaves the figures of the account in stretches of time."""
        stretches = " OR ".join(
            f"{table}.grain = {self.put(int(grain), 'smallint')}"
            f" AND {table}.ts >= {self.put(since, 'timestamptz')} AND {table}.ts < {self.put(until, 'timestamptz')}"
            for grain, since, until in read
        )
        return f"{table}.account_id = {self.put(question.account_id, 'integer')} AND ({stretches})"

    def sets(self, question: Question, scope: Scope, members: Sequence[str] = (), *, known: Sequence[str] = ()) -> str:
        """Return the sets that a question is about, with the members that its rows are told apart by.

        known   members that must not be ''
        """
        conditions = [
            f"s.account_id = {self.put(question.account_id, 'integer')}",
            f"s.scope = {self.put(int(scope), 'smallint')}",
            *(self.grouping(grouping) for grouping in question.groupings),
            *(f"{_MEMBERS[member]} <> ''" for member in known if member != "subaccount_id"),
        ]
        if question.subaccount_id is not None:
            conditions.append(f"s.subaccount_id = {self.put(question.subaccount_id, 'integer')}")
        shown = "".join(f", {_MEMBERS[member]} AS {member}" for member in members)
        return f"(SELECT s.set_id{shown} FROM {_SETS} WHERE {' AND '.join(conditions)}) s"

    def grouping(self, grouping: Grouping) -> str:
        word = " OR " if grouping.any_of else " AND "
        return f"({word.join(self.filter(one) for one in grouping.filters)})"

    def filter(self, one: Filter) -> str:
        member = "''" if one.member == NEVER else f"coalesce({_MEMBERS[one.member]}::text, '')"
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
    asking = _Asking()
    needed = (*members, *(("provider",) if known_provider else ()))
    scope = scope_of(question, needed)
    source = _counts(asking, question, scope, pieces(question.window), members, known=needed)
    sums = ", ".join(f"coalesce(sum(c.{column}), 0)::bigint AS {column}" for column in columns)
    if not members:
        return await _rows(pool, f"SELECT {sums} FROM {source}", asking.values)
    keys = ", ".join(f"s.{member}" for member in members)
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
    asking = _Asking()
    asked = question.window
    source = _counts(asking, question, scope_of(question, ()), [(asked.grain, asked.since, asked.until)])
    sums = ", ".join(f"coalesce(sum(c.{column}), 0)::bigint AS {column}" for column in columns_of(question.metrics))
    place = f"width_bucket(c.ts, {asking.put(list(starts), 'timestamptz[]')}) - 1"
    rows = await _rows(pool, f"SELECT {place} AS place, {sums} FROM {source} GROUP BY 1", asking.values)
    return {row["place"]: row for row in rows}


async def texts(
    pool: db.Pool, question: Question, kind: Kind, *, window: Window, by_text: bool = True, by_domain: bool = False
) -> list[Row]:
    """Return what was said, how often: rows with classification, text, domain as far as they are told apart.

    window   by quarters of an hour or days: texts are not kept by the minute
    """
    asking = _Asking()
    keys = {"classification": "t.classification"}
    if by_text:
        keys["text"] = "t.text"
    if by_domain:
        keys["domain"] = "s.domain"
    source = f"metric_texts t JOIN {asking.sets(question, Scope.WHOLE, ('domain',) if by_domain else ())} USING (set_id)"
    where = asking.place(question, "t", [(window.grain, window.since, window.until)])
    where += f" AND t.kind = {asking.put(int(kind), 'smallint')}"
    sums = ", ".join(f"{_TEXT_SUMS[exact(name)]}::bigint AS {name}" for name in question.metrics)
    text = (
        f"SELECT {', '.join(f'{column} AS {name}' for name, column in keys.items())}, {sums}"
        f" FROM {source} WHERE {where}"
        f" GROUP BY {', '.join(keys.values())}"
        f" HAVING {' + '.join(_TEXT_SUMS[exact(name)] for name in question.metrics)} > 0"
        f" ORDER BY {_TEXT_SUMS[exact(question.order_by or question.metrics[0])]} DESC, {', '.join(keys.values())}"
        f" LIMIT {asking.put(question.limit, 'integer')}"
    )
    return await _rows(pool, text, asking.values)


async def names(pool: db.Pool, question: Question, member: str, match: str) -> list[str]:
    """Return the values that a member had in the window, in order. match: a part of it, '' for all."""
    asking = _Asking()
    scope = scope_of(question, (member,))
    source = _counts(asking, question, scope, pieces(question.window), (member,), known=(member,))
    like = f" WHERE s.{member} ILIKE {asking.put(f'%{_escaped(match)}%', 'text')}" if match else ""
    text = f"SELECT DISTINCT s.{member} AS name FROM {source}{like} ORDER BY 1 LIMIT {asking.put(question.limit, 'integer')}"
    return [row["name"] for row in await _rows(pool, text, asking.values)]


def _counts(
    asking: _Asking,
    question: Question,
    scope: Scope,
    read: Sequence[Piece],
    members: Sequence[str] = (),
    *,
    known: Sequence[str] = (),
) -> str:
    """Return where a question's counts come from, as `c`; joined with its sets, as `s`, where it is not about all of them."""
    where = f"{asking.place(question, 'c', read)} AND c.scope = {asking.put(int(scope), 'smallint')}"
    counts = f"(SELECT * FROM metric_counts c WHERE {where}) c"
    if not members and not question.groupings and question.subaccount_id is None:
        return counts
    return f"{counts} JOIN {asking.sets(question, scope, members, known=known)} USING (set_id)"


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
            await connection.execute(f"SET LOCAL statement_timeout = {int(QUESTION_TIMEOUT_S * 1000)}")
            await connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")
            try:
                found = await connection.fetch(text, *values)
            except db.TookTooLong as trouble:
                raise TooSlow(f"the answer took longer than {QUESTION_TIMEOUT_S:.0f} seconds") from trouble
    return [Row(one) for one in found]
