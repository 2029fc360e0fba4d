"""Nobody reads, changes or infers what belongs to another tenant: every route is walked, as the OpenAPI document lists them.

Three intruders try each route on what belongs to subaccount B and to the primary account: a key of subaccount A, a primary key
that acts as A, and a key of another account. They get what they would get for something that does not exist, find no trace
of it in any list, and leave every row as it was. A new route must be added to WALK, or to OPEN if it needs no key;
both are in tests/kit/tenant_walk.py.
"""

import re
import uuid
from datetime import timedelta
from typing import Any

import pytest

from homing.accounts import store as accounts
from homing.accounts.grants import KEY_GRANTS, SUBACCOUNT_KEY_GRANTS
from homing.events import store as events
from homing.ground import ids
from tests.house.test_documents import routes as documented_routes
from tests.kit.resources import resource_door
from tests.kit.target import target
from tests.kit.tenant_walk import (
    NOW,
    OF_THE_ACCOUNT,
    OPEN,
    PROGRAMME,
    WALK,
    A,
    B,
    Way,
    filled,
    way_of,
)
from tests.kit.tenants import Intruder, Tenant, Town, intruder, rows_of, settle
from tests.store.test_metrics_store import follow


@pytest.fixture
async def town(pool):
    await events.ensure_partitions(pool, NOW.date())
    async with target() as app, resource_door(pool, target_ports=(app.port,)) as door:
        third = await accounts.get_or_create_account(pool, "third")
        key = await accounts.create_key(pool, account_id=third.account_id, label="t", grants=sorted(KEY_GRANTS))
        b = await settle(door, app, "kumquat", door.door.key, door.account_id, B)
        primary = await settle(door, app, "quince", door.door.key, door.account_id, 0)
        elsewhere = await settle(door, app, "medlar", key.clear, third.account_id, 0)
        await follow(pool)
        yield Town(door, app, b, primary, elsewhere)


class Trial:
    """One intruder's tries."""

    def __init__(self, town: Town, who: Intruder) -> None:
        self.town = town
        self.who = who
        self.number = 0

    def nobodys(self) -> dict[str, str]:
        """Return names that nobody has, new ones each time."""
        self.number += 1
        n = self.number
        return {
            "template": f"nobody{n}-tpl",
            "snippet": f"nobody{n}-snip",
            "domain": f"nobody{n}.test",
            "inbound": f"in.nobody{n}.test",
            "tracking": f"click.nobody{n}.test",
            "alert": str(9_000_000 + n),
            **{kind: str(9_000_000 + n) for kind in PROGRAMME},
            "case": str(9_000_000 + n),
            "month": "2026-01",
            "day": "2026-01-01",
            "witness": str(uuid.uuid4()),
            "sev1": f"S1-{9_000_000 + n}",
            "contact": str(9_000_000 + n),
            "contact_address": f"contact@nobody{n}.test",
            "form": str(9_000_000 + n),
            "ab_test": f"nobody{n}-test",
            "draft": f"nobody{n}-draft",
            "batch": str(uuid.uuid4()),
            "import": str(uuid.uuid4()),
            "validated": str(uuid.uuid4()),
            "pool": f"nobody{n}-pool",
            "address": f"203.0.113.{n % 250}",
            "recipient": f"kim@nobody{n}.test",
            "campaign": f"nobody{n}",
            "list": f"nobody{n}-list",
            "webhook": str(uuid.uuid4()),
            "relay": str(9_000_000 + n),
            "key": str(9_000_000 + n),
            "subaccount": str(9_000_000 + n),
            "transmission": ids.to_digits(ids.compose(3, 9, n)),
            "sent": ids.to_digits(ids.compose(3, 9, n)),
            "message": ids.compose(3, 9, n).hex(),
        }

    async def ask(self, route: str, way: Way, body: Any, query: str, things: dict[str, str]) -> tuple[int, str]:
        """Return status and text of an answer, with the names that were asked for made alike."""
        values = {
            **things,
            "own": self.who.own_domain,
            "target": self.town.app.url,
            "hour": f"{NOW - timedelta(hours=1):%Y-%m-%dT%H:%M}",
        }
        method, _, path = route.partition(" ")
        if way.thing:
            path = path_to(path, things[way.thing])
        query = filled(query, values)
        more: dict[str, Any] = {} if body is None else {"json": filled(body, values)}
        answer = await self.town.client.request(method, f"{path}?{query}" if query else path, headers=self.who.headers, **more)
        assert answer.status_code < 500, (route, answer.text)
        text = answer.text
        for value in sorted(things.values(), key=len, reverse=True):
            text = text.replace(f"'{value}'" if value.isdigit() else value, "it")
        return answer.status_code, without_own_ids(text)

    async def on_things(self, route: str, way: Way, victim: Tenant) -> None:
        """What the path names is the victim's: it is as if it did not exist."""
        for body in way.bodies:
            for query in way.queries:
                told = await self.ask(route, way, body, query, victim.things)
                expected = await self.ask(route, way, body, query, self.nobodys())
                assert told == expected, f"{self.who.name} learns something of {victim.mark} by {route}"
                self.check_traces(route, victim, told[1])

    async def on_all(self, route: str, way: Way, victim: Tenant) -> None:
        """The path names nothing: the answer holds no trace, and names of the victim's are as good as any."""
        for body in way.bodies:
            for query in way.queries:
                told = await self.ask(route, way, body, query, victim.things)
                others = self.town.elsewhere.things if way.is_global else self.nobodys()
                expected = await self.ask(route, way, body, query, others)
                assert told[0] == expected[0], (f"{self.who.name} learns something of {victim.mark} by {route}", told, expected)
                if body is not None or query:
                    assert told[1] == expected[1], f"{self.who.name} learns something of {victim.mark} by {route} {query}"
                self.check_traces(route, victim, told[1])

    def check_traces(self, route: str, victim: Tenant, text: str) -> None:
        found = [trace for trace in victim.traces() if trace in text]
        assert not found, f"{self.who.name} sees {found} by {route}: {text[:500]}"


def path_to(path: str, thing: str) -> str:
    """Return a path that names a thing; what it names of the thing is its first DKIM key."""
    return re.sub(r"\{\w+\}", "default", re.sub(r"\{\w+\}", lambda _: thing, path, count=1))


def without_own_ids(text: str) -> str:
    """Return an answer without what differs by chance: ids and keys that were just made, moments."""
    text = re.sub(
        r'"(id|key|short_key|href|reference|pin|signing_secret|webhook_id|dkim|public|value|updated|created|timestamp|due_local)"'
        r':"[^"]*"',
        r'"\1":""',
        text,
    )
    text = re.sub(r'"(subaccount_id|contact_id|id|number)":\d+', r'"\1":0', text)
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)", "", text)


async def operations(town: Town) -> dict[str, bool]:
    """Return every route of the door, and whether it needs a key or a token."""
    document = (await town.client.get("/api/openapi.json")).json()
    return {
        f"{method.upper()} {path}": bool(operation["x-homing-grants"])
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if operation["x-homing-grants"] or "x-homing-staff" not in operation
    }


async def test_no_key_of_a_customer_opens_what_is_the_staffs(town: Town):
    document = (await town.client.get("/api/openapi.json")).json()
    routes = [
        (method, path)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if "x-homing-staff" in operation and not operation["x-homing-grants"]
    ]
    assert len(routes) > 5
    for method, path in routes:
        for key in (town.door.door.key, await town.door.stranger(), "staff_" + "0" * 40, ""):
            answer = await town.client.request(method, re.sub(r"\{\w+\}", "1", path), headers={"Authorization": key})
            assert answer.status_code in (401, 403), (method, path, answer.text)


async def test_every_route_is_walked(town: Town):
    routes = await operations(town)
    document = (await town.client.get("/api/openapi.json")).json()
    there = {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}
    missing = {f"{method} {path}" for method, path in documented_routes()} - there
    assert not missing, f"add them to the door of tests/kit/resources.py, so that they are walked here: {sorted(missing)}"
    unknown = sorted(route for route, guarded in routes.items() if guarded and way_of(route) is None)
    assert not unknown, f"say in WALK what an intruder would try on them: {unknown}"
    assert {route for route, guarded in routes.items() if not guarded} == OPEN, "a route without grants: is it open on purpose?"
    assert set(WALK) <= set(routes), "WALK names routes that are gone"


async def test_what_is_open_to_everybody_tells_of_nobody(town: Town):
    for route in sorted(route for route in OPEN if route.startswith("GET ")):
        answer = await town.client.get(route.partition(" ")[2].format(operation="create_snippet"), headers={"Authorization": ""})
        assert answer.status_code == 200
        for victim in (town.b, town.primary):
            assert not [trace for trace in victim.traces() if trace in answer.text], route


async def test_without_a_key_nothing_is_told(town: Town):
    for route, guarded in (await operations(town)).items():
        if guarded:
            method, _, path = route.partition(" ")
            way = way_of(route)
            assert way is not None
            path = path_to(path, town.b.things.get(way.thing, "1"))
            answer = await town.client.request(method, path, headers={"Authorization": "0" * 40})
            assert (answer.status_code, answer.json()) == (401, {"errors": [{"message": "Unauthorized."}]}), route


@pytest.mark.parametrize("name", ["key of A", "primary key that acts as A", "stranger"])
async def test_a_tenant_neither_reads_nor_changes_nor_infers_what_is_anothers(town: Town, name: str):
    who = await intruder(town, name)
    trial = Trial(town, who)
    victims = (town.b, town.primary)
    before = [await rows_of(town.door.pool, victim) for victim in victims]
    walked = {
        route: way
        for route, guarded in (await operations(town)).items()
        if guarded and (way := way_of(route)) is not None
        if not (name.startswith("primary") and route.partition(" ")[2].startswith(OF_THE_ACCOUNT))
    }
    # What the path names comes first, and what makes something last: the intruder may then have his own by the same name.
    order = ("GET", "DELETE", "PUT", "POST")
    places = {route: number for number, route in enumerate(WALK)}
    ordered = sorted(
        walked, key=lambda route: (order.index(route.partition(" ")[0]), not walked[route].thing, places.get(route, -1), route)
    )
    for victim in victims:
        for route in ordered:
            way = walked[route]
            if way.thing in victim.things:
                await trial.on_things(route, way, victim)
            elif not way.thing:
                await trial.on_all(route, way, victim)
    after = [await rows_of(town.door.pool, victim) for victim in victims]
    for victim, was, is_now in zip(victims, before, after, strict=True):
        changed = {table for table in was if was[table] != is_now[table]}
        assert not changed, f"{name} changed rows of {victim.mark} in {changed}"


async def test_the_victims_see_their_own(town: Town):
    """So the walk would have found what is there."""
    door = town.door
    for victim, sub in ((town.b, str(B)), (town.primary, "0")):
        for route, way in WALK.items():
            method, _, path = route.partition(" ")
            if method == "GET" and way.thing and way.thing in victim.things and not path.startswith("/api/v1/metrics"):
                path = path_to(path, victim.things[way.thing])
                answer = await town.client.get(path, headers={"X-MSYS-SUBACCOUNT": sub})
                expected = 404 if way.thing == "list" and sub != "0" else 200
                expected = 409 if path.endswith("/results") else expected  # it is there, but not complete
                expected = 404 if "/documents/default" in path else expected  # no document has that number
                expected = 404 if path.endswith("/attachments/default") else expected  # no file is called so
                assert answer.status_code == expected, (route, answer.text)
        found = await door.call("GET", f"events/message?recipients={victim.things['recipient']}")
        assert len(found.json()["results"]) == 2
        hour = f"{NOW - timedelta(hours=1):%Y-%m-%dT%H:%M}"
        figures = await door.call("GET", f"metrics/deliverability/campaign?from={hour}&campaigns={victim.mark}")
        assert victim.mark in figures.text


async def test_a_subaccount_of_another_account_cannot_be_told_from_one_that_does_not_exist(town: Town):
    key = await town.door.stranger()
    for route in WALK:
        method, _, path = route.partition(" ")
        if "{" in path:
            continue
        answers = [
            await town.client.request(method, path, headers={"Authorization": key, "X-MSYS-SUBACCOUNT": number}, json={})
            for number in (str(B), "4242")
        ]
        assert [answer.status_code for answer in answers] == [400, 400], route
        assert answers[0].text.replace(f"subaccount {B}", "") == answers[1].text.replace("subaccount 4242", ""), route


async def test_a_shared_thing_can_be_used_by_subaccounts_and_changed_by_none(town: Town):
    door, key = town.door, await town.door.door.key_with(*SUBACCOUNT_KEY_GRANTS, subaccount_id=A)
    shared = {"shared_with_subaccounts": True}
    things = town.primary.things
    for path in (f"templates/{things['template']}", f"sending-domains/{things['domain']}"):
        assert (await door.call("PUT", path, json=shared)).status_code == 200
    assert (await town.client.put(f"/api/labs/snippets/{things['snippet']}", json=shared)).status_code == 200
    content = {"template_id": things["template"]}
    sent = await door.door.send(headers={"Authorization": key}, content=content)
    assert sent.status_code == 200
    assert door.door.queue.chunks[-1].facts.subaccount_id == A
    assert (await door.call("GET", f"templates/{things['template']}", key=key)).status_code == 200
    for path, body in (
        (f"/api/v1/templates/{things['template']}", {"name": "mine"}),
        (f"/api/v1/sending-domains/{things['domain']}", {"shared_with_subaccounts": False}),
        (f"/api/labs/snippets/{things['snippet']}", {"name": "mine"}),
    ):
        assert (await town.client.put(path, json=body, headers={"Authorization": key})).status_code == 404
        assert (await town.client.delete(path, headers={"Authorization": key})).status_code == 404
    stranger = {"Authorization": await door.stranger()}
    assert (await door.door.send(headers=stranger, content=content)).status_code == 422
    assert (await town.client.get(f"/api/labs/snippets/{things['snippet']}", headers=stranger)).status_code == 404
