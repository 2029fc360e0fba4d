"""Tenants who have one of everything, and intruders who have nothing of theirs (tests/wire/test_tenant_isolation.py)."""

import gzip
from datetime import timedelta
from typing import Any, NamedTuple

import httpx

from homing.accounts import store as accounts
from homing.accounts.grants import SUBACCOUNT_KEY_GRANTS
from homing.api.v1.support_contract_wire import OrderFormIn, order_form_in
from homing.contracts import store as contracts
from homing.egress import store as egress
from homing.egress.types import SendingIp
from homing.events.types import EventType
from homing.ground import db, ids
from homing.support.tam import notes
from homing.support.tam.desk import Taken
from homing.support.tam.rules import states
from homing.support.tam.rules.states import Decision
from homing.support.tam.types import Record, RecordKind
from tests.kit.cases import TAM as STAFF
from tests.kit.resources import ResourceDoor
from tests.kit.tam import AGENDA, RAMP, TASKS
from tests.kit.target import Target
from tests.kit.tenant_walk import AB_TEST, ALERT, NOW, A, B, filled
from tests.store.test_events import append
from tests.wire.test_api_ingest import NDJSON


class Tenant(NamedTuple):
    """Somebody who has one of everything. mark is in every name that he chose."""

    mark: str
    account_id: int
    subaccount_id: int
    things: dict[str, str]

    def traces(self) -> list[str]:
        """Return what must not be found in an answer to somebody else."""
        return [self.mark, *(self.things[thing] for thing in ("webhook", "relay", "transmission", "sent", "message"))]


class Intruder(NamedTuple):
    name: str
    headers: dict[str, str]
    own_domain: str


class Town(NamedTuple):
    door: ResourceDoor
    app: Target
    b: Tenant
    primary: Tenant
    elsewhere: Tenant

    @property
    def client(self) -> httpx.AsyncClient:
        return self.door.door.client


async def programme(door: ResourceDoor, mark: str, account_id: int) -> dict[str, str]:
    """Let the staff work with a tenant; return its records by kind."""
    desk, pool = door.tam.desk, door.pool
    made = {
        "onboarding": await desk.open(account_id, RecordKind.ONBOARDING, mark, STAFF, content=TASKS),
        "migration": await desk.open(account_id, RecordKind.MIGRATION, mark, STAFF, content=RAMP),
        "review": await desk.open(account_id, RecordKind.REVIEW, mark, STAFF, meets_at=NOW + timedelta(days=9), topics=AGENDA),
        "advice": await desk.open(account_id, RecordKind.RECOMMENDATION, mark, STAFF, text=mark),
        "lesson": await desk.open(account_id, RecordKind.EDUCATION, mark, STAFF, text=mark),
    }
    numbers = {kind: one.record_id for kind, one in made.items() if isinstance(one, Record)}

    async def delivered(taken: Taken) -> Decision:
        return states.deliver(taken.record, "in a call")

    await desk.act(numbers["lesson"], STAFF, delivered)
    note = await notes.write(pool, desk.legal, door.tam.figures, STAFF, title=mark, body="x")
    assert isinstance(note, notes.Note)
    await notes.send(pool, desk.legal, door.tam.figures, STAFF, note.note_id, wanted=[account_id], may=None)
    return {kind: str(number) for kind, number in numbers.items()} | {"note": str(note.note_id)}


async def settle(door: ResourceDoor, app: Target, mark: str, key: str, account_id: int, number: int) -> Tenant:
    """Give a tenant one of everything, by the API itself where it can."""
    things = {
        "template": f"{mark}-tpl",
        "snippet": f"{mark}-snip",
        "domain": f"{mark}.test",
        "inbound": f"in.{mark}.test",
        "tracking": f"click.{mark}.test",
        "recipient": f"kim@{mark}.test",
        "campaign": mark,
        "list": f"{mark}-list",
        "ab_test": f"{mark}-test",
        "draft": f"{mark}-draft",
    }

    async def made(method: str, path: str, body: Any) -> Any:
        prefix = "" if path.startswith("/") else "/api/v1/"
        headers = {"Authorization": key, "X-MSYS-SUBACCOUNT": str(number)}
        answer = await door.door.client.request(method, prefix + path, json=body, headers=headers)
        assert answer.status_code == 200, (path, answer.text)
        return answer.json().get("results", {})

    async def uploaded(path: str, text: str | bytes, **more: str) -> Any:
        headers = {"Authorization": key, "X-MSYS-SUBACCOUNT": str(number)} | (more or {"Content-Type": "text/csv"})
        answer = await door.door.client.post(f"/api/v1/{path}", content=text, headers=headers)
        assert answer.status_code in (200, 202), (path, answer.text)
        return answer.json()["results"]

    content = {"from": f"news@{things['domain']}", "subject": mark, "text": mark}
    await made("POST", "sending-domains", {"domain": things["domain"], "dkim_key_length": 1024})
    await door.pool.execute("UPDATE sending_domains SET trusted = true WHERE domain = $1", things["domain"])
    await made("POST", "templates", {"id": things["template"], "name": mark, "content": content, "published": True})
    await made("POST", "templates", {"id": f"{things['template']}-b", "name": mark, "content": content, "published": True})
    test = filled(AB_TEST, things)
    await made("POST", "ab-test", {**test, "id": things["ab_test"], "name": mark})
    await made("POST", "ab-test/draft", {**test, "id": things["draft"], "name": mark})
    await made("PUT", f"templates/{things['template']}", {"content": {**content, "subject": f"{mark} draft"}})
    await made("POST", "/api/labs/snippets", {"id": things["snippet"], "name": mark, "content": {"text": mark}})
    row = {"type": "non_transactional", "description": mark}
    await made("PUT", f"suppression-list/{things['recipient']}", row)
    await door.pool.execute("UPDATE suppressions SET source = 'Compliance' WHERE recipient = $1", things["recipient"])
    hook = {"name": mark, "target": app.url, "events": ["delivery"]}
    things["webhook"] = (await made("POST", "webhooks", hook))["id"]
    await made("POST", "tracking-domains", {"domain": things["tracking"]})
    alert = filled(ALERT, {"template": mark, "target": app.url})
    things["alert"] = str((await made("POST", "alerts", alert))["id"])
    things["import"] = (await uploaded("suppression-list/import", f"recipient,type\nlee@{mark}.test,transactional\n"))["id"]
    things["validated"] = (await uploaded("recipient-validation/upload", f"lee@{mark}.test\n"))["list_id"]
    things["batch"] = (await uploaded("ingest/events", gzip.compress(b"{}\n"), **NDJSON))["id"]
    things["pool"] = (await made("POST", "ip-pools", {"name": f"{mark}-pool"}))["id"]
    things["address"] = f"198.51.100.{account_id * 20 + number}"
    given = SendingIp(address=things["address"], hostname=f"{mark}.test", account_id=account_id, pool_id=things["pool"])
    await egress.assign(door.pool, given, today=NOW.date())
    reported = {"description": mark, "company": mark, "name": mark, "email": f"kim@{mark}.test"}
    kim = {"name": mark, "email": f"contact@{mark}.test"}
    things["contact"] = str((await made("POST", "support/contacts", kim))["contact_id"])
    things["contact_address"] = kim["email"]
    things["form"] = str(await order_form(door.pool, account_id, mark))
    things["sev1"] = (await made("POST", "support/sev1", reported))["reference"]
    await made("POST", "inbound-domains", {"domain": things["inbound"]})
    relay = {"name": mark, "target": app.url, "match": {"domain": things["inbound"]}}
    things["relay"] = (await made("POST", "relay-webhooks", relay))["id"]
    things |= await programme(door, mark, account_id)
    case = {"subject": mark, "text": f"{mark} is slow", "attachments": [{"name": f"{mark}.txt", "data": ""}]}
    things["case"] = str((await made("POST", "support/cases", case))["number"])
    things["key"] = (await made("POST", "api-keys", {"label": mark, "grants": ["smtp/inject"]}))["id"]
    later = (NOW + timedelta(days=1)).isoformat(timespec="seconds")
    scheduled = {"recipients": [{"address": things["recipient"]}], "content": content, "campaign_id": mark}
    things["transmission"] = (await made("POST", "transmissions", {**scheduled, "options": {"start_time": later}}))["id"]
    if not number:
        await made("POST", "recipient-lists", {"id": things["list"], "name": mark, "recipients": scheduled["recipients"]})
        others = await made("POST", "subaccounts", {"name": mark, "setup_api_key": False})
        things["subaccount"] = str(others["subaccount_id"])
    else:
        await made("PUT", f"subaccounts/{number}", {"name": mark})
        things["subaccount"] = str(number)
    message = ids.compose(1, 5, account_id * 100 + number)
    transmission = ids.compose(1, 6, account_id * 100 + number)
    things["message"], things["sent"] = message.hex(), ids.to_digits(transmission)
    for kind in (EventType.INJECTION, EventType.BOUNCE):
        await append(
            door.pool,
            day=NOW.date(),
            at=NOW - timedelta(minutes=10),
            type=kind,
            account_id=account_id,
            subaccount_id=number,
            message_id=message,
            transmission_id=transmission,
            recipient=things["recipient"],
            recipient_domain=things["domain"],
            campaign_id=mark,
            detail={
                "subject": mark,
                "template_id": mark,
                "sending_domain": things["domain"],
                "reason": f"550 {mark}",
                "ip_pool": mark,
            }
            | ({"bounce_class": "10"} if kind is EventType.BOUNCE else {}),
        )
    return Tenant(mark, account_id, number, things)


async def order_form(pool: db.Pool, account_id: int, mark: str) -> int:
    """Return the number of an account's Order Form."""
    known = await contracts.order_forms_of(pool, account_id)
    if known:
        return known[0].order_form_id
    given = OrderFormIn(plan=mark, zone="PT")
    made = await contracts.add_order_form(pool, order_form_in(given, account_id=account_id, now=NOW), actor=mark)
    assert made is not None
    return made.order_form_id


async def intruder(town: Town, name: str) -> Intruder:
    door = town.door.door
    if name == "stranger":
        await door.domain("stranger.test", account_id=await stranger_id(town.door.pool))
        return Intruder(name, {"Authorization": await town.door.stranger()}, "stranger.test")
    await door.domain("own.test", subaccount_id=A)
    if name == "key of A":  # it is pinned, so the header changes nothing
        key = await door.key_with(*SUBACCOUNT_KEY_GRANTS, subaccount_id=A)
        return Intruder(name, {"Authorization": key, "X-MSYS-SUBACCOUNT": str(B)}, "own.test")
    return Intruder(name, {"Authorization": door.key, "X-MSYS-SUBACCOUNT": str(A)}, "own.test")


async def stranger_id(pool: db.Pool) -> int:
    return (await accounts.get_or_create_account(pool, "stranger")).account_id


async def rows_of(pool: db.Pool, victim: Tenant) -> dict[str, list[str]]:
    """Return every row that belongs to a tenant, of whatever table says whose its rows are."""
    columns = await pool.fetch(
        "SELECT c.relname AS table_name, a.attname AS column_name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
        "WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace "
        "AND a.attname IN ('account_id', 'subaccount_id')"
    )
    tables: dict[str, set[str]] = {}
    for row in columns:
        tables.setdefault(row["table_name"], set()).add(row["column_name"])
    found = {}
    for table, known in sorted(tables.items()):
        if "account_id" not in known or table.startswith("usage_"):
            continue
        where = f"account_id = {victim.account_id}"
        where += f" AND subaccount_id = {victim.subaccount_id}" if "subaccount_id" in known else ""
        where += f" AND subaccount_id <> {A}" if table == "subaccounts" and not victim.subaccount_id else ""
        rows = await pool.fetch(f"SELECT row_to_json(t)::text AS row FROM {table} t WHERE {where} ORDER BY 1")
        found[table] = [row["row"] for row in rows]
    keys = await pool.fetch(
        "SELECT row_to_json(k)::text AS row FROM dkim_keys k WHERE domain = $1 ORDER BY 1", victim.things["domain"]
    )
    return found | {"dkim_keys": [row["row"] for row in keys]}
