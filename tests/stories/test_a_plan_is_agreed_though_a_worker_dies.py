"""A TAM and a customer: the mail that asks for agreement leaves though a worker dies; a review shows what the metrics show."""

import asyncio
import json
import signal
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from homing.accounts import store as accounts
from homing.contracts import contacts, people
from homing.contracts import store as contracts
from homing.contracts.types import Contact, ContactRole, Role, StaffMember
from homing.events.types import EventType
from homing.ground import db
from tests.kit.house import DEFAULT_ACCOUNT, House
from tests.kit.neighbours import Neighbours
from tests.kit.postgres import TestServer

TASKS = [{"title": "Verify acme.test", "kind": "authentication", "owner": "customer"}]
AGENDA = [{"kind": kind, "text": "x"} for kind in ("new_needs", "capacity", "features")]


@pytest.fixture
def served(postgres_server: TestServer, neighbours: Neighbours) -> Iterator[House]:
    settings = {"support_address": "help@acme.test"}
    with postgres_server.fresh() as dsn, House(neighbours, database=dsn, settings=settings, workers=1) as house:
        yield house


async def people_of(dsn: str) -> tuple[int, str]:
    """Give the first account a TAM and a contact; return its number, and a token of the TAM."""
    async with db.pool(dsn, name="test") as pool:
        account_id = (await accounts.get_or_create_account(pool, DEFAULT_ACCOUNT)).account_id
        wanted = StaffMember(person_id=0, name="Tam", email="tam@friends.test", phone="", roles=frozenset({Role.TAM}))
        member = await people.add(pool, wanted, actor="operator")
        assert member is not None
        await contracts.assign_tam(pool, account_id, member.person_id, begins_at=datetime.now(UTC), actor="operator")
        kim = Contact(
            contact_id=0,
            account_id=account_id,
            name="Kim",
            email="pat@friends.test",
            email_verified_at=None,
            role=ContactRole.AUTHORISED,
            may_sign=True,
            may_open_sev1=True,
            language="en",
        )
        await contacts.add(pool, kim, actor="operator")
        return account_id, await people.new_token(pool, member.person_id, label="t", actor="operator")


def test_a_plan_is_agreed_though_a_worker_dies_and_a_review_shows_what_the_metrics_show(served: House, neighbours: Neighbours):
    house = served
    account_id, staff = asyncio.run(people_of(house.dsn))

    def by_tam(path: str, **body: Any) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{house.http_port}/api/v1/support/{path}",
            data=json.dumps(body).encode(),
            headers={"Authorization": staff, "Content-Type": "application/json"},
            method="POST",
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)["results"]

    plan = by_tam("onboarding-plans", account_id=account_id, title="First mail", tasks=TASKS)
    (killed,) = house.workers()
    house.signal(killed, signal.SIGKILL)
    house.wait_until(lambda: killed not in house.workers() and house.is_ready(), 60, "another worker is ready")
    house.sql("UPDATE tam_letters SET claimed_until = now()")  # two minutes later: what the dead worker had claimed is free
    path = f"/api/v1/support/onboarding-plans/{plan['number']}"

    def asked() -> bool:
        status, seen = house.get(path)
        return status == 200 and seen["results"]["awaits"] == "customer"

    house.wait_until(asked, 60, "the customer is asked")
    house.wait_until(lambda: neighbours.received_by("pat@friends.test"), 30, "the mail has arrived")
    assert house.sql("SELECT count(sent_at) FROM tam_letters WHERE purpose = 'proposal'") == [(1,)]
    status, agreed = house.call(f"{path}/agreement", {"version": 1, "contact": "pat@friends.test"})
    assert (status, agreed["results"]["state"]) == (200, "agreed")
    house.wait_until(lambda: neighbours.received_by("tam@friends.test"), 30, "the TAM is told")

    house.post([f"reader{number}@friends.test" for number in range(5)] + ["nobody1@friends.test"])
    house.wait_empty()
    whole = "/api/v1/metrics/deliverability?from=2026-01-01T00:00Z&precision=day&metrics="
    names = "count_injected,count_sent,count_delivered,count_bounce,count_hard_bounce"

    def counted() -> Any:
        _, answer = house.get(whole + names)
        (row,) = answer["results"]
        # Six of his own, and three that the platform wrote in his name; four if the worker was killed before it noted one.
        return row if row["count_sent"] == row["count_injected"] == handed_in() and row["count_sent"] in (9, 10) else None

    def handed_in() -> int:
        asked_for = "SELECT count(*) FROM events WHERE type = %s AND account_id = %s"
        return int(house.sql(asked_for, int(EventType.INJECTION), account_id)[0][0])

    review = by_tam("planning-reviews", account_id=account_id, title="Summer", meets_at="2098-06-15T14:00:00Z", topics=AGENDA)
    shown = house.wait_until(counted, 30, "the metrics have all of it, the invitation too")
    by_tam(f"planning-reviews/{review['number']}/documents")
    _, made = house.get(f"/api/v1/support/planning-reviews/{review['number']}/documents/1")
    assert {name: made["results"]["counts"][name] for name in names.split(",")} == shown
    assert made["results"]["capacity"]["messages"] >= 6
