"""Days are sealed, chained and signed; what comes later amends them; customers can verify it without us."""

import json
import subprocess
import sys
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from homing.accounts import store as accounts
from homing.accounts.types import Account
from homing.availability import decisions, export, store, witnesses
from homing.availability.pages import html_of
from homing.availability.rules import leaf, merkle, outside
from homing.availability.rules.exclusions import NotPossible
from homing.availability.rules.outside import FIRST, Saw
from homing.availability.rules.share import Outcome
from homing.availability.seal import pseudonym, sources_sum
from homing.availability.statement import Nothing, lines, statement
from homing.availability.types import Doors, ExclusionKind, Finding, Month, Rule
from homing.contracts import store as contracts
from homing.contracts.types import Objectives, OrderForm
from homing.evidence import store as evidence
from homing.evidence.rules.seconds import span
from homing.evidence.types import Door
from homing.ground import db
from homing.ground.errors import Misuse
from homing.ground.secrets import MasterKey
from homing.hours.types import HolidaySet, ServiceZone
from tests.kit.ledger import FAIL, MASTER_KEY, OK, Ledger, at, unix
from tests.kit.people import staff

DAY = date(2026, 3, 10)
START = unix("2026-03-10")
SCRIPT = Path(__file__).parents[2] / "docs" / "verify_day.py"


@pytest.fixture
async def acme(pool: db.Pool) -> Account:
    made = await accounts.get_or_create_account(pool, "acme")
    await pool.execute("UPDATE accounts SET created_at = '2026-01-01T00:00:00Z'")
    found = await accounts.account_by_id(pool, made.account_id)
    assert found is not None
    return found


@pytest.fixture
async def ledger(pool: db.Pool, tmp_path: Path, acme: Account) -> Ledger:
    """A machine that watched all of the tenth of March; acme failed in ten seconds and was served in one of them."""
    made = Ledger(pool, tmp_path, at("2026-03-10 12:00:00"))
    for second in range(10):
        made.node().note(START + 100 + second, acme.account_id, FAIL)
    made.node().note(START + 105, acme.account_id, OK)
    await made.watch_days(DAY, 1)
    await made.go(made.now)
    return made


async def last(pool: db.Pool, account: int, day: date = DAY) -> tuple[leaf.Leaf, "leaf.Seen"]:
    return leaf.read((await store.last_leaves(pool, day, [account]))[account].entry)


# sealing ------------------------------------------------------------------------------------------------------------------


async def test_a_day_is_sealed_an_hour_after_its_end(pool: db.Pool, ledger: Ledger, acme: Account):
    assert await ledger.seal(hours_later=0.9) == []
    await ledger.go(at("2026-03-11 01:00:01"))
    assert await ledger.sealer.run_once() == [DAY]
    assert await ledger.sealer.run_once() == []
    found, seen = await last(pool, acme.account_id)
    assert seen.attempted.api == span(100, 110)
    assert seen.answered.api == 1 << 105
    assert seen.unknown == Doors()
    assert (found.account, found.nodes, found.classifier) == (pseudonym(MASTER_KEY, acme.account_id), ["a"], 1)
    assert found.sources == sources_sum(await evidence.files_of_day(pool, DAY)).hex()


async def test_every_account_has_a_leaf_and_the_attempts_of_nobody_one(pool: db.Pool, ledger: Ledger, acme: Account):
    other = await accounts.get_or_create_account(pool, "other")
    later = await accounts.get_or_create_account(pool, "later")
    await pool.execute("UPDATE accounts SET created_at = '2026-03-10T22:00:00Z' WHERE name = 'other'")
    await pool.execute("UPDATE accounts SET created_at = '2026-03-11T00:00:01Z' WHERE name = 'later'")
    ledger.node().note(START + 7, None, FAIL)
    await ledger.seal()
    assert set(await store.last_leaves(pool, DAY, [0, acme.account_id, other.account_id, later.account_id])) == {
        0, acme.account_id, other.account_id,
    }  # fmt: skip
    assert (await last(pool, 0))[1].attempted.api == 1 << 7
    root = await store.last_root(pool)
    assert root is not None
    assert root.leaves == 3


async def test_days_are_chained_and_all_of_it_can_be_computed_anew(pool: db.Pool, ledger: Ledger):
    await ledger.seal()
    await ledger.watch_days(DAY + timedelta(days=1), 2)
    await ledger.go(at("2026-03-12 12:00:00"))
    await ledger.seal()
    roots = await store.roots(pool, DAY, DAY + timedelta(days=5))
    assert [root.day for root in roots] == [DAY + timedelta(days=n) for n in range(3)]
    assert roots[0].previous == merkle.GENESIS
    assert [root.previous for root in roots[1:]] == [root.link for root in roots[:-1]]
    assert await export.audit(pool, DAY, DAY + timedelta(days=5)) == (3, [])


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE ledger_leaves SET entry = replace(convert_from(entry, 'UTF8'), '\"day\"', '\"dey\"')::bytea WHERE account_id > 0",
        "UPDATE ledger_leaves SET unavailable = '' WHERE account_id > 0",
        "UPDATE ledger_leaves SET leaf_hash = sha256('x') WHERE account_id > 0",
        "DELETE FROM ledger_leaves WHERE account_id > 0",
        "UPDATE ledger_roots SET root = sha256('x')",
        "UPDATE ledger_roots SET signature = sha256('x')",
        "UPDATE ledger_roots SET previous = sha256('x') WHERE day = '2026-03-11'",
    ],
)
async def test_our_own_audit_finds_what_was_changed(pool: db.Pool, ledger: Ledger, change: str):
    await ledger.seal()
    await ledger.watch_days(DAY + timedelta(days=1), 1)
    await ledger.go(at("2026-03-11 12:00:00"))
    await ledger.seal()
    await pool.execute(change)
    try:
        _, flaws = await export.audit(pool, DAY, DAY + timedelta(days=5))
    except ValueError:
        return
    assert flaws


async def test_with_another_master_key_nothing_is_signed(pool: db.Pool, ledger: Ledger):
    await ledger.seal()
    await ledger.watch_days(DAY + timedelta(days=1), 1)
    ledger.sealer._key = MasterKey(b"x" * 32)
    await ledger.go(at("2026-03-11 12:00:00"))
    with pytest.raises(Misuse):
        await ledger.seal()
    assert [root.day for root in await store.roots(pool, DAY, DAY + timedelta(days=5))] == [DAY]


async def test_a_node_that_has_not_told_everything_is_waited_for_and_then_unknown(pool: db.Pool, ledger: Ledger, acme: Account):
    other = ledger.node("b")
    other.watch(START, START + 50_000)
    other.note(START + 60_000, acme.account_id, FAIL)
    await other.fold()
    await ledger.go(at("2026-03-11 02:00:00"), "a")
    assert await ledger.sealer.run_once() == []
    await ledger.go(at("2026-03-11 06:00:01"), "a")
    assert await ledger.sealer.run_once() == [DAY]
    (root,) = await store.roots(pool, DAY, DAY)
    assert root.missing == ["b"]
    _, seen = await last(pool, acme.account_id)
    assert seen.unknown.api == span(50_000, 86_400) & ~(1 << 60_000)


# amending -----------------------------------------------------------------------------------------------------------------


async def test_evidence_that_comes_late_amends_the_day_and_goes_into_the_next_tree(pool: db.Pool, ledger: Ledger, acme: Account):
    await ledger.seal()
    first = (await store.versions(pool, acme.account_id, DAY))[0]
    ledger.node().note(START + 107, acme.account_id, OK)
    await ledger.watch_days(DAY + timedelta(days=1), 1)
    await ledger.go(at("2026-03-11 12:00:00"))
    assert await ledger.sealer.amend() == 1
    assert await ledger.sealer.amend() == 0
    before, after = await store.versions(pool, acme.account_id, DAY)
    assert before == first
    assert (after.version, after.root_day) == (1, None)
    amends = leaf.read(after.entry)[0].amends
    assert amends is not None
    assert (amends.leaf, amends.reason) == (first.leaf_hash.hex(), "evidence that came late")
    assert (amends.before["unavailable"], amends.after["unavailable"]) == (9, 8)
    await ledger.seal()
    (_, planted) = await store.versions(pool, acme.account_id, DAY)
    assert planted.root_day == DAY + timedelta(days=1)
    assert await export.audit(pool, DAY, DAY + timedelta(days=5)) == (2, [])


async def test_a_node_that_comes_back_with_its_journal_makes_unknown_seconds_known(pool: db.Pool, ledger: Ledger, acme: Account):
    other = ledger.node("b")
    other.watch(START, START + 50_000)
    await other.fold()
    await ledger.go(at("2026-03-11 06:00:01"), "a")
    await ledger.sealer.run_once()
    other.watch(START + 50_000, START + 86_400)
    other.note(START + 70_000, acme.account_id, FAIL)
    await ledger.go(at("2026-03-12 00:30:00"))
    await ledger.sealer.amend()
    _, seen = await last(pool, acme.account_id)
    assert seen.unknown == Doors()
    assert seen.attempted.api == span(100, 110) | 1 << 70_000


async def test_a_newer_classifier_amends_with_old_and_new_counts(
    pool: db.Pool, ledger: Ledger, acme: Account, monkeypatch: pytest.MonkeyPatch
):
    await ledger.seal()
    monkeypatch.setattr("homing.evidence.reading.verdict", lambda door, fault, code: 0)  # everything is good now
    monkeypatch.setattr("homing.availability.seal.VERSION", 2)
    assert await ledger.node().fold_.refold(DAY) == 1
    assert await ledger.sealer.amend(reason="classifier 2", day=DAY) == 2, "nobody's leaf names the new one, too"
    found, seen = await last(pool, acme.account_id)
    assert found.classifier == 2
    assert seen.answered == seen.attempted
    assert found.amends is not None
    assert (found.amends.before["unavailable"], found.amends.after["unavailable"]) == (9, 0)


async def test_a_day_is_judged_anew_only_where_all_its_journals_are(ledger: Ledger):
    await ledger.seal()
    path = next(ledger.node().folder.glob("2026-03-10/*.log"))
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(Misuse, match="does not hold all"):
        await ledger.node().fold_.refold(DAY)


# witnesses ----------------------------------------------------------------------------------------------------------------

OUTSIDE = Ed25519PrivateKey.from_private_bytes(b"o" * 32)


def report(since: int, until: int, saw: Saw, number: int = 1, previous: str = FIRST) -> tuple[bytes, str]:
    return outside.make(saw, since=since, until=until, number=number, previous=previous, key=OUTSIDE)


async def test_a_customers_witness_makes_blind_seconds_unavailable_after_the_day_was_sealed(
    pool: db.Pool, tmp_path: Path, acme: Account
):
    ledger = Ledger(pool, tmp_path, at("2026-03-10 12:00:00"))
    ledger.node().watch(START, START + 1_000)
    ledger.node().watch(START + 1_030, START + 86_400)
    await ledger.seal()
    assert (await last(pool, acme.account_id))[1].unknown.api == span(1_000, 1_030)

    known = await witnesses.add(
        pool, account_id=acme.account_id, name="elsewhere", public_key=OUTSIDE.public_key().public_bytes_raw()
    )
    assert known is not None
    body, signature = report(START + 990, START + 1_050, Saw(Doors(span(0, 60), 0), Doors(span(0, 12) | span(38, 60), 0)))
    taken = await witnesses.take(pool, body, signature, now=ledger.now)
    assert taken.is_new
    assert not (await witnesses.take(pool, body, signature, now=ledger.now)).is_new
    assert await ledger.sealer.amend() == 1
    found, seen = await last(pool, acme.account_id)
    assert seen.attempted.api & ~seen.answered.api == span(1_002, 1_028)
    assert seen.unknown == Doors(0, span(1_000, 1_030)), "nobody asked by SMTP"
    assert found.amends is not None
    assert found.amends.reason == "reports from outside"
    assert found.nodes == ["a", "witness elsewhere"]
    assert (found.amends.before["unknown"], found.amends.after["unknown"]) == (30, 0)


async def test_what_a_customer_saw_where_we_watched_counts_once_a_person_accepts_it(pool: db.Pool, ledger: Ledger, acme: Account):
    await witnesses.add(pool, account_id=acme.account_id, name="w", public_key=OUTSIDE.public_key().public_bytes_raw())
    await ledger.seal()
    body, signature = report(START + 500, START + 510, Saw(Doors(0b11, 0), Doors()))
    await witnesses.take(pool, body, signature, now=ledger.now)
    assert await ledger.sealer.amend() == 0
    assert not (await last(pool, acme.account_id))[1].attempted.api >> 500
    (listed,) = await witnesses.listed(pool, acme.account_id, limit=10)
    assert listed.decision == "open"
    assert (
        await witnesses.decide(pool, listed.report_id, witnesses.Decision.ACCEPTED, by=await staff(pool, "Ana"), now=ledger.now)
        == acme.account_id
    )
    await ledger.sealer.amend()
    assert (await last(pool, acme.account_id))[1].attempted.api >> 500 == 0b11
    bo = await staff(pool, "Bo")
    await witnesses.decide(pool, listed.report_id, witnesses.Decision.REJECTED, by=bo, now=ledger.now)
    await ledger.sealer.amend()
    assert not (await last(pool, acme.account_id))[1].attempted.api >> 500
    assert await witnesses.decide(pool, 999, witnesses.Decision.REJECTED, by=bo, now=ledger.now) is None


async def test_our_own_witness_makes_no_attempt_and_unknown_where_nobody_was_seen(pool: db.Pool, ledger: Ledger, acme: Account):
    await witnesses.add(pool, account_id=None, name="ours", public_key=OUTSIDE.public_key().public_bytes_raw())
    body, signature = report(START + 95, START + 155, Saw(Doors(span(0, 60), 0), Doors(span(20, 60), 0)))
    await witnesses.take(pool, body, signature, now=at("2026-03-10 12:00:00"))
    await ledger.seal()
    _, seen = await last(pool, acme.account_id)
    assert seen.attempted.api == span(100, 110)
    assert seen.unknown.api == span(95, 100) | span(110, 115)
    assert (await witnesses.listed(pool, None, limit=10))[0].name == "ours"


async def test_only_known_witnesses_are_heard_and_each_says_one_thing_under_one_number(pool: db.Pool, acme: Account):
    now = at("2026-03-10 12:00:00")
    body, signature = report(START, START + 60, Saw(Doors(), Doors()))
    with pytest.raises(outside.Unusable, match="not known"):
        await witnesses.take(pool, body, signature, now=now)
    key = OUTSIDE.public_key().public_bytes_raw()
    known = await witnesses.add(pool, account_id=acme.account_id, name="w", public_key=key)
    assert known is not None
    assert await witnesses.add(pool, account_id=None, name="again", public_key=key) is None
    await witnesses.take(pool, body, signature, now=now)
    other, signed = report(START + 60, START + 120, Saw(Doors(), Doors()))
    with pytest.raises(witnesses.Conflict):
        await witnesses.take(pool, other, signed, now=now)
    assert not await witnesses.end(pool, acme.account_id + 1, known.witness_id)
    assert await witnesses.end(pool, acme.account_id, known.witness_id)
    with pytest.raises(outside.Unusable, match="not known"):
        await witnesses.take(pool, *report(START, START + 60, Saw(Doors(), Doors()), 2), now=now)


# statements ---------------------------------------------------------------------------------------------------------------

MARCH = Month(2026, 3)


async def of_march(ledger: Ledger, account: Account, **more):
    return await statement(ledger.pool, account, MARCH, master_key=MASTER_KEY, now=ledger.now, **more)


async def test_a_statement_is_the_same_before_and_after_its_days_are_sealed(ledger: Ledger, acme: Account):
    await ledger.go(at("2026-03-10 23:59:59"))
    live = await of_march(ledger, acme)
    assert (live.seconds.unavailable_gross, live.seconds.attempted, live.seconds.unknown) == (9, 10, 0)
    assert live.verdict is Outcome.OPEN
    assert [day.sealed for day in live.days] == [False]
    await ledger.seal()
    sealed = await of_march(ledger, acme)
    assert sealed.seconds.unavailable_gross == live.seconds.unavailable_gross
    assert sealed.episodes == live.episodes
    assert [(one.seconds, one.persistent_at) for one in sealed.episodes] == [(5, None), (4, None)]
    assert sealed.uptime.gross == "99.999664"
    assert [day.sealed for day in sealed.days] == [True, False]
    day = sealed.days[0]
    assert day.root_day == "2026-03-10"
    root = merkle.root_of(bytes.fromhex(day.leaf), index=day.place or 0, size=2, proof=[bytes.fromhex(one) for one in day.proof])
    assert root.hex() == sealed.ledger[0].root


async def test_an_exclusion_by_two_people_is_shown_and_taken_out_and_taken_back(pool: db.Pool, ledger: Ledger, acme: Account):
    ana, bo = await staff(pool, "Ana"), await staff(pool, "Bo")
    proposed = await decisions.propose(
        pool,
        account_id=None,
        since=at("2026-03-10 00:01:40"),
        until=at("2026-03-10 00:01:43"),
        kind=ExclusionKind.MAINTENANCE,
        reason="announced on 1 March",
        evidence="mail of 1 March",
        by=ana,
    )
    number = proposed.exclusion_id
    assert (await of_march(ledger, acme)).seconds.excluded == 0
    with pytest.raises(NotPossible):
        await decisions.approve(pool, number, by=ana)
    await decisions.approve(pool, number, by=bo)
    found = await of_march(ledger, acme)
    assert (found.seconds.unavailable_gross, found.seconds.excluded, found.seconds.unavailable_net) == (9, 3, 6)
    (shown,) = found.exclusions
    assert (shown.reason, shown.proposed_by, shown.approved_by, shown.seconds) == ("announced on 1 March", "Ana", "Bo", 3)
    assert shown.approved_at is not None
    assert [one.action for one in await contracts.audit_of(pool, None, limit=2)] == ["exclusion approved", "exclusion proposed"]
    assert found.days[0].excluded == 3
    (line,) = await lines(pool, MARCH, now=ledger.now)
    assert (line.unavailable_gross, line.unavailable_net, line.uptime_net) == (9, 6, found.uptime.net)
    await decisions.withdraw(pool, number, by=ana)
    again = await of_march(ledger, acme)
    assert (again.seconds.excluded, again.exclusions) == (0, [])
    assert await decisions.approve(pool, 999, by=bo) is None


async def test_what_was_decided_under_typed_names_keeps_what_it_says_and_what_was_only_proposed_is_proposed_anew(
    pool: db.Pool, ledger: Ledger, acme: Account
):
    for name, approved in (("Ana", "now()"), ("", "NULL")):
        await pool.execute(
            "INSERT INTO availability_exclusions (since, until, kind, reason, evidence, proposed_by, approved_by, approved_at)"
            f" VALUES ('2026-03-10 00:01:40Z', '2026-03-10 00:01:43Z', 'other', 'x', '', 'Bo', '{name}', {approved})"
        )
    (shown,) = (await of_march(ledger, acme)).exclusions
    assert (shown.proposed_by, shown.approved_by, shown.seconds) == ("Bo", "Ana", 3)
    bo = await staff(pool, "Bo")
    with pytest.raises(NotPossible, match="anew"):
        await decisions.approve(pool, shown.exclusion_id + 1, by=bo)
    assert await decisions.withdraw(pool, shown.exclusion_id, by=bo) is not None


def form(account: Account, begins: str, target: str) -> OrderForm:
    return OrderForm(
        order_form_id=0, account_id=account.account_id, service="email", plan="Enterprise", zone=ServiceZone.UK,
        holiday_set=HolidaySet.GB_EAW, sev1_entitled=True, objectives=Objectives(), cadence_s=3_600,
        target_uptime=Decimal(target), begins_at=at(begins), ends_at=None, recorded_at=at(begins), recorded_by="",
    )  # fmt: skip


async def test_an_order_form_that_is_recorded_later_changes_no_month_that_is_over_and_both_verdicts_are_shown(
    pool: db.Pool, ledger: Ledger, acme: Account
):
    await ledger.go(at("2026-04-09 12:00:00"))
    first = await contracts.add_order_form(pool, form(acme, "2026-01-01 00:00:00", "100"), actor="operator")
    await pool.execute("UPDATE order_forms SET recorded_at = '2026-01-01T00:00:00Z'")
    assert (await of_march(ledger, acme)).verdict is Outcome.MISSED
    later = await contracts.add_order_form(pool, form(acme, "2026-03-05 00:00:00", "90"), actor="operator")
    assert first is not None
    assert later is not None
    found = await of_march(ledger, acme)
    assert (found.uptime.target, found.verdict, found.is_final) == ("100", Outcome.MISSED, False)
    assert [(one.order_form_id, one.target, one.counts, one.verdict) for one in found.targets] == [
        (first.order_form_id, "100", True, Outcome.MISSED),
        (later.order_form_id, "90", False, Outcome.OPEN),
    ]
    assert (found.targets[0].ends_at, found.targets[1].recorded_at) == (None, later.recorded_at)
    (line,) = await lines(pool, MARCH, now=ledger.now)
    assert line.verdict is Outcome.MISSED
    page = html_of(found)
    assert "90 %" in page
    assert "100 %, counts" in page


async def test_every_target_of_a_month_is_shown_where_a_new_order_form_begins_within_it(
    pool: db.Pool, ledger: Ledger, acme: Account
):
    for begins, target in (("2026-01-01 00:00:00", "100"), ("2026-03-09 00:00:00", "90")):
        await contracts.add_order_form(pool, form(acme, begins, target), actor="operator")
        await pool.execute("UPDATE order_forms SET recorded_at = lower(period), end_recorded_at = upper(period)")
    found = await of_march(ledger, acme)
    assert [(one.target, one.counts, one.verdict) for one in found.targets] == [
        ("90", True, Outcome.OPEN), ("100", False, Outcome.MISSED),
    ]  # fmt: skip


async def test_another_accounts_figures_are_its_own(pool: db.Pool, ledger: Ledger, acme: Account):
    other = await accounts.get_or_create_account(pool, "other")
    await pool.execute("UPDATE accounts SET created_at = '2026-03-10T10:00:00Z' WHERE name = 'other'")
    ledger.node().note(START + 40_000, other.account_id, FAIL, door=Door.SMTP)
    await ledger.seal()
    other = (await accounts.account_by_id(pool, other.account_id)) or other
    found = await of_march(ledger, other)
    assert (found.seconds.unavailable_gross, found.seconds.attempted_smtp, found.seconds.attempted_api) == (1, 1, 0)
    assert found.seconds.unmeasured == 9 * 86_400 + 36_000
    assert (await of_march(ledger, acme)).seconds.unavailable_gross == 9
    assert [(one.account, one.unavailable_net) for one in await lines(pool, MARCH, now=ledger.now)] == [
        ("acme", 9),
        ("other", 1),
    ]


async def test_findings_and_amendments_are_on_the_statement(pool: db.Pool, ledger: Ledger, acme: Account):
    await ledger.seal()
    found = Finding(
        account_id=acme.account_id,
        rule=Rule.DECLARED,
        start=at("2026-03-10 00:01:40"),
        reached_at=at("2026-03-10 00:01:40"),
        seconds=9,
        note="customer called",
        by="Ana",
    )
    assert await decisions.note(pool, found)
    assert not await decisions.note(pool, found)
    ledger.node().note(START + 107, acme.account_id, OK)
    await ledger.go(ledger.now)
    await ledger.sealer.amend()
    shown = await of_march(ledger, acme)
    assert shown.findings == [found]
    (amended,) = shown.amendments
    assert (amended.day, amended.before["unavailable"], amended.after["unavailable"]) == ("2026-03-10", 9, 8)
    assert shown.days[0].amendments == 1


async def test_a_month_that_is_over_and_sealed_has_a_verdict(pool: db.Pool, ledger: Ledger, acme: Account):
    await ledger.watch_days(DAY + timedelta(days=1), 21)
    await ledger.go(at("2026-03-31 12:00:00"))
    await ledger.seal()
    found = await of_march(ledger, acme)
    assert (found.is_final, found.verdict, len(found.days)) == (True, Outcome.MET, 22)
    assert found.seconds.no_attempt + found.seconds.unmeasured + found.seconds.attempted == MARCH.seconds
    (line,) = await lines(pool, MARCH, now=ledger.now)
    assert (line.verdict, line.attempted) == (Outcome.MET, 10)


async def test_where_nothing_was_measured_nothing_is_said(ledger: Ledger, acme: Account):
    for month, why in ((Month(2026, 2), "evidence begins on 2026-03-10"), (Month(2026, 4), "has not begun")):
        with pytest.raises(Nothing, match=why):
            await statement(ledger.pool, acme, month, master_key=MASTER_KEY, now=ledger.now)
        with pytest.raises(Nothing):
            await lines(ledger.pool, month, now=ledger.now)


async def test_episodes_go_on_over_midnight(pool: db.Pool, ledger: Ledger, acme: Account):
    for second in range(-40, 40):
        ledger.node().note(START + 86_400 + second, acme.account_id, FAIL)
    await ledger.watch_days(DAY + timedelta(days=1), 1)
    await ledger.go(at("2026-03-11 12:00:00"))
    await ledger.seal()
    over = (await of_march(ledger, acme)).episodes[-1]
    assert (over.seconds, over.since, over.persistent_at) == (80, at("2026-03-10 23:59:20"), at("2026-03-11 00:00:19"))


# the customer's own look --------------------------------------------------------------------------------------------------


def verified(folder: Path, key: str, *days: object) -> subprocess.CompletedProcess[str]:
    names = []
    for number, day in enumerate(days):
        names.append(str(folder / f"{number}.json"))
        Path(names[-1]).write_text(json.dumps(day))
    return subprocess.run([sys.executable, str(SCRIPT), key, *names], capture_output=True, text=True, check=False)


async def test_a_customer_verifies_his_days_with_the_script_that_we_show(
    pool: db.Pool, ledger: Ledger, acme: Account, tmp_path: Path
):
    for number in range(5):
        await accounts.get_or_create_account(pool, f"neighbour {number}")
    await pool.execute("UPDATE accounts SET created_at = '2026-01-01T00:00:00Z'")
    await ledger.seal()
    ledger.node().note(START + 107, acme.account_id, OK)
    await ledger.watch_days(DAY + timedelta(days=1), 1)
    await ledger.go(at("2026-03-11 12:00:00"))
    await ledger.seal()
    days = [await export.exported(pool, acme, DAY + timedelta(days=n)) for n in range(2)]
    key = days[0]["leaves"][0]["public_key"]
    done = verified(tmp_path, key, *days)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "2026-03-10 version 0 is genuine: 9 Unavailable seconds",
        "2026-03-10 version 1 is genuine: 8 Unavailable seconds",
        "2026-03-11 version 0 is genuine: 0 Unavailable seconds",
    ]
    entry = days[0]["leaves"][0]["entry"]
    for member, value in {
        "entry": entry.replace('"classifier":1', '"classifier":9'),
        "place": 0 if days[0]["leaves"][0]["place"] else 1,
        "root_day": "2026-03-09",
        "previous": "11" * 32,
        "signature": "00" * 64,
        "proof": days[0]["leaves"][0]["proof"][:-1],
    }.items():
        wrong = {**days[0], "leaves": [{**days[0]["leaves"][0], member: value}]}
        assert verified(tmp_path, key, wrong).returncode != 0, member
    assert verified(tmp_path, "00" * 32, days[0]).returncode != 0
    with pytest.raises(export.NotSealed):
        await export.exported(pool, acme, DAY + timedelta(days=2))
