"""What a month's statement says of promises, against the stores that it says it of."""

import csv
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from homing.accounts import store as accounts
from homing.accounts.types import Account
from homing.availability.pages import SECTIONS, csv_of, html_of
from homing.availability.statement import lines, statement
from homing.availability.types import Month
from homing.contracts import store as contracts
from homing.contracts.kept import Kept, Programme
from homing.contracts.types import Role
from homing.evidence import store as evidence
from homing.ground import db
from homing.ground.secrets import MasterKey
from homing.hours.types import ServiceZone
from homing.support.cases.desk import contact_actor
from homing.support.cases.types import Severity
from homing.support.clocks import store as clocks
from homing.support.line import store as line
from homing.support.line.rules.callback import attainment
from homing.support.report.month import kept
from homing.support.tam import store as programme
from homing.support.tam.rules.fold import fold
from homing.support.tam.types import Purpose, RecordKind, State
from tests.kit.cases import Bench, bench
from tests.kit.hours import at
from tests.kit.ledger import FAIL, Ledger
from tests.kit.tam import in_state

MAY, JUNE = at("2026-05-01T00:00Z"), at("2026-06-01T00:00Z")


async def called(pool: db.Pool, account_id: int, number: int, *, outcome: str | None, entitlement: str = "yes", **more) -> None:
    """Let the line have taken a call in, on the day of May that is its number."""
    ring = MAY + timedelta(days=number)
    intake = await pool.fetchval(
        "INSERT INTO line_calls (carrier, call_id, source, reference, first_ring_at, taken_at, state, account_id, entitlement, "
        "decide_by) VALUES ('tel', $1, 'call', $2, $3, $3, '{}', $4, $5, $3) RETURNING intake_id",
        str(number), f"S1-{number}", ring, account_id, entitlement,
    )  # fmt: skip
    placed = None if outcome != "met" else ring + timedelta(minutes=9)
    await pool.execute(
        "INSERT INTO line_obligations (intake_id, due_at, outcome, outcome_at, returned_at, connected_at, voids, voided_at) "
        "VALUES ($1, $2, $3, $4, $5, $5, $6, $7)",
        intake, ring + timedelta(minutes=15), outcome, None if outcome is None else ring, placed,
        '[{}, {}]' if more.get("void") else "[]", ring if more.get("void") else None,
    )  # fmt: skip


async def lived(pool: db.Pool) -> Bench:
    """Return an account with a month behind it: three cases, six calls, a TAM who was away, and a new Order Form."""
    town = await bench(pool, "2026-05-04T09:00Z")
    first = await town.open()
    await town.desk.own(first.number, town.ann.person_id, town.ann)
    town.clock.forward(hours=2)
    await town.answer(first.number)
    second = await town.open("And this is slow too.")
    town.clock.forward(days=3)  # nobody takes it: OWN and FIRST_RESPONSE are missed
    await town.desk.own(second.number, town.ann.person_id, town.ann)
    await town.answer(second.number)
    await town.open("Everything is down.", severity=Severity.CRITICAL)
    bo = await town.staff("bo", Role.TAM)
    await contracts.add_cover(
        pool, town.tam.person_id, bo.person_id, begins_at=at("2026-05-11T00:00Z"), ends_at=at("2026-05-15T00:00Z"),
        reason="leave", actor="operator",
    )  # fmt: skip
    await town.order_form(zone=ServiceZone.PT, begins=at("2026-05-20T00:00Z"))
    for number, (outcome, entitlement, void) in enumerate(
        (("met", "yes", False), ("missed", "yes", False), (None, "yes", False), ("met", "no", False), ("met", "unknown", False),
         ("missed", "yes", True))
    ):  # fmt: skip
        await called(pool, town.account_id, number, outcome=outcome, entitlement=entitlement, void=void)
    await called(pool, town.account_id, 40, outcome="missed")  # in June
    return town


async def account_of(town: Bench) -> Account:
    found = await accounts.account_by_id(town.pool, town.account_id)
    assert found is not None
    return found


async def test_every_figure_is_what_the_stores_say(pool: db.Pool):
    town = await lived(pool)
    found = await kept(pool, town.account_id, MAY, JUNE)

    counted = attainment(await line.counted(pool, since=MAY, until=JUNE, account_id=town.account_id))
    calls = found.call_backs
    assert (calls.met, calls.missed, calls.not_entitled, calls.undecided, calls.void) == (
        counted.met, counted.missed, counted.not_entitled, counted.undecided, counted.void,
    )  # fmt: skip
    assert (calls.count, calls.owed, calls.connected) == (6, 1, 1)
    assert [one.reference for one in calls.calls] == [f"S1-{n}" for n in range(6)]

    rows = await pool.fetch(
        "SELECT kind, nature, count(*) AS n, count(*) FILTER (WHERE outcome = 'met') AS met, "
        "count(*) FILTER (WHERE outcome = 'missed') AS missed, count(*) FILTER (WHERE outcome IS NULL) AS running "
        "FROM clocks WHERE account_id = $1 AND nature IN ('contractual', 'objective', 'provisional') AND kind <> 'CALLBACK' "
        "GROUP BY 1, 2",
        town.account_id,
    )
    assert {(one.kind, one.nature, one.started, one.met, one.missed, one.running) for one in found.promises} == {
        tuple(row) for row in rows
    }
    missed = [one for one in found.misses if one.kind == "FIRST_RESPONSE"]
    assert [(one.nature, one.subject.split()[0]) for one in missed] == [("objective", "case")]
    assert len(found.misses) == sum(one.missed for one in found.promises)

    assert (found.cases.opened, found.cases.critical, found.cases.agreed, found.cases.unconfirmed) == (3, 1, 0, 0)
    (tam,) = found.tams
    assert (tam.name, [(one.name, one.reason) for one in tam.covers], found.without_tam_s) == ("Tam", [("Bo", "leave")], 0)
    assert [(one.calendar, one.since, one.until) for one in found.calendars] == [
        ("UK/GB-EAW", MAY, at("2026-05-20T00:00Z")), ("PT/US-FRB", at("2026-05-20T00:00Z"), JUNE),
    ]  # fmt: skip
    assert [one.name for one in found.calendars[1].holidays] == ["Memorial Day"]


async def test_a_tam_who_left_leaves_a_gap_that_is_counted(pool: db.Pool):
    town = await bench(pool, "2026-05-04T09:00Z")
    await pool.execute("UPDATE staff SET left_at = $2 WHERE person_id = $1", town.tam.person_id, at("2026-05-22T00:00Z"))
    found = await kept(pool, town.account_id, MAY, JUNE)
    assert ([one.ends_at for one in found.tams], found.without_tam_s) == ([at("2026-05-22T00:00Z")], 10 * 86_400)


LIVES = (
    (RecordKind.ONBOARDING, State.DRAFT), (RecordKind.ONBOARDING, State.AGREED), (RecordKind.ONBOARDING, State.COMPLETED),
    (RecordKind.MIGRATION, State.HELD), (RecordKind.MIGRATION, State.ABORTED), (RecordKind.REVIEW, State.SCHEDULED),
    (RecordKind.REVIEW, State.DONE), (RecordKind.RECOMMENDATION, State.ISSUED), (RecordKind.RECOMMENDATION, State.FOLLOWED),
    (RecordKind.RECOMMENDATION, State.DECLINED), (RecordKind.RECOMMENDATION, State.SUPERSEDED),
    (RecordKind.EDUCATION, State.PREPARED), (RecordKind.EDUCATION, State.DELIVERED), (RecordKind.EDUCATION, State.ACKNOWLEDGED),
)  # fmt: skip


async def worked(pool: db.Pool, account_id: int) -> None:
    """Let an account have records of every kind in May, and two notes about trends, one of which has reached it."""
    async with pool.acquire() as connection:
        for kind, state in LIVES:
            life = in_state(kind, state)
            if state is State.ACKNOWLEDGED:
                life.sent(Purpose.EDUCATION)  # it was given by hand before: it is delivered once
            number = await programme.new_number(connection)
            events = [msgspec.structs.replace(one, record_id=number) for one in life.events]
            await programme.put(connection, fold(events, account_id=account_id))
            await programme.append(connection, events)
        for sent in (MAY, None):
            note = await connection.fetchval(
                "INSERT INTO trend_notes (title, body, made_at, made_by) VALUES ('t', 'b', $1, 'x') RETURNING note_id", MAY
            )
            await connection.execute("INSERT INTO trend_note_accounts VALUES ($1, $2, '{}', $3, $4)", note, account_id, MAY, sent)


async def test_the_programme_of_a_month_is_what_its_records_say(pool: db.Pool):
    town = await bench(pool, "2026-05-04T09:00Z")
    await worked(pool, town.account_id)
    promised = await kept(pool, town.account_id, MAY, JUNE)
    assert promised.programme == Programme(
        plans_agreed=3, plans_completed=1, plans_aborted=1, reviews_held=1, recommendations_issued=4, recommendations_followed=1,
        recommendations_declined=1, recommendations_superseded=1, education_delivered=2, education_acknowledged=1, trend_notes=1,
    )  # fmt: skip
    records = await programme.records(pool, await programme.find(pool, account_ids=[town.account_id]))
    assert promised.programme.plans_agreed == sum(one.in_force is not None for one in records)
    assert promised.programme.reviews_held == sum(one.held_at is not None for one in records)
    assert promised.programme.education_delivered == sum(one.delivered_how != "" for one in records)
    assert (await kept(pool, town.account_id, JUNE, JUNE + timedelta(days=30))).programme == Programme()

    await pool.execute("UPDATE accounts SET created_at = '2026-01-01T00:00:00Z'")
    async with pool.acquire() as connection:
        await evidence.meet_node(connection, "a", since=datetime(2026, 5, 1, tzinfo=UTC), folded_until=None)
    made = await statement(
        pool, await account_of(town), Month(2026, 5), master_key=MasterKey(b"k" * 32), now=at("2026-06-20T12:00Z"), kept=promised
    )  # fmt: skip
    names, figures = csv.reader(io.StringIO(csv_of(made, "programme")))
    assert dict(zip(names, map(int, figures), strict=True)) == msgspec.structs.asdict(promised.programme)
    assert '<tr><th>Recommendations issued</th><td class="n">4</td></tr>' in html_of(made)
    assert b'"recommendations_issued":4' in msgspec.json.encode(made)


async def test_another_account_has_nothing_of_it(pool: db.Pool):
    await lived(pool)
    other = await accounts.get_or_create_account(pool, "other")
    empty = await kept(pool, other.account_id, MAY, JUNE)
    assert empty == Kept(without_tam_s=31 * 86_400, without_tam_now_s=31 * 86_400)


async def test_the_statement_holds_it_in_every_form_and_takes_its_target_from_the_order_form(pool: db.Pool):
    town = await lived(pool)
    await pool.execute("UPDATE accounts SET created_at = '2026-01-01T00:00:00Z'")
    await pool.execute("UPDATE order_forms SET target_uptime = 99.95, plan = '<b>Plan</b>'")
    async with pool.acquire() as connection:
        await evidence.meet_node(connection, "a", since=datetime(2026, 5, 1, tzinfo=UTC), folded_until=None)
    promised = await kept(pool, town.account_id, MAY, JUNE)
    now = at("2026-05-20T12:00Z")
    made = await statement(
        pool, await account_of(town), Month(2026, 5), master_key=MasterKey(b"k" * 32), now=now, kept=promised
    )  # fmt: skip
    assert (made.version, made.kept, made.uptime.target) == (3, promised, "99.95")
    assert made.seconds.budget == 31 * 86_400 * 5 // 10_000
    (listed,) = await lines(pool, Month(2026, 5), now=now)
    assert listed.verdict is made.verdict

    page = html_of(made)
    for text in ("S1-0", "first response", "our own objective, not contractual", "UK/GB-EAW", "Memorial Day", "leave"):
        assert text in page
    assert "<b>Plan" not in page
    tables = {name: list(csv.reader(io.StringIO(csv_of(made, name)))) for name in SECTIONS}
    assert all(tables.values())
    assert len(tables["call_backs"]) == 1 + promised.call_backs.count
    assert len(tables["misses"]) == 1 + len(promised.misses)
    assert tables["calendars"][1][0] == "email"
    started = await clocks.of_account(pool, town.account_id, MAY, JUNE)
    told = [one for one in started if one.reading.nature.value in ("contractual", "objective", "provisional")]
    column = tables["promises"][0].index("started")
    assert sum(int(row[column]) for row in tables["promises"][1:]) == len([one for one in told if one.reading.kind != "CALLBACK"])


async def test_an_episode_names_the_critical_case_that_was_opened_about_it(pool: db.Pool, tmp_path: Path):
    town = await lived(pool)
    await pool.execute("UPDATE accounts SET created_at = '2026-01-01T00:00:00Z'")
    (case,) = await pool.fetch("SELECT case_id, opened_at FROM cases WHERE severity = 'critical'")
    ledger = Ledger(pool, tmp_path, case["opened_at"])
    opened = int(case["opened_at"].timestamp())
    for second in (opened - 90_000, opened - 600):
        ledger.node().note(second, town.account_id, FAIL)
        ledger.node().watch(second, second + 2)
    await ledger.go(case["opened_at"] + timedelta(minutes=5))
    promised = await kept(pool, town.account_id, MAY, JUNE)
    made = await statement(
        pool, await account_of(town), Month(2026, 5), master_key=MasterKey(b"k" * 32), now=ledger.now, kept=promised
    )  # fmt: skip
    assert [one.cases for one in made.episodes] == [[], [case["case_id"]]]
    assert f"<td>{case['case_id']}</td>" in html_of(made)


async def test_a_miss_across_the_months_end_is_in_the_month_in_which_it_was_due(pool: db.Pool):
    town = await bench(pool, "2026-05-29T14:00Z")  # a Friday
    case = await town.open()
    town.clock.forward(days=5)
    await town.desk.own(case.case_id, town.ann.person_id, town.ann)
    await town.answer(case.case_id)
    july = at("2026-07-01T00:00Z")
    may, june = await kept(pool, town.account_id, MAY, JUNE), await kept(pool, town.account_id, JUNE, july)
    (first,) = [one for one in may.promises if one.kind == "FIRST_RESPONSE"]
    (then,) = [one for one in june.promises if one.kind == "FIRST_RESPONSE"]
    assert (first.started, first.missed, first.running) == (1, 0, 1)
    assert (then.started, then.carried, then.missed, then.running) == (0, 1, 1, 0)
    assert "FIRST_RESPONSE" not in {one.kind for one in may.misses}
    assert [(one.kind, one.due_at) for one in june.misses if one.kind == "FIRST_RESPONSE"] == [
        ("FIRST_RESPONSE", at("2026-06-01T10:00Z"))
    ]


async def test_a_case_that_was_stepped_down_was_critical_all_the_same(pool: db.Pool):
    town = await bench(pool, "2026-05-04T09:00Z")
    case = await town.open()
    number, kim = case.case_id, contact_actor(town.kim)
    since = town.clock.now() + timedelta(hours=1)
    for hours in (1, 1):
        town.clock.forward(hours=hours)
        await town.course.escalate(number, kim, reason="Down.")
        town.clock.forward(hours=1)
        await town.course.step_down(number, kim, text="Up again.")
        version = (await town.case(number)).downgrades
        await town.course.accept_step_down(number, town.ann, version=version)
    found = (await kept(pool, town.account_id, MAY, JUNE)).critical
    assert [(one.case, one.opened_at - since, one.ended_at - one.opened_at) for one in found if one.ended_at] == [
        (number, timedelta(), timedelta(hours=1)),
        (number, timedelta(hours=2), timedelta(hours=1)),
    ]
    assert (await kept(pool, town.account_id, JUNE, at("2026-07-01T00:00Z"))).critical == []


async def test_what_somebody_typed_is_no_formula_in_a_spreadsheet(pool: db.Pool):
    town = await lived(pool)
    await pool.execute("UPDATE staff SET name = '=1+1' WHERE person_id = $1", town.tam.person_id)
    promised = await kept(pool, town.account_id, MAY, JUNE)
    async with pool.acquire() as connection:
        await evidence.meet_node(connection, "a", since=datetime(2026, 5, 1, tzinfo=UTC), folded_until=None)
    made = await statement(
        pool, await account_of(town), Month(2026, 5), master_key=MasterKey(b"k" * 32), now=at("2026-05-20T12:00Z"), kept=promised
    )  # fmt: skip
    assert "'=1+1" in csv_of(made, "tams")
