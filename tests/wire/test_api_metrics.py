"""/api/v1/metrics: what the log holds, summed up; each sees its own figures alone."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from homing.accounts import store as accounts
from homing.accounts.grants import SUBACCOUNT_KEY_GRANTS
from homing.events import store as events
from homing.events.types import EventType
from homing.ground import db
from tests.kit.resources import ResourceDoor, resource_door
from tests.store.test_events import append
from tests.store.test_metrics_store import follow

NOW = datetime.now(UTC)
HOUR = f"{NOW - timedelta(hours=1):%Y-%m-%dT%H:%M}"
NEWS: dict[str, Any] = {"ip_pool": "bulk", "sending_domain": "acme.test", "template_id": "welcome"}
SENT = {**NEWS, "sending_ip": "192.0.2.1", "mailbox_provider": "Gmail", "mailbox_provider_region": "Global", "num_retries": "0"}


async def fill(pool: db.Pool, account_id: int) -> None:
    """A morning: 4 of spring to two domains, one bounces at once, one comes back later, one is refused by policy."""

    async def happen(kind: EventType, message: int, domain: str = "there.test", sub: int = 0, **detail: Any) -> None:
        await append(
            pool,
            day=NOW.date(),
            at=NOW - timedelta(minutes=5),
            type=kind,
            account_id=account_id,
            subaccount_id=sub,
            message_id=message.to_bytes(10, "big"),
            recipient_domain=domain,
            campaign_id=detail.pop("campaign", "spring"),
            detail={**NEWS, **detail},
        )

    for message in (1, 2, 3):
        await happen(EventType.INJECTION, message)
    await happen(EventType.INJECTION, 4, "gmail.test", sub=7)
    await happen(EventType.DELAY, 1, reason="451 4.7.1 greylisted", **SENT)
    await happen(EventType.DELIVERY, 1, **{**SENT, "num_retries": "1", "msg_size": "1000", "queue_time": "60000"})
    await happen(EventType.DELIVERY, 2, **SENT, msg_size="500", queue_time="100")
    await happen(EventType.BOUNCE, 3, bounce_class="10", reason="550 5.1.1 no such user", **SENT)
    await happen(EventType.DELIVERY, 4, "gmail.test", sub=7, **SENT, msg_size="70", queue_time="7")
    await happen(EventType.OUT_OF_BAND, 2, bounce_class="22", reason="552 5.2.2 full", **SENT)
    await happen(EventType.POLICY_REJECTION, 5, reason="550 5.7.1 Unconfigured Sending Domain <x.test>", campaign="autumn")
    for _ in range(2):
        await happen(EventType.CLICK, 1, target_link_name="Shop", **SENT)
    await happen(EventType.OPEN, 4, "gmail.test", sub=7, **SENT)
    await happen(EventType.LIST_UNSUBSCRIBE, 4, "gmail.test", sub=7)
    await follow(pool)


@pytest.fixture
async def door(pool):
    await events.ensure_partitions(pool, NOW.date())
    async with resource_door(pool) as made:
        await fill(pool, made.account_id)
        yield made


async def ask(door: ResourceDoor, path: str, *, key: str = "", **query: str) -> Any:
    given = "&".join(f"{name.rstrip('_')}={value}" for name, value in {"from_": HOUR, **query}.items())
    answer = await door.call("GET", f"metrics/{path}?{given}", key=key)
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]


async def test_the_root_leads_to_endpoints_that_answer(door: ResourceDoor):
    root = (await door.call("GET", "metrics")).json()
    assert root["results"] == {}
    assert {"href": "/api/v1/metrics/deliverability", "rel": "deliverability", "method": "GET"} in root["links"]
    for link in root["links"]:
        assert (await door.call("GET", f"{link['href'].removeprefix('/api/v1/')}?from={HOUR}")).status_code == 200


async def test_the_summary_is_one_row_of_all_figures(door: ResourceDoor):
    answer = (await door.call("GET", f"metrics/deliverability?from={HOUR}")).json()
    assert answer["links"] == [{"href": "/api/v1/metrics/deliverability", "rel": "deliverability", "method": "GET"}]
    (row,) = answer["results"]
    assert {name: number for name, number in row.items() if number} == {
        "count_targeted": 5,
        "count_injected": 4,
        "count_sent": 4,
        "count_accepted": 2,
        "count_delivered": 3,
        "count_delivered_first": 2,
        "count_delivered_subsequent": 1,
        "count_rendered": 1,
        "count_unique_rendered": 1,
        "count_unique_confirmed_opened": 2,
        "count_nonprefetched_rendered": 1,
        "count_nonprefetched_unique_rendered": 1,
        "count_nonprefetched_unique_confirmed_opened": 2,
        "count_clicked": 2,
        "count_unique_clicked": 1,
        "count_bounce": 2,
        "count_inband_bounce": 1,
        "count_outofband_bounce": 1,
        "count_hard_bounce": 1,
        "count_soft_bounce": 1,
        "count_rejected": 1,
        "count_policy_rejection": 1,
        "count_delayed": 1,
        "count_delayed_first": 1,
        "total_msg_volume": 1570,
        "total_delivery_time_first": 107,
        "total_delivery_time_subsequent": 60000,
    }


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("domain", [{"domain": "there.test", "n": 2}, {"domain": "gmail.test", "n": 1}]),
        ("sending-ip", [{"sending_ip": "192.0.2.1", "n": 3}]),
        ("ip-pool", [{"ip_pool": "bulk", "n": 3}]),
        ("sending-domain", [{"sending_domain": "acme.test", "n": 3}]),
        ("subaccount", [{"subaccount_id": 0, "n": 2}, {"subaccount_id": 7, "n": 1}]),
        ("campaign", [{"campaign_id": "spring", "n": 3}, {"campaign_id": "autumn", "n": 0}]),
        ("template", [{"template_id": "welcome", "n": 3}]),
        ("watched-domain", [{"watched_domain": "there.test", "n": 2}, {"watched_domain": "gmail.test", "n": 1}]),
        ("mailbox-provider", [{"mailbox_provider": "Gmail", "n": 3}]),
        ("mailbox-provider-region", [{"mailbox_provider_region": "Global", "n": 3}]),
        ("subject-campaign", []),
    ],
)
async def test_figures_by_what_they_are_about(door: ResourceDoor, path, expected):
    rows = await ask(door, f"deliverability/{path}", metrics="count_delivered")
    assert [{("n" if name == "count_delivered" else name): value for name, value in row.items()} for row in rows] == expected


async def test_rows_come_highest_first_and_at_most_as_many_as_wanted(door: ResourceDoor):
    rows = await ask(
        door, "deliverability/domain", metrics="count_delivered,count_rendered", order_by="count_rendered", limit="1"
    )
    assert rows == [{"domain": "gmail.test", "count_delivered": 1, "count_rendered": 1}]


async def test_rows_can_be_ordered_by_a_metric_that_is_not_shown(door: ResourceDoor):
    rows = await ask(door, "deliverability/domain", metrics="count_delivered", order_by="count_rendered")
    assert rows == [{"domain": "gmail.test", "count_delivered": 1}, {"domain": "there.test", "count_delivered": 2}]
    for path in ("bounce-reason", "bounce-classification"):
        rows = await ask(door, f"deliverability/{path}", metrics="count_bounce", order_by="count_outofband_bounce")
        assert [row["classification_id"] for row in rows] == [22, 10]
        assert "count_outofband_bounce" not in rows[0]
    query = f"from={HOUR}&metrics=count_bounce&order_by=count_injected"
    answer = await door.call("GET", f"metrics/deliverability/bounce-reason?{query}")
    assert answer.status_code == 400  # it is no metric of this endpoint


@pytest.mark.parametrize(
    ("query", "delivered"),
    [
        ({"domains": "there.test"}, 2),
        ({"domains": "There.test;gmail.test", "delimiter": ";"}, 3),
        ({"campaigns": "autumn"}, 0),
        ({"campaigns": "spring", "domains": "gmail.test"}, 1),
        ({"subaccounts": "0"}, 2),
        ({"subaccounts": "7,8"}, 1),
        ({"mailbox_providers": "Gmail", "templates": "welcome"}, 3),
        ({"subject_campaigns": "x"}, 0),
        ({"query_filters": '{"groupings":[{"AND":{"domains":{"eq":["there.test"],"like":["THERE"]}}}]}'}, 2),
        ({"query_filters": '{"groupings":[{"AND":{"domains":{"notLike":["mail"]}}}]}', "domains": "gmail.test"}, 2),
        ({"query_filters": '{"groupings":[{"OR":{"domains":{"eq":["gmail.test"]},"subaccounts":{"eq":[0]}}}]}'}, 3),
        ({"query_filters": '{"groupings":[{"AND":{"campaigns":{"notEq":["spring"]}}}]}'}, 0),
        ({"query_filters": '{"groupings":[{"AND":{"domains":{"like":["%__"]}}}]}'}, 0),
    ],
)
async def test_filters_leave_what_they_name(door: ResourceDoor, query, delivered):
    (row,) = await ask(door, "deliverability", metrics="count_delivered", **query)
    assert row == {"count_delivered": delivered}


async def test_a_time_series_has_a_row_for_each_stretch(door: ResourceDoor):
    rows = await ask(door, "deliverability/time-series", metrics="count_delivered,count_unsubscribe", precision="5min")
    stretches = (datetime.now(UTC) - NOW + timedelta(hours=1)) // timedelta(minutes=5)
    assert len(rows) in (stretches, stretches + 1, stretches + 2)
    assert sum(row["count_delivered"] for row in rows) == 3
    assert sum(row["count_unsubscribe"] for row in rows) == 1
    assert all(row["ts"].endswith("+00:00") for row in rows)
    rows = await ask(door, "deliverability/time-series", metrics="count_delivered", precision="hour", timezone="Asia/Kolkata",
                     from_=f"{NOW - timedelta(days=1):%Y-%m-%dT%H:%MZ}")  # fmt: skip
    assert sum(row["count_delivered"] for row in rows) == 3
    assert all(row["ts"].endswith(":00:00+05:30") for row in rows)
    days = await ask(door, "deliverability/time-series", metrics="count_delivered", precision="day",
                     from_=f"{NOW - timedelta(days=90):%Y-%m-%d}")  # fmt: skip
    assert len(days) == 91
    assert sum(row["count_delivered"] for row in days) == 3


async def test_bounces_by_reason_and_class(door: ResourceDoor):
    full, nobody = sorted(await ask(door, "deliverability/bounce-reason"), key=lambda row: -row["classification_id"])
    assert nobody == {
        "reason": "550 5.1.1 no such user",
        "bounce_class_name": "Invalid Recipient",
        "bounce_class_description": nobody["bounce_class_description"],
        "bounce_category_id": 1,
        "bounce_category_name": "Hard",
        "classification_id": 10,
        "count_bounce": 1,
        "count_inband_bounce": 1,
        "count_outofband_bounce": 0,
        "count_admin_bounce": 0,
    }
    assert (full["classification_id"], full["count_outofband_bounce"]) == (22, 1)
    with_domain = await ask(door, "deliverability/bounce-reason/domain", metrics="count_inband_bounce")
    assert [(row["domain"], row["reason"], row["count_inband_bounce"]) for row in with_domain] == [
        ("there.test", "550 5.1.1 no such user", 1)
    ]
    classes = await ask(door, "deliverability/bounce-classification", metrics="count_bounce")
    assert [row["classification_id"] for row in classes] == [10, 22]
    assert not {"reason", "bounce_category_id"} & set(classes[0])


async def test_rejections_delays_links_and_attempts(door: ResourceDoor):
    assert await ask(door, "deliverability/rejection-reason") == [
        {
            "reason": "550 5.7.1 Unconfigured Sending Domain <x.test>",
            "rejection_category_id": 1,
            "rejection_type": "Policy Rejection",
            "rejection_category_name": "Policy Rejection",
            "count_rejected": 1,
        }
    ]
    assert (await ask(door, "deliverability/rejection-reason/domain"))[0]["domain"] == "there.test"
    delay = {"reason": "451 4.7.1 greylisted", "count_delayed": 1, "count_delayed_first": 1}
    assert await ask(door, "deliverability/delay-reason", metrics="ignored") == [delay]
    assert await ask(door, "deliverability/delay-reason/domain") == [{**delay, "domain": "there.test"}]
    assert await ask(door, "deliverability/link-name") == [{"link_name": "Shop", "count_clicked": 2, "count_raw_clicked": 2}]
    assert await ask(door, "deliverability/attempt") == [
        {"attempt": "1", "count_delivered": 2},
        {"attempt": "2", "count_delivered": 1},
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("campaigns", ["autumn", "spring"]),
        ("domains", ["gmail.test", "there.test"]),
        ("ip-pools", ["bulk"]),
        ("sending-ips", ["192.0.2.1"]),
        ("sending-domains", ["acme.test"]),
        ("templates", ["welcome"]),
        ("mailbox-providers", ["Gmail"]),
        ("mailbox-provider-regions", ["Global"]),
        ("subject-campaigns", []),
    ],
)
async def test_names_are_listed(door: ResourceDoor, name, expected):
    assert await ask(door, name) == {name: expected}
    if expected:
        assert (await door.call("GET", f"metrics/{name}?limit=1")).json()["results"] == {name: expected[:1]}
        part = expected[-1][1:4]
        assert await ask(door, name, match=part.upper()) == {name: [one for one in expected if part in one.lower()]}


async def test_what_cannot_be_asked_says_why(door: ResourceDoor):
    async def refused(path: str) -> dict[str, Any]:
        answer = await door.call("GET", f"metrics/{path}")
        assert answer.status_code == 400
        (error,) = answer.json()["errors"]
        return error

    assert "from is required" in (await refused("deliverability"))["description"]
    assert "precision" in (await refused(f"deliverability?from={HOUR}&precision=week"))["description"]
    assert (await refused(f"deliverability?from={HOUR}&metrics=nope"))["code"] == "1200"
    broken = await refused(f'deliverability?from={HOUR}&query_filters={{"groupings":[{{"NOR":{{}}}}]}}')
    assert broken["validationErrors"] == ["groupings[0] must have exactly one member, AND or OR"]
    assert "NUL" in (await refused(f"deliverability?from={HOUR}&campaigns=%00"))["description"]
    nul = json.dumps({"groupings": [{"AND": {"campaigns": {"eq": ["\0"]}}}]}).replace("\\u", "%5Cu")
    assert "NUL" in (await refused(f"deliverability?from={HOUR}&query_filters={nul}"))["validationErrors"][0]


async def test_the_schema_of_filters_is_published(door: ResourceDoor):
    schema = (await door.call("GET", "metrics/deliverability/query-filters-schema")).json()["results"]
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"


async def test_nobody_sees_the_figures_of_others(door: ResourceDoor):
    stranger = await door.stranger()
    (row,) = await ask(door, "deliverability", key=stranger)
    assert not any(row.values())
    assert await ask(door, "campaigns", key=stranger) == {"campaigns": []}
    assert await ask(door, "deliverability/bounce-reason", key=stranger) == []
    own = await accounts.create_key(
        door.pool, account_id=door.account_id, subaccount_id=7, label="s", grants=sorted(SUBACCOUNT_KEY_GRANTS)
    )
    assert (await door.call("GET", f"metrics/deliverability?from={HOUR}", key=own.clear)).status_code == 403


async def test_the_grant_is_needed(door: ResourceDoor):
    blind = await accounts.create_key(door.pool, account_id=door.account_id, label="b", grants=["message_events/view"])
    assert (await door.call("GET", f"metrics/deliverability?from={HOUR}", key=blind.clear)).status_code == 403


# what others sell as an add-on ------------------------------------------------------------------------------------------------


async def test_figures_of_panels_and_seeds_are_nought(door: ResourceDoor):
    rows = await ask(door, "deliverability/domain", metrics="count_inbox_panel", order_by="count_inbox_panel")
    assert {row["count_inbox_panel"] for row in rows} == {0}
    (row,) = await ask(door, "deliverability", metrics="count_spam_seed,count_delivered")
    assert row == {"count_spam_seed": 0, "count_delivered": 3}
    series = await ask(door, "deliverability/time-series", metrics="count_moved_to_inbox", precision="hour")
    assert {one["count_moved_to_inbox"] for one in series} == {0}
    refused = await door.call("GET", "metrics/deliverability/link-name?from=2026-01-01T00:00&metrics=count_inbox_panel")
    assert refused.status_code == 400


async def test_there_is_no_benchmark_and_there_are_no_seeds(door: ResourceDoor):
    assert await ask(door, "benchmarks/inbox-rate", industry_category="b2b", mailbox_provider="gmail") == []
    for wrong in ("industry_category=fishing", "mailbox_provider=aol", "from=x"):
        assert (await door.call("GET", f"metrics/benchmarks/inbox-rate?from=2026-11-01T00:00&{wrong}")).status_code == 400
    assert (await door.call("GET", "metrics/benchmarks/inbox-rate")).status_code == 400
    assert (await door.call("GET", "seeds")).json() == {"results": []}
    assert (await door.call("GET", "inline-seeds/config")).json() == {"results": {}}
    assert (await door.call("GET", "inline-seeds/status?sending_domain=acme.test")).json() == {"results": []}
    missing = await door.call("GET", "inline-seeds/status?id=1")
    assert (missing.status_code, missing.json()["errors"]) == (404, [{"message": "Inline seed could not be found"}])
    nothing = await door.door.key_with("metrics/view")
    assert (await door.call("GET", "seeds", key=nothing)).status_code == 403
