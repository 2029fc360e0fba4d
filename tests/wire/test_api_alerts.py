"""/api/v1/alerts, and the watcher: what passes a threshold opens one incident and is told once to each channel."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from homing.accounts import store as accounts
from homing.accounts.types import Limits
from homing.events import store as events
from homing.events.types import EventType
from homing.ground.http import OutboundHttp, TargetPolicy
from homing.metrics.alerts import Alerts
from homing.metrics.watch import Watcher
from tests.kit.moved_clock import MovedClock
from tests.kit.resources import MASTER_KEY, ResourceDoor, resource_door
from tests.kit.target import Target, target
from tests.store.test_events import append
from tests.store.test_metrics_store import follow

NOW = datetime.now(UTC)


class Post:
    """Takes the platform's own mail."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, str]] = []

    async def send(self, to: str, *, subject: str, text: str) -> bool:
        self.sent.append((to, subject, text))
        return True


class Town:
    """A door, a target, and a watcher whose clock can be moved."""

    def __init__(self, door: ResourceDoor, app: Target) -> None:
        self.door = door
        self.app = app
        self.clock = MovedClock(NOW)
        self.post = Post()
        self.alerts = Alerts(door.pool, MASTER_KEY)
        http = OutboundHttp(TargetPolicy(allow_private=True, ports=(app.port,)))
        self.watcher = Watcher(door.pool, self.clock, self.alerts, http, self.post)

    def body(self, **changes: Any) -> dict[str, Any]:
        return {
            "name": "blocks",
            "metric": "block_bounce_rate",
            "muted": False,
            "filters": [],
            "threshold_evaluator": {"operator": "gt", "source": "raw", "value": 10},
            "channels": {"emails": ["ops@acme.test"], "webhook": {"target": self.app.url}, "slack": {"target": self.app.url}},
            **changes,
        }

    async def make(self, **changes: Any) -> int:
        answer = await self.door.call("POST", "alerts", json=self.body(**changes))
        assert answer.status_code == 200, answer.text
        return int(answer.json()["results"]["id"])

    async def sent(self, *, blocked: int, delivered: int, ip: str = "192.0.2.1", sub: int = 0, hours_ago: float = 0.1) -> None:
        for number in range(blocked + delivered):
            await append(
                self.door.pool,
                day=NOW.date(),
                at=NOW - timedelta(hours=hours_ago),
                type=EventType.BOUNCE if number < blocked else EventType.DELIVERY,
                account_id=self.door.account_id,
                subaccount_id=sub,
                detail={
                    "sending_ip": ip,
                    "bounce_class": "50",
                    "reason": "550 blocked",
                    "num_retries": "0",
                    "sending_domain": "acme.test",
                },
            )
        await follow(self.door.pool)

    async def watch(self) -> None:
        await self.door.pool.execute("UPDATE alerts SET due_at = now()")
        await self.watcher.turn()

    async def incidents(self, number: int) -> list[dict[str, Any]]:
        return (await self.door.call("GET", f"alerts/{number}/incidents")).json()["results"]


@pytest.fixture
async def town(pool):
    await events.ensure_partitions(pool, NOW.date())
    async with target() as app, resource_door(pool, target_ports=(app.port,)) as door:
        yield Town(door, app)


async def test_an_alert_is_kept_changed_and_removed(town: Town):
    number = await town.make(filters=[{"filter_type": "sending_ip", "filter_values": ["192.0.2.1"]}])
    expected = {
        "id": number,
        **town.body(filters=[{"filter_type": "sending_ip", "filter_values": ["192.0.2.1"]}]),
        "subaccounts": [-1],
        "any_subaccount": False,
        "last_triggered": None,
        "last_evaluated": None,
    }
    assert (await town.door.call("GET", f"alerts/{number}")).json()["results"] == expected
    assert (await town.door.call("GET", "alerts/")).json()["results"] == [expected]
    changed = (await town.door.call("PUT", f"alerts/{number}", json={"muted": True})).json()["results"]
    assert changed == {**expected, "muted": True}
    gone = await town.door.call("DELETE", f"alerts/{number}")
    assert (gone.status_code, gone.json()) == (200, {"results": {"id": number}})
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/incidents")):
        assert (await town.door.call(method, f"alerts/{number}{path}")).status_code == 404
    assert (await town.door.call("PUT", f"alerts/{number}", json={})).status_code == 404


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"name": None}, "name is required"),
        ({"name": " "}, "name must"),
        ({"name": "two\nlines"}, "one line"),
        ({"muted": None}, "muted is required"),
        ({"metric": "health_score", "filters": [{"filter_type": "sending_ip", "filter_values": ["x"]}]}, "ip_pool"),
        ({"metric": "nope"}, "one of"),
        ({"filters": [{"filter_type": "ip_pool", "filter_values": ["x"]}]}, "takes the filters"),
        ({"filters": [{"filter_type": "sending_ip", "filter_values": None}]}, "filter_values"),
        ({"metric": "monthly_sending_limit", "filters": [{"filter_type": "sending_ip", "filter_values": ["x"]}]}, "no filters"),
        ({"threshold_evaluator": {"operator": "eq", "source": "raw", "value": 1}}, "gt or lt"),
        ({"threshold_evaluator": {"operator": "gt", "source": "year", "value": 1}}, "source"),
        ({"threshold_evaluator": {"operator": "gt", "source": "raw", "value": 1e300}}, "value"),
        ({"channels": {}}, "at least one"),
        ({"channels": {"emails": ["nobody"]}}, "no address"),
        ({"channels": {"webhook": {"target": "ftp://x.test/"}}}, "webhook.target"),
        ({"channels": {"slack": {"target": "http://169.254.169.254/"}}}, "slack.target"),
        ({"subaccounts": []}, "subaccounts"),
        ({"name": 5}, "name: expected a string, got an integer"),
        ({"muted": "yes"}, "muted: expected true or false"),
        ({"filters": {"filter_type": "sending_ip"}}, "filters: expected a list"),
        ({"filters": [{"filter_type": "sending_ip", "filter_values": [1]}]}, "filters[0].filter_values[0]: expected a string"),
        ({"threshold_evaluator": {"operator": "gt", "value": 1}}, "threshold_evaluator: source is a required field"),
        ({"threshold_evaluator": {"operator": "gt", "source": "raw", "value": "1"}}, "threshold_evaluator.value: expected"),
        ({"channels": ["ops@acme.test"]}, "channels: expected an object"),
        ({"subaccounts": ["1"]}, "subaccounts[0]: expected an integer"),
        ({"channels": {"emails": [f"ops{n}@acme.test" for n in range(11)]}}, "at most 10 addresses"),
        ({"filters": [{"filter_type": "sending_ip", "filter_values": [f"192.0.2.{n}" for n in range(16)]}]}, "at most 15"),
        (
            {
                "filters": [
                    {"filter_type": kind, "filter_values": [f"{n}.acme.test" for n in range(8)]}
                    for kind in ("sending_ip", "sending_domain")
                ]
            },
            "at most 15",
        ),
        ({"subaccounts": [-1, 2]}, "stands alone"),
        ({"subaccounts": [-2]}, "subaccounts"),
    ],
)
async def test_what_cannot_be_watched_says_why(town: Town, wrong, words):
    answer = await town.door.call("POST", "alerts", json=town.body(**wrong))
    assert answer.status_code == 400, answer.text
    (error,) = answer.json()["errors"]
    assert words in error["message"]
    assert set(error) == {"message"}
    assert (await town.door.call("GET", "alerts")).json()["results"] == []


async def test_ten_addresses_and_fifteen_filters_are_taken(town: Town):
    ips = [f"192.0.2.{n}" for n in range(15)]
    number = await town.make(
        channels={"emails": [f"ops{n}@acme.test" for n in range(10)]},
        filters=[{"filter_type": "sending_ip", "filter_values": ips}],
    )
    shown = (await town.door.call("GET", f"alerts/{number}")).json()["results"]
    assert (len(shown["channels"]["emails"]), shown["filters"][0]["filter_values"]) == (10, ips)


@pytest.mark.parametrize("body", [b"[]", b"{", b"", b'{"name": "\xff"}'])
async def test_a_body_that_is_no_object_gets_a_message_alone(town: Town, body):
    headers = {"Content-Type": "application/json"}
    answer = await town.door.door.client.post("/api/v1/alerts", content=body, headers=headers)
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert set(error) == {"message"}
    assert error["message"]


async def test_a_rate_above_the_threshold_opens_one_incident_and_is_told_once(town: Town):
    number = await town.make()
    await town.sent(blocked=2, delivered=8)
    await town.watch()
    await town.watch()
    (incident,) = await town.incidents(number)
    assert (incident["status"], incident["triggered_value"], incident["filters"]) == ("open", 20.0, {})
    ((to, subject, text),) = town.post.sent
    assert (to, subject) == ("ops@acme.test", "Alert: blocks")
    assert "block_bounce_rate is 20 %, above 10 %" in text
    slack, webhook = sorted((heard.body for heard in town.app.heard), key=lambda body: isinstance(body, list))
    assert slack == {"text": "Alert 'blocks': block_bounce_rate is 20 %, above 10 %"}
    assert webhook == [
        {
            "alert_id": number,
            "incident_id": incident["id"],
            "name": "blocks",
            "metric": "block_bounce_rate",
            "triggered_value": 20.0,
            "triggered_at": incident["first_fired"],
            "threshold_evaluator": {"operator": "gt", "source": "raw", "value": 10},
            "filters": {},
        }
    ]
    found = (await town.door.call("GET", f"alerts/{number}")).json()["results"]
    assert found["last_triggered"] == found["last_evaluated"] == incident["last_fired"] or found["last_triggered"]


async def test_below_the_threshold_or_without_mail_nothing_happens(town: Town):
    number = await town.make()
    await town.watch()
    await town.sent(blocked=1, delivered=9)
    await town.watch()
    assert await town.incidents(number) == []
    assert (await town.door.call("GET", f"alerts/{number}")).json()["results"]["last_evaluated"]


async def test_each_combination_has_an_incident_of_its_own(town: Town):
    ips = ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    number = await town.make(filters=[{"filter_type": "sending_ip", "filter_values": ips[:2]}], any_subaccount=True)
    await town.sent(blocked=5, delivered=5, ip=ips[0], sub=7)
    await town.sent(blocked=0, delivered=5, ip=ips[1], sub=7)
    await town.sent(blocked=5, delivered=5, ip=ips[1], sub=8)
    await town.sent(blocked=5, delivered=0, ip=ips[2], sub=8)
    await town.sent(blocked=5, delivered=0, ip=ips[0], sub=0)
    await town.watch()
    assert sorted((one["filters"]["subaccount_id"], one["filters"]["sending_ip"]) for one in await town.incidents(number)) == [
        (7, ips[0]),
        (8, ips[1]),
    ]


async def test_an_incident_ends_after_quiet_and_a_later_one_is_told_again(town: Town):
    number = await town.make(channels={"webhook": {"target": town.app.url}})
    await town.sent(blocked=5, delivered=5)
    await town.watch()
    town.clock.forward(minutes=70)  # the hour is over, and half an hour of quiet
    await town.watch()
    (incident,) = await town.incidents(number)
    assert incident["status"] == "closed"
    town.clock.forward(minutes=-70)
    await town.watch()
    assert [one["status"] for one in await town.incidents(number)] == ["open", "closed"]
    assert len(town.app.heard) == 2


async def test_a_muted_alert_keeps_its_incidents_and_tells_nobody(town: Town):
    number = await town.make(muted=True)
    await town.sent(blocked=5, delivered=5)
    await town.watch()
    assert len(await town.incidents(number)) == 1
    assert (town.app.heard, town.post.sent) == ([], [])


async def test_a_channel_that_fails_is_tried_again_and_the_others_are_told(town: Town):
    await town.make(channels={"webhook": {"target": town.app.url}, "emails": ["ops@acme.test"]})
    town.app.script = lambda heard: 500
    await town.sent(blocked=5, delivered=5)
    await town.watch()
    assert len(town.post.sent) == 1
    town.app.script = lambda heard: 200
    await town.door.pool.execute("UPDATE alert_notices SET due_at = now() WHERE ended_at IS NULL")
    await town.watch()
    await town.watch()
    assert len(town.app.heard) == 2
    rows = await town.door.pool.fetch("SELECT channel, attempts, outcome FROM alert_notices ORDER BY channel")
    assert [tuple(row) for row in rows] == [("email", 1, "told"), ("webhook", 2, "told")]


async def test_the_monthly_limit_is_watched(town: Town):
    number = await town.make(metric="monthly_sending_limit", threshold_evaluator={"operator": "gt", "source": "raw", "value": 80})
    await accounts.set_limits(town.door.pool, town.door.account_id, Limits(monthly=100))
    await town.door.pool.execute("INSERT INTO usage_hours VALUES ($1, date_trunc('hour', now()), 3, 85)", town.door.account_id)
    await town.watch()
    assert [one["triggered_value"] for one in await town.incidents(number)] == [85.0]


async def test_nobody_sees_or_changes_the_alerts_of_others(town: Town):
    number = await town.make()
    stranger = await town.door.stranger()
    assert (await town.door.call("GET", "alerts", key=stranger)).json()["results"] == []
    for method, path, body in (
        ("GET", "", {}),
        ("PUT", "", {"json": {"muted": True}}),
        ("DELETE", "", {}),
        ("GET", "/incidents", {}),
    ):
        assert (await town.door.call(method, f"alerts/{number}{path}", key=stranger, **body)).status_code == 404
    assert len((await town.door.call("GET", "alerts")).json()["results"]) == 1


async def test_channels_are_sealed(town: Town):
    await town.make(channels={"slack": {"target": town.app.url}})
    rows = await town.door.pool.fetch("SELECT * FROM alerts")
    assert town.app.url not in json.dumps([str(dict(row)) for row in rows])


async def test_a_number_that_is_none_is_not_found(town: Town):
    for number in ("x", "0", "99999999999999999999", "-1", "%00"):
        assert (await town.door.call("GET", f"alerts/{number}")).status_code == 404


async def test_a_health_score_below_the_threshold_fires(town: Town):
    threshold = {"operator": "lt", "source": "raw", "value": 70}
    number = await town.make(metric="health_score", threshold_evaluator=threshold)
    await town.sent(blocked=4, delivered=6)
    await town.watch()
    assert await town.incidents(number) == []  # too little to be judged
    await town.sent(blocked=16, delivered=224, hours_ago=5)
    await town.watch()
    (incident,) = await town.incidents(number)
    assert incident["triggered_value"] == 36.0  # 20 blocks of 250: 8 %
