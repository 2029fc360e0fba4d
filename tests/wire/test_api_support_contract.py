"""/api/v1/support/contract, contacts, staff, audit: who may read and change what of a contract and of the people in it."""

import asyncio
import itertools
import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from homing.accounts.grants import KEY_GRANTS
from homing.contracts import contacts, people
from homing.contracts.types import Role, StaffMember
from tests.kit.ledger import at
from tests.kit.moved_clock import MovedClock
from tests.kit.resources import MASTER_KEY, ResourceDoor, resource_door

NOW = at("2026-06-15 12:00:00")
FORM = {"plan": "Enterprise", "zone": "UK", "begins_at": "2026-06-01T00:00:00Z"}
KIM = {"name": "Kim", "email": "Kim@acme.example", "phones": ["+1 202 555 0123"]}
NUL, LONE = "a\u0000b", "\ud800"


class Town:
    """A door, its clock, a customer's key, and the tokens of staff by role."""

    def __init__(self, door: ResourceDoor, clock: MovedClock) -> None:
        self.door = door
        self.pool = door.pool
        self.clock = clock
        self.account_id = door.account_id
        self.tokens: dict[str, str] = {}
        self.staff: dict[str, StaffMember] = {}

    async def hire(self, name: str, *roles: Role) -> None:
        wanted = StaffMember(person_id=0, name=name, email=f"{name}@provider.test", phone="+442071838750", roles=frozenset(roles))
        made = await people.add(self.pool, wanted, actor="operator")
        assert made is not None
        self.staff[name] = made
        self.tokens[name] = await people.new_token(self.pool, made.person_id, label="t", actor="operator")

    async def ask(self, method: str, path: str, status: int = 200, *, by: str = "", body: Any = None, **more: Any) -> Any:
        """Call as a customer, or by a member of the staff about that customer's account."""
        if by:
            more["key"] = self.tokens[by]
            if "account_id" not in path and "/staff" not in path and "/hours" not in path:
                path += f"{'&' if '?' in path else '?'}account_id={self.account_id}"
        if body is not None:
            more["content"] = body if isinstance(body, str) else json.dumps(body)
        answer = await self.door.call(method, f"support/{path}", **more)
        assert answer.status_code == status, answer.text
        if status == 204:
            return None
        return answer.json()["results"] if status == 200 else answer.json()["errors"][0]

    async def noted(self) -> list[tuple[str, str]]:
        """Return actor and action of the audit, the latest first."""
        return [(one["actor"], one["action"]) for one in await self.ask("GET", "audit")]


@pytest.fixture
async def town(pool) -> AsyncIterator[Town]:
    clock = MovedClock(NOW)
    async with resource_door(pool, clock=clock, notice_from="notices@provider.test") as door:
        await door.door.domain("provider.test")
        made = Town(door, clock)
        await made.hire("ada", Role.ADMIN)
        await made.hire("tim", Role.TAM)
        await made.hire("cia", Role.CST)
        await made.hire("olaf", Role.ONCALL)
        yield made


# Order Forms --------------------------------------------------------------------------------------------------------------


async def test_an_admin_records_order_forms_and_the_customer_reads_every_one_over_time(town: Town):
    first = await town.ask("POST", "contract/order-forms", by="ada", body=FORM)
    assert (first["zone"], first["holiday_set"], first["target_uptime"], first["in_force"]) == ("UK", "GB-EAW", "99.99", True)
    assert (first["objectives"]["first_response_s"], first["ends_at"]) == (14_400, None)
    assert first["recorded_by"] == f"staff {town.staff['ada'].person_id}"
    again = await town.ask("POST", "contract/order-forms", by="ada", body=FORM)
    assert again == first, "the same call again records nothing"

    later = {
        "plan": "Premier", "zone": "PT", "holiday_set": "US-FED", "begins_at": "2026-07-01T00:00:00Z", "sev1_entitled": False,
        "objectives": {"first_response_s": 7_200}, "cadence_s": 1_800, "target_uptime": 99.995,
    }  # fmt: skip
    second = await town.ask("POST", "contract/order-forms", by="ada", body=later)
    assert (second["in_force"], second["target_uptime"], second["cadence_s"]) == (False, "99.995", 1_800)
    assert second["objectives"] == {"first_response_s": 7_200, "update_s": 28_800, "own_s": 3_600, "tam_reply_s": 14_400}

    listed = await town.ask("GET", "contract/order-forms")
    assert [(one["plan"], one["ends_at"]) for one in listed] == [("Enterprise", "2026-07-01T00:00:00Z"), ("Premier", None)]
    assert await town.ask("GET", f"contract/order-forms/{second['order_form_id']}") == second
    shown = await town.ask("GET", "contract")
    assert (shown["zone"], shown["holiday_set"], shown["sev1_entitled"]) == ("UK", "GB-EAW", True)
    town.clock.forward(days=20)
    shown = await town.ask("GET", "contract", by="olaf")
    assert (shown["zone"], shown["holiday_set"], shown["sev1_entitled"]) == ("PT", "US-FED", False)
    assert [one["plan"] for one in shown["order_forms"]] == ["Premier"]
    # Once more what was recorded first: it is there, though it has ended.
    assert (await town.ask("POST", "contract/order-forms", by="ada", body=FORM))["order_form_id"] == first["order_form_id"]
    error = await town.ask("POST", "contract/order-forms", 409, by="ada", body={**FORM, "plan": "x"})
    assert error["code"] == "1602"
    assert [one[1] for one in await town.noted()] == ["order form added", "order form added"]


BAD_FORMS = [
        ({"plan": None}, "1400"), ({"zone": "CET"}, "1300"), ({"holiday_set": "US-FRB"}, "1300"), ({"plan": " "}, "1300"),
        ({"plan": NUL}, "1300"), ({"plan": "x" * 256}, "1300"), ({"begins_at": "soon"}, "1300"),
        ({"begins_at": "2026-06-01T00:00:00"}, "1300"), ({"begins_at": "0001-01-01T00:00:00Z"}, "1300"),
        ({"ends_at": "2026-05-01T00:00:00Z"}, "1300"), ({"target_uptime": "NaN"}, "1300"), ({"target_uptime": 101}, "1300"),
        ({"target_uptime": "99.9999999"}, "1300"), ({"cadence_s": 1}, "1300"), ({"objectives": {"own_s": 10**12}}, "1300"),
        ({"service": ""}, "1300"), ({"sev1_entitled": "yes"}, "1300"),
]  # fmt: skip


async def test_an_order_form_that_cannot_be_is_refused(town: Town):
    for change, code in BAD_FORMS:
        error = await town.ask("POST", "contract/order-forms", 422, by="ada", body={**FORM, **change})
        assert error["code"] == code, change
    assert await town.ask("GET", "contract/order-forms") == []


async def test_what_is_missing_in_a_body_or_is_no_body_is_told(town: Town):
    for path, by in (("contract/order-forms", "ada"), ("contacts", "ada"), ("staff", "ada")):
        assert (await town.ask("POST", path, 422, by=by, body={}))["code"] == "1400"
        assert (await town.ask("POST", path, 422, by=by, body="["))["code"] == "1300"
        assert (await town.ask("POST", path, 400, by=by, body={"name": LONE, "plan": LONE}))["code"] == "1300"
    assert (await town.ask("PUT", "contract/tam", 422, by="ada", body={}))["code"] == "1400"


# TAM ----------------------------------------------------------------------------------------------------------------------


async def test_there_is_one_tam_and_whoever_stands_in_is_shown_beside_him(town: Town):
    assert await town.ask("GET", "contract/tam") == {"now": None, "assignments": []}
    tim, cia = town.staff["tim"].person_id, town.staff["cia"].person_id
    body = {"person_id": tim, "begins_at": "2026-06-01T00:00:00Z"}
    made = await town.ask("PUT", "contract/tam", by="ada", body=body)
    assert await town.ask("PUT", "contract/tam", by="ada", body=body) == made, "again is the same"
    assert await town.ask("PUT", "contract/tam", by="ada", body={"person_id": tim}) == made, "he is it already"
    cover = {"delegate_id": cia, "ends_at": "2026-06-20T00:00:00Z", "reason": "leave"}
    assert (await town.ask("POST", f"staff/{tim}/covers", by="tim", body=cover))["delegate_id"] == cia
    seen = (await town.ask("GET", "contract/tam"))["now"]
    assert (seen["primary"]["name"], seen["acting"]["name"], seen["away_because"]) == ("tim", "cia", "leave")
    assert seen["acting"]["phone"] == "+442071838750"
    (listed,) = await town.ask("GET", f"staff/{tim}/covers", by="olaf")
    town.clock.forward(days=1)
    await town.ask("DELETE", f"staff/me/covers/{listed['cover_id']}", 204, by="tim")
    await town.ask("DELETE", f"staff/me/covers/{listed['cover_id']}", 404, by="tim")
    assert (await town.ask("GET", "contract"))["tam"]["acting"]["name"] == "tim"

    await town.hire("ned", Role.TAM)
    ned = town.staff["ned"].person_id
    later = await town.ask("PUT", "contract/tam", by="ada", body={"person_id": ned, "begins_at": "2026-07-01T00:00:00+01:00"})
    assert [(one["name"], one["ends_at"]) for one in later["assignments"]] == [("tim", "2026-06-30T23:00:00Z"), ("ned", None)]
    assert (await town.ask("PUT", "contract/tam", 409, by="ada", body={"person_id": tim, "begins_at": "2026-06-20T00:00:00Z"}))[
        "code"
    ] == "1602"
    for nobody in (cia, 999, 10**12, -1):
        assert (await town.ask("PUT", "contract/tam", 400, by="ada", body={"person_id": nobody}))["code"] == "1200"


async def test_a_cover_that_cannot_be_is_refused(town: Town):
    tim, cia = town.staff["tim"].person_id, town.staff["cia"].person_id
    good = {"delegate_id": cia, "begins_at": "2026-07-01T00:00:00Z", "ends_at": "2026-07-20T00:00:00Z", "reason": "leave"}
    made = await town.ask("POST", f"staff/{tim}/covers", by="ada", body=good)
    assert await town.ask("POST", f"staff/{tim}/covers", by="tim", body=good) == made
    for change, status in (
        ({"reason": "other"}, 409), ({"delegate_id": tim}, 400), ({"delegate_id": 999}, 400),
        ({"ends_at": "2026-06-30T00:00:00Z"}, 422), ({"reason": NUL}, 422), ({"ends_at": None}, 422),
    ):  # fmt: skip
        await town.ask("POST", f"staff/{tim}/covers", status, by="ada", body={**good, **change})
    await town.ask("POST", f"staff/{cia}/covers", 403, by="tim", body=good)
    await town.ask("DELETE", f"staff/{tim}/covers/{made['cover_id']}", 204, by="ada")
    assert await town.ask("GET", f"staff/{tim}/covers", by="tim") == [], "what had not begun never was"


# contacts -----------------------------------------------------------------------------------------------------------------


async def test_a_customer_keeps_his_own_contacts_and_says_who_may_sign_and_open_severity_1(town: Town):
    made = await town.ask("POST", "contacts", body=KIM)
    assert made == {
        "contact_id": made["contact_id"], "name": "Kim", "email": "kim@acme.example", "email_verified_at": None,
        "phones": [{"number": "+12025550123", "verified_at": None}], "role": "authorised", "may_sign": True,
        "may_open_sev1": True, "language": "en",
    }  # fmt: skip
    assert await town.ask("POST", "contacts", body=KIM) == made, "again is the same"
    assert (await town.ask("POST", "contacts", 409, body={**KIM, "name": "Lee"}))["code"] == "1602"
    path = f"contacts/{made['contact_id']}"
    changed = await town.ask("PUT", path, body={"may_open_sev1": False, "language": "pt-BR"})
    assert changed == {**made, "may_open_sev1": False, "language": "pt-BR"}
    viewer = await town.ask("PUT", path, by="cia", body={"role": "viewer"})
    assert (viewer["role"], viewer["may_sign"], viewer["may_open_sev1"]) == ("viewer", False, False)
    assert (await town.ask("PUT", path, 422, body={"may_sign": True}))["code"] == "1301"
    lee = await town.ask("POST", "contacts", body={**KIM, "name": "Lee", "email": "lee@acme.example"})
    assert (await town.ask("PUT", path, 409, body={"email": "LEE@acme.example"}))["code"] == "1602"
    assert [one["name"] for one in await town.ask("GET", "contacts", by="olaf")] == ["Kim", "Lee"]
    assert await town.ask("GET", f"contacts/{lee['contact_id']}") == lee
    shown = (await town.ask("GET", "contract"))["contacts"]
    assert shown == {"authorised": 1, "authorised_needed": 2, "may_sign": 1, "may_open_sev1": 1}
    await town.ask("DELETE", path, 204)
    await town.ask("DELETE", path, 404)
    await town.ask("GET", path, 404)
    cia = town.staff["cia"].person_id
    key = (await town.noted())[0][0]
    assert key.startswith("key ")
    assert await town.noted() == [
        (key, "contact removed"), (key, "contact added"), (f"staff {cia}", "contact changed"), (key, "contact changed"),
        (key, "contact added"),
    ]  # fmt: skip


BAD_CONTACTS: list[dict[str, Any]] = [
        {"name": " "}, {"name": NUL}, {"name": "x" * 256}, {"email": "x"}, {"email": f"{NUL}@a.example"},
        {"phones": ["555"]}, {"phones": [NUL]}, {"phones": "+12025550123"},
        {"phones": [f"+1202555012{n}" for n in range(6)]}, {"role": "boss"}, {"language": "english!"}, {"may_sign": "yes"},
]  # fmt: skip


async def test_a_contact_that_cannot_be_is_refused(town: Town):
    for change in BAD_CONTACTS:
        assert (await town.ask("POST", "contacts", 422, body={**KIM, **change}))["code"] == "1300", change
    assert await town.ask("GET", "contacts") == []


async def test_whoever_reads_mail_to_an_address_shows_its_code_and_the_address_is_verified(town: Town):
    made = await town.ask("POST", "contacts", body=KIM)
    path = f"contacts/{made['contact_id']}/email-verification"
    assert (await town.ask("POST", path))["email_verified_at"] is None
    (mail,) = town.door.notices.chunks
    assert mail.entries[0].recipient == "kim@acme.example"
    code = re.search(r"[0-9a-f]{20}", str(mail.content)).group()  # type: ignore[union-attr]
    for wrong in ("0" * 20, code[:-1], "é", NUL):
        assert (await town.ask("PUT", path, 400, body={"code": wrong}))["code"] == "1200"
    assert (await town.ask("PUT", path, 422, body={}))["code"] == "1400"
    town.clock.forward(days=2)
    verified = await town.ask("PUT", path, body={"code": f" {code.upper()} "})
    assert verified["email_verified_at"] is not None
    assert await town.ask("PUT", path, body={"code": code}) == verified
    assert await town.ask("POST", path) == verified
    assert len(town.door.notices.chunks) == 1, "a verified address is sent nothing"
    assert [one[1] for one in await town.noted()][:2] == ["address verified", "code mailed"]

    moved = await town.ask("PUT", f"contacts/{made['contact_id']}", body={"email": "kim@other.example"})
    assert moved["email_verified_at"] is None
    await town.ask("PUT", path, 400, body={"code": code})  # it is another address now
    for _ in range(contacts.MOST_CODES - 1):
        await town.ask("POST", path)
    assert "tomorrow" in (await town.ask("POST", path, 429))["description"]


async def test_staff_says_what_else_shows_that_an_address_is_his(town: Town):
    made = await town.ask("POST", "contacts", body=KIM)
    path = f"contacts/{made['contact_id']}/email-verification"
    assert (await town.ask("PUT", path, 422, body={"how": "trust me"}))["code"] == "1400", "a key cannot"
    assert (await town.ask("PUT", path, 422, by="cia", body={"how": NUL}))["code"] == "1300"
    done = await town.ask("PUT", path, by="cia", body={"how": "wrote to us, signed by his domain"})
    assert done["email_verified_at"] is not None
    (entry, *_) = await town.ask("GET", "audit")
    assert (entry["action"], entry["detail"]["how"]) == ("address verified", "wrote to us, signed by his domain")


async def test_a_code_is_good_for_three_days_and_no_longer(town: Town):
    made = await town.ask("POST", "contacts", body=KIM)
    known = await contacts.one(town.pool, town.account_id, made["contact_id"])
    assert known is not None
    code = contacts.code_of(MASTER_KEY, known, day=NOW.date())
    for days, good in ((0, True), (2, True), (3, False), (-1, False)):
        assert contacts.is_code_of(MASTER_KEY, known, code, today=NOW.date() + timedelta(days=days)) is good


async def test_staff_verifies_a_number_and_says_what_shows_it(town: Town):
    made = await town.ask("POST", "contacts", body=KIM)
    path = f"contacts/{made['contact_id']}/phone-verification"
    said = {"number": "+1 (202) 555-0123", "how": "called him there; he gave the PIN"}
    assert (await town.ask("PUT", path, 422, body=said))["code"] == "1400", "the customer shows a code"
    await town.ask("PUT", path, 403, by="olaf", body=said)
    done = await town.ask("PUT", path, by="cia", body=said)
    assert done["phones"][0]["verified_at"] is not None
    assert (await town.ask("PUT", path, 400, by="cia", body={**said, "number": "+12025550199"}))["code"] == "1200"
    assert (await town.ask("PUT", path, 422, by="cia", body={"number": "+12025550123"}))["code"] == "1400"
    assert (await town.ask("PUT", path, 422, by="cia", body={**said, "how": NUL}))["code"] == "1300"
    (entry, *_) = await town.ask("GET", "audit", by="tim")
    assert (entry["action"], entry["detail"]["how"]) == ("number verified", said["how"])
    reordered = await town.ask("PUT", f"contacts/{made['contact_id']}", body={"phones": ["+442071838750", "+12025550123"]})
    assert [phone["verified_at"] is None for phone in reordered["phones"]] == [True, False]


# PIN and audit ------------------------------------------------------------------------------------------------------------


async def test_a_pin_is_made_and_shown_once_and_never_read(town: Town):
    assert (await town.ask("GET", "contract"))["pin_set_at"] is None
    first, second = await town.ask("POST", "contract/pin"), await town.ask("POST", "contract/pin", by="ada")
    assert re.fullmatch(r"\d{8}", first["pin"])
    assert await contacts.account_by_pin(town.pool, MASTER_KEY, first["pin"]) is None
    assert await contacts.account_by_pin(town.pool, MASTER_KEY, second["pin"]) == town.account_id
    shown = json.dumps([await town.ask("GET", "contract"), await town.ask("GET", "audit")])
    assert second["set_at"] in shown
    assert second["pin"] not in shown
    await town.ask("POST", "contract/pin", 403, by="tim")


async def test_the_audit_is_read_page_by_page_and_an_admin_reads_all_of_it(town: Town):
    for name in ("a", "b", "c"):
        await town.ask("POST", "contacts", body={"name": name, "email": f"{name}@acme.example"})
    newest = await town.ask("GET", "audit?per_page=2")
    older = await town.ask("GET", f"audit?per_page=2&before={newest[-1]['audit_id']}")
    assert [one["detail"]["email"][0] for one in newest + older] == ["c", "b", "a"]
    everything = await town.ask("GET", "audit?account_id=all", by="ada")
    assert {"staff added", "token made", "contact added"} <= {one["action"] for one in everything}
    await town.ask("GET", "audit?account_id=all", 404, by="tim")
    for wrong in ("per_page=0", "per_page=x", "before=x", "before=-1"):
        assert (await town.ask("GET", f"audit?{wrong}", 400))["code"] == "1200"


async def test_staff_sees_what_the_nightly_audits_found(town: Town):
    assert await town.ask("GET", "clock-audits", by="tim") == []
    await town.pool.execute(
        "INSERT INTO clock_audits (day, began_at, ended_at, subjects, clocks, findings) "
        "VALUES ('2026-06-15', now(), now(), 2, 3, $1)",
        '[{"subject": "case", "subject_id": 1001, "clock": 1, "what": "x"}]',
    )
    (night,) = await town.ask("GET", "clock-audits", by="ada")
    assert (night["day"], night["clocks"], night["findings"][0]["subject_id"]) == ("2026-06-15", 3, 1001)
    await town.ask("GET", "clock-audits", 403)
    await town.ask("GET", "clock-audits", 403, by="cia")


# staff --------------------------------------------------------------------------------------------------------------------


async def test_an_admin_hires_changes_and_lets_go(town: Town):
    body = {"name": "Ann Lee", "email": "Ann@provider.example", "roles": ["tam"], "phone": "+44 20 7183 8750"}
    ann = await town.ask("POST", "staff", by="ada", body=body)
    assert (ann["email"], ann["roles"], ann["phone"]) == ("ann@provider.example", ["tam"], "+442071838750")
    assert await town.ask("POST", "staff", by="ada", body=body) == ann
    assert (await town.ask("POST", "staff", 409, by="ada", body={**body, "roles": ["cst"]}))["code"] == "1602"
    path = f"staff/{ann['person_id']}"
    assert (await town.ask("PUT", path, by="ada", body={"roles": ["cst", "tam"]}))["roles"] == ["cst", "tam"]
    assert (await town.ask("PUT", path, by="ada", body={"phone": ""}))["phone"] is None
    token = (await town.ask("POST", f"{path}/tokens", by="ada", body={"label": "laptop"}))["token"]
    assert (await town.ask("GET", "staff/me", key=token))["name"] == "Ann Lee"
    second = (await town.ask("POST", "staff/me/tokens", key=token, body={}))["token"]
    assert (await town.ask("GET", path, key=second))["name"] == "Ann Lee"
    await town.ask("DELETE", path, 204, by="ada")
    await town.ask("DELETE", path, 204, by="ada")
    await town.ask("GET", "staff/me", 401, key=token)
    await town.ask("PUT", path, 409, by="ada", body={"name": "x"})
    await town.ask("POST", f"{path}/tokens", 409, by="ada", body={})
    assert (await town.ask("GET", "staff", by="olaf"))[-1]["left_at"] is not None
    actor = f"staff {town.staff['ada'].person_id}"
    said = [(one["actor"], one["action"]) for one in await town.ask("GET", "audit?account_id=all&per_page=3", by="ada")]
    assert said[0] == (actor, "staff left")


async def test_a_tam_of_accounts_leaves_once_somebody_else_is_theirs(town: Town):
    tim, ada = town.staff["tim"].person_id, town.staff["ada"].person_id
    await town.ask("PUT", "contract/tam", by="ada", body={"person_id": tim})
    for method, body in (("DELETE", None), ("PUT", {"roles": ["cst"]})):
        refused = await town.ask(method, f"staff/{tim}", 409, by="ada", body=body)
        assert f"{town.account_id} (acme)" in refused["description"]
    await town.ask("PUT", f"staff/{ada}", by="ada", body={"roles": ["admin", "tam"]})
    town.clock.forward(seconds=5)
    await town.ask("PUT", "contract/tam", by="ada", body={"person_id": ada})
    town.clock.forward(seconds=5)
    await town.ask("DELETE", f"staff/{tim}", 204, by="ada")
    assert (await town.ask("GET", "contract/tam"))["now"]["primary"]["name"] == "ada"
    await town.ask("PUT", "contract/tam", 400, by="ada", body={"person_id": tim})


async def test_the_last_admin_stays_one(town: Town):
    ada = town.staff["ada"].person_id
    assert (await town.ask("DELETE", f"staff/{ada}", 409, by="ada"))["code"] == "1602"
    assert (await town.ask("PUT", "staff/me", 409, by="ada", body={"roles": ["cst"]}))["code"] == "1602"
    await town.ask("PUT", f"staff/{town.staff['cia'].person_id}", by="ada", body={"roles": ["admin"]})
    await town.ask("DELETE", "staff/me", 204, by="ada")


async def test_two_admins_who_let_each_other_go_at_once_leave_one(town: Town):
    await town.hire("abe", Role.ADMIN)
    ada, abe = town.staff["ada"].person_id, town.staff["abe"].person_id
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"

    async def both_wait() -> None:
        while await town.pool.fetchval(waiting) < 2:
            await asyncio.sleep(0.01)

    async with town.pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM staff FOR UPDATE")  # so that both have looked before either writes
        paths = ((f"support/staff/{abe}", "ada"), (f"support/staff/{ada}", "abe"))
        asked = [asyncio.create_task(town.door.call("DELETE", path, key=town.tokens[by])) for path, by in paths]
        await asyncio.wait_for(both_wait(), 20)
    assert sorted([(await one).status_code for one in asked]) == [204, 409]


async def test_nobody_manages_others_but_an_admin(town: Town):
    tim, ada = town.staff["tim"].person_id, town.staff["ada"].person_id
    for method, path, body in (
        ("POST", "staff", KIM), ("PUT", f"staff/{tim}", {"roles": ["admin"]}), ("DELETE", f"staff/{ada}", None),
        ("POST", f"staff/{ada}/tokens", {}), ("DELETE", f"staff/{ada}/tokens", None), ("PUT", "contract/tam", {"person_id": tim}),
        ("POST", "contract/order-forms", FORM), ("POST", "contract/pin", None),
    ):  # fmt: skip
        await town.ask(method, path, 403, by="tim", body=body)
    await town.ask("DELETE", "staff/me/tokens", 204, by="tim")
    await town.ask("GET", "staff/me", 401, key=town.tokens["tim"])


async def test_a_member_of_the_staff_that_cannot_be_is_refused(town: Town):
    for change in ({"roles": []}, {"roles": ["boss"]}, {"name": NUL}, {"email": "x"}, {"phone": "1"}):
        body = {"name": "Ann", "email": "ann@provider.example", "roles": ["tam"], **change}
        assert (await town.ask("POST", "staff", 422, by="ada", body=body))["code"] == "1300"


async def test_what_does_not_exist_is_not_found(town: Town):
    for number, (method, path, by) in itertools.product(("0", "999", "x", "1" * 30, "%00", "-1", "²"), (
        ("GET", "staff/{}", "ada"), ("DELETE", "staff/{}", "ada"), ("GET", "contacts/{}", ""),
        ("DELETE", "contacts/{}", "cia"), ("GET", "contract/order-forms/{}", ""),
        ("GET", "contract/tam?account_id={}", "ada"), ("DELETE", "staff/me/covers/{}", "tim"),
        ("POST", "contacts/{}/email-verification", ""),
    )):  # fmt: skip
        await town.ask(method, path.format(number), 404 if number != "%00" or "?" not in path else 400, by=by)


# whose --------------------------------------------------------------------------------------------------------------------


async def test_another_account_sees_and_changes_nothing_of_this_one(town: Town):
    made = await town.ask("POST", "contacts", body=KIM)
    form = await town.ask("POST", "contract/order-forms", by="ada", body=FORM)
    await town.ask("PUT", "contract/tam", by="ada", body={"person_id": town.staff["tim"].person_id})
    pin = await town.ask("POST", "contract/pin")
    stranger = await town.door.stranger()
    whose = f"account_id={town.account_id}"
    for path in ("contacts", "contract/order-forms", "audit"):
        assert await town.ask("GET", f"{path}?{whose}", key=stranger) == []
    shown = await town.ask("GET", f"contract?{whose}", key=stranger)
    assert (shown["zone"], shown["tam"], shown["pin_set_at"], shown["contacts"]["authorised"]) == (None, None, None, 0)
    assert await town.ask("GET", f"contract/tam?{whose}", key=stranger) == {"now": None, "assignments": []}
    one = f"contacts/{made['contact_id']}"
    for method, path, body in (
        ("GET", one, None), ("PUT", one, {"name": "x"}), ("DELETE", one, None), ("POST", f"{one}/email-verification", None),
        ("PUT", f"{one}/email-verification", {"code": "x"}), ("GET", f"contract/order-forms/{form['order_form_id']}", None),
    ):  # fmt: skip
        await town.ask(method, f"{path}?{whose}", 404, key=stranger, body=body)
    theirs = await town.ask("POST", f"contract/pin?{whose}", key=stranger)
    assert await contacts.account_by_pin(town.pool, MASTER_KEY, pin["pin"]) == town.account_id
    assert await contacts.account_by_pin(town.pool, MASTER_KEY, theirs["pin"]) != town.account_id
    await town.ask("POST", f"contacts?{whose}", key=stranger, body=KIM)
    assert len(await town.ask("GET", "contacts")) == 1
    assert await town.ask("GET", "contacts") == [made]


async def test_grants_and_tokens_are_needed_and_staff_says_whose(town: Town):
    reads = await town.door.door.key_with("support/view")
    without = await town.door.door.key_with(*sorted(KEY_GRANTS - {"support/view", "support/manage"}))
    await town.ask("GET", "contract", key=reads)
    for method, path, body in (
        ("POST", "contacts", KIM), ("POST", "contract/pin", None), ("GET", "audit", None), ("GET", "staff", None),
        ("GET", "staff/me", None), ("POST", "contract/order-forms", FORM),
    ):  # fmt: skip
        await town.ask(method, path, 403, key=reads, body=body)
    for path in ("contract", "contacts", "contract/tam", "contract/order-forms", "hours"):
        await town.ask("GET", path, 403, key=without)
        await town.ask("GET", path, 401, key="f" * 40)
        await town.ask("GET", path, 401, key="staff_nothing")
    error = await town.ask("GET", "contract", 400, key=town.tokens["ada"])
    assert "account_id" in error["description"]
