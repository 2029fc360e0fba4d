"""Order Forms, TAM, staff, contacts: what the database itself promises, and that every change is told in the audit."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import msgspec
import pytest

from homing.accounts import store as accounts
from homing.contracts import contacts, people, store
from homing.contracts.types import Contact, ContactRole, Objectives, OrderForm, Phone, Role, StaffMember
from homing.ground import db
from homing.ground.secrets import MasterKey
from homing.hours.types import HolidaySet, ServiceZone

KEY = MasterKey(b"k" * 32)
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def account(pool: db.Pool) -> int:
    return (await accounts.get_or_create_account(pool, "acme")).account_id


def form(account_id: int, **changes: Any) -> OrderForm:
    given: dict[str, Any] = {
        "order_form_id": 0,
        "account_id": account_id,
        "service": "email",
        "plan": "Enterprise",
        "zone": ServiceZone.ET,
        "holiday_set": HolidaySet.US_FRB,
        "sev1_entitled": True,
        "objectives": Objectives(),
        "cadence_s": 3600,
        "target_uptime": Decimal("99.99"),
        "begins_at": START,
        "ends_at": None,
        "recorded_at": START,
        "recorded_by": "",
    }
    return OrderForm(**{**given, **changes})


async def somebody(pool: db.Pool, name: str, *roles: Role) -> StaffMember:
    made = await people.add(
        pool,
        StaffMember(
            person_id=0, name=name, email=f"{name}@provider.test", phone="+442071838750", roles=frozenset(roles or {Role.TAM})
        ),
        actor="operator",
    )
    assert made is not None
    return made


def kim(account_id: int, **changes: Any) -> Contact:
    given: dict[str, Any] = {
        "contact_id": 0,
        "account_id": account_id,
        "name": "Kim",
        "email": "kim@acme.test",
        "email_verified_at": None,
        "role": ContactRole.AUTHORISED,
        "may_sign": True,
        "may_open_sev1": True,
        "language": "en",
        "phones": (Phone("+12025550123"), Phone("+442071838751")),
    }
    return Contact(**{**given, **changes})


async def test_a_new_order_form_ends_the_one_before_at_its_first_instant(pool, account):
    first = await store.add_order_form(pool, form(account), actor="operator")
    later = START + timedelta(days=100)
    second = await store.add_order_form(pool, form(account, zone=ServiceZone.UK, holiday_set=HolidaySet.GB_EAW, begins_at=later),
                                        actor="operator")  # fmt: skip
    assert first is not None
    assert second is not None
    before = await store.order_form_at(pool, account, "email", later - timedelta(microseconds=1))
    after = await store.order_form_at(pool, account, "email", later)
    assert (before and before.zone, after and after.zone) == (ServiceZone.ET, ServiceZone.UK)
    assert await store.order_form_at(pool, account, "email", START - timedelta(seconds=1)) is None
    assert await store.order_form(pool, first.order_form_id) == before
    assert [one.order_form_id for one in await store.order_forms_of(pool, account)] == [first.order_form_id, second.order_form_id]


async def test_it_is_kept_when_it_was_recorded_that_something_ends(pool, account):
    ann, bob = await somebody(pool, "ann"), await somebody(pool, "bob")
    for days, person in ((0, ann), (9, bob)):
        begins = START + timedelta(days=days)
        await store.add_order_form(pool, form(account, begins_at=begins), actor="operator")
        await store.assign_tam(pool, account, person.person_id, begins_at=begins, actor="operator")
    for first, second in (await store.order_forms_of(pool, account), await store.tams_of(pool, account)):
        assert first.end_recorded_at is not None
        assert first.recorded_at < first.end_recorded_at <= second.recorded_at
        assert second.end_recorded_at is None


async def test_two_of_one_service_are_never_in_force_at_once(pool, account):
    await store.add_order_form(pool, form(account, begins_at=START + timedelta(days=9)), actor="operator")
    assert await store.add_order_form(pool, form(account), actor="operator") is None
    assert await store.add_order_form(pool, form(account, ends_at=START + timedelta(days=9)), actor="operator")
    assert await store.add_order_form(pool, form(account, service="email in Asia"), actor="operator")
    other = (await accounts.get_or_create_account(pool, "other")).account_id
    assert await store.add_order_form(pool, form(other), actor="operator")
    assert len(await store.audit_of(pool, account)) == 3


async def test_there_is_one_tam_at_any_instant_without_a_gap(pool, account):
    ann, bob = await somebody(pool, "ann"), await somebody(pool, "bob")
    change = START + timedelta(days=30)
    assert await store.assign_tam(pool, account, ann.person_id, begins_at=START, actor="operator")
    assert await store.assign_tam(pool, account, bob.person_id, begins_at=change, actor="operator")
    assert not await store.assign_tam(pool, account, ann.person_id, begins_at=change, actor="operator")
    for moment, who in ((START, ann), (change - timedelta(microseconds=1), ann), (change, bob)):
        tam = await store.tam_at(pool, account, moment)
        assert tam is not None
        assert (tam.primary, tam.acting) == (who, who)
    assert await store.tam_at(pool, account, START - timedelta(seconds=1)) is None
    with pytest.raises(asyncpg.ExclusionViolationError):
        await pool.execute(
            "INSERT INTO tam_assignments VALUES ($1, $2, tstzrange($3, NULL), now(), 'by hand')", account, ann.person_id, change
        )


async def test_a_delegate_acts_while_the_tam_is_away(pool, account):
    ann, bob, eve = [await somebody(pool, name) for name in ("ann", "bob", "eve")]
    await store.assign_tam(pool, account, ann.person_id, begins_at=START, actor="operator")
    away = START + timedelta(days=3)
    days = {"begins_at": away, "ends_at": away + timedelta(days=2)}
    assert await store.add_cover(pool, ann.person_id, bob.person_id, **days, reason="leave", actor="staff 1")
    assert not await store.add_cover(pool, ann.person_id, eve.person_id, **days, reason="x", actor="staff 1")
    tam = await store.tam_at(pool, account, away)
    assert tam is not None
    assert (tam.primary, tam.acting, tam.away_because) == (ann, bob, "leave")
    assert await store.accounts_of_tam(pool, bob.person_id, away) == [account]
    assert await store.accounts_of_tam(pool, bob.person_id, away + timedelta(days=2)) == []
    assert await store.accounts_of_tam(pool, ann.person_id, away) == [account]


async def test_a_token_is_its_owners_until_it_is_revoked_or_he_leaves(pool):
    ann = await somebody(pool, "ann", Role.ADMIN)
    token = await people.new_token(pool, ann.person_id, label="laptop", actor="operator")
    assert await people.by_token(pool, token) == ann
    assert await people.by_token(pool, token[:-1] + "x") is None
    assert await people.by_token(pool, "") is None
    assert token not in str(await pool.fetch("SELECT * FROM staff_tokens"))
    await people.revoke_tokens(pool, ann.person_id, actor="operator")
    assert await people.by_token(pool, token) is None
    another = await people.new_token(pool, ann.person_id, label="laptop", actor="operator")
    gone = await people.change(pool, people.left(ann, START), actor="operator")
    assert gone is not None
    assert (gone.roles, await people.by_token(pool, another)) == (frozenset(), None)
    assert await people.add(pool, ann, actor="operator") is None, "the address is taken"


async def test_nobody_leaves_or_gives_the_role_up_who_is_tam_of_an_account(pool, account):
    ann, bob = await somebody(pool, "ann"), await somebody(pool, "bob")
    later = datetime.now(UTC) + timedelta(days=30)
    await store.assign_tam(pool, account, ann.person_id, begins_at=START, actor="operator")
    await store.assign_tam(pool, account, bob.person_id, begins_at=later, actor="operator")
    cst = msgspec.structs.replace(ann, roles=frozenset({Role.CST}))
    for wanted in (people.left(ann, later - timedelta(days=1)), cst, people.left(bob, later)):
        with pytest.raises(people.StillTam, match="acme") as held:
            await people.change(pool, wanted, actor="operator")
        assert held.value.accounts == ((account, "acme"),)
    assert await people.one(pool, ann.person_id) == ann
    assert await people.change(pool, msgspec.structs.replace(ann, phone=""), actor="operator")
    assert await people.change(pool, people.left(ann, later), actor="operator"), "who has handed over may go"
    with pytest.raises(store.NotTam):
        await store.assign_tam(pool, account, ann.person_id, begins_at=later + timedelta(days=9), actor="operator")


async def test_who_leaves_before_he_becomes_tam_leaves_no_gap(pool, account):
    ann, bob = await somebody(pool, "ann"), await somebody(pool, "bob")
    later = START + timedelta(days=30)
    await store.assign_tam(pool, account, ann.person_id, begins_at=START, actor="operator")
    await store.assign_tam(pool, account, bob.person_id, begins_at=later, actor="operator")
    assert await people.change(pool, people.left(bob, later - timedelta(days=1)), actor="operator")
    (stays,) = await store.tams_of(pool, account)
    assert (stays.person, stays.ends_at, stays.end_recorded_at) == (ann, None, None)
    assert (await store.audit_of(pool, account, limit=1))[0].action == "TAM not assigned after all"


async def test_who_leaves_stands_in_for_nobody_any_more(pool, account):
    ann, bob = await somebody(pool, "ann"), await somebody(pool, "bob")
    await store.assign_tam(pool, account, ann.person_id, begins_at=START, actor="operator")
    for days in (1, 9):
        begins = START + timedelta(days=days)
        await store.add_cover(
            pool, ann.person_id, bob.person_id, begins_at=begins, ends_at=begins + timedelta(days=5), reason="leave", actor="x"
        )
    leaves = START + timedelta(days=2)
    await people.change(pool, people.left(bob, leaves), actor="operator")
    (kept,) = await store.covers_of(pool, ann.person_id)
    assert kept.ends_at == leaves
    assert kept.recorded_at is not None
    tam = await store.tam_at(pool, account, leaves)
    assert tam is not None
    assert (tam.primary, tam.acting) == (ann, ann)
    assert [one.action for one in await store.audit_of(pool, None, limit=3)] == ["staff left", "cover ended", "cover ended"]


async def test_a_tam_who_had_left_before_is_none_from_then_on_and_others_are_written_to(pool, account):
    ann, bob = await somebody(pool, "ann"), await somebody(pool, "bob", Role.CST)
    await store.assign_tam(pool, account, ann.person_id, begins_at=START, actor="operator")
    gone = START + timedelta(days=9)
    await pool.execute("UPDATE staff SET left_at = $2, roles = '{}' WHERE person_id = $1", ann.person_id, gone)
    assert await store.tam_at(pool, account, gone - timedelta(seconds=1)) is not None
    assert await store.tam_at(pool, account, gone) is None
    assert await store.tams_at(pool, [account], gone) == {}
    (was,) = await store.tams_of(pool, account)
    assert (was.person.name, was.ends_at) == ("ann", gone)
    assert await store.reader_at(pool, account, gone, person_id=ann.person_id) == bob
    await pool.execute("UPDATE staff SET left_at = $1", gone)
    assert await store.reader_at(pool, account, gone) is None


async def test_a_contact_is_verified_until_his_address_or_number_changes(pool, account):
    made = await contacts.add(pool, kim(account), actor="staff 1")
    assert made is not None
    assert await contacts.add(pool, kim(account), actor="staff 1") is None
    await contacts.verify_email(pool, made, actor="contact 1")
    await contacts.verify_phone(pool, made, "+12025550123", actor="staff 1")
    (found,) = await contacts.of_account(pool, account)
    assert found.email_verified_at is not None
    assert [phone.verified_at is not None for phone in found.phones] == [True, False]
    (by_phone,) = await contacts.by_phone(pool, "+442071838751")
    assert by_phone == found
    moved = kim(account, contact_id=made.contact_id, email="kim@new.test", phones=(Phone("+12025550199"), Phone("+12025550123")))
    changed = await contacts.change(pool, moved, actor="staff 1")
    assert changed is not None
    assert changed.email_verified_at is None
    assert [(phone.number, phone.verified_at is not None) for phone in changed.phones] == [
        ("+12025550199", False),
        ("+12025550123", True),
    ]
    assert await contacts.by_email(pool, "KIM@new.test") == [changed]
    other = (await accounts.get_or_create_account(pool, "other")).account_id
    assert await contacts.one(pool, other, made.contact_id) is None
    assert not await contacts.remove(pool, other, made.contact_id, actor="staff 1")
    assert await contacts.remove(pool, account, made.contact_id, actor="staff 1")
    assert await contacts.of_account(pool, account) == []
    assert [entry.action for entry in await store.audit_of(pool, account)] == [
        "contact removed",
        "contact changed",
        "number verified",
        "address verified",
        "contact added",
    ]


async def test_a_pin_is_one_accounts_and_is_kept_as_a_keyed_digest(pool, account):
    other = (await accounts.get_or_create_account(pool, "other")).account_id
    assert await contacts.set_pin(pool, KEY, account, "481923", actor="staff 1")
    assert not await contacts.set_pin(pool, KEY, other, "481923", actor="staff 1")
    assert await contacts.account_by_pin(pool, KEY, "481923") == account
    assert await contacts.account_by_pin(pool, KEY, "481924") is None
    assert await contacts.account_by_pin(pool, MasterKey(b"x" * 32), "481923") is None
    assert await contacts.set_pin(pool, KEY, account, "777777", actor="staff 1")
    assert await contacts.account_by_pin(pool, KEY, "481923") is None


async def test_the_audit_can_only_grow(pool, account):
    await store.note(pool, actor="operator", action="x", account_id=account, subject="y")
    for statement in ("UPDATE audit SET actor = 'z'", "DELETE FROM audit", "TRUNCATE audit"):
        with pytest.raises(asyncpg.RaiseError):
            await pool.execute(statement)
