"""`homing oncall` on a real database."""

import asyncio
import threading

from homing.ground import db
from homing.ground.clock import SystemClock
from homing.ground.http import OutboundHttp, TargetPolicy
from homing.ground.secrets import MasterKey
from homing.support.oncall.channels import Call, Channels
from homing.support.oncall.engine import Engine
from tests.store.test_cli_views import House, Shell, dns, homing, house  # noqa: F401 - fixtures


def test_schedules_rotations_and_overrides_say_who_is_on_duty(homing: Shell, house: House):  # noqa: F811
    assert "there is no schedule" in homing("oncall", "show")
    for name in ("ann", "bob"):
        homing("staff", "add", "--name", name.title(), "--email", f"{name}@provider.test", "--role", "oncall")
    homing("oncall", "schedule", "primary")
    homing("oncall", "schedule", "primary", code=2)
    homing("oncall", "schedule", "bad/name", code=2)
    turns = ("oncall", "rotation", "primary", "ann@provider.test", "bob@provider.test")
    for wrong, words in (
        (("--zone", "Mars/Base"), "no time zone"),
        (("--at", "25:00"), "no time of day"),
        (("--from", "soon"), "no date"),
        (("--from", "9999-12-31"), "--from must lie"),
        (("--windows", "sometimes"), "homing: "),
    ):
        homing(*turns, *wrong, code=2)
        assert words in homing.err
    homing("oncall", "rotation", "nothing", "ann@provider.test", code=1)
    homing("oncall", "rotation", "primary", "eve@provider.test", code=1)
    homing("oncall", "rotation", code=2)
    said = homing(*turns, "--zone", "Europe/London", "--from", "2026-01-05", "--days", "1", "--windows", "mon-sun 00:00-24:00")
    assert "rotation 1: turns change at 09:00 Europe/London" in said
    homing("oncall", "override", "primary", "bob@provider.test", "--until", "2026-01-01T00:00Z", code=2)
    assert "override 1: bob" in homing(
        "oncall", "override", "primary", "bob@provider.test", "--until", "2098-01-01T00:00Z", "--reason", "swap"
    )
    (shown,) = homing.json("oncall", "show")["schedules"]
    assert (shown["on_duty"], shown["overrides"][0]["reason"], shown["rotations"][0]["people"]) == ([2], "swap", [1, 2])
    assert "primary: Bob now" in homing("oncall", "show")
    homing("oncall", "override", "--remove", "1")
    homing("oncall", "override", "--remove", "1", code=1)
    homing("oncall", "rotation", "--remove", "1")
    assert "primary: nobody now" in homing("oncall", "show")
    homing("oncall", "schedule", "primary", "--remove")
    assert "on-call: primary" in homing("contract", "audit", "--all")


def test_a_ladder_is_shown_as_it_is_written(homing: Shell, house: House):  # noqa: F811
    steps = [
        "+0 schedule:primary",
        "+2 schedule:secondary",
        "+5 tam,schedule:incident manager",
        "+8 everybody",
        "+11 schedule:management,role:admin",
        "+13 everybody,role:admin alarm",
    ]
    (shown,) = homing.json("oncall", "ladder")
    assert shown == {"name": "severity 1", "steps": steps}
    words = [word for step in ["+0 role:oncall", "+0:30 everybody"] for word in ("--step", step)]
    homing("oncall", "ladder", "night", *words)
    assert homing.json("oncall", "ladder")[1] == {"name": "night", "steps": ["+0 role:oncall", "+0:30 everybody"]}
    for wrong in (["+1 everybody"], ["0 everybody"], ["+0 role:boss"], ["+0 person:1"], ["+0 schedule:"], []):
        homing("oncall", "ladder", "night", *[word for step in wrong for word in ("--step", step)], code=2)
    homing("oncall", "ladder", "night", "--remove")
    homing("oncall", "ladder", "night", "--remove", code=1)


def test_a_test_page_goes_through_the_running_house(homing: Shell, house: House):  # noqa: F811
    homing("staff", "add", "--name", "Ann", "--email", "ann@provider.test", "--role", "oncall", "--phone", "+12025550100")
    homing("oncall", "test", "ann@provider.test", "--wait", "1", code=1)
    assert "is `homing up` running?" in homing.err
    rung: list[str] = []
    stop = threading.Event()

    async def dial(number: str, call: Call, person_id: int) -> str:
        rung.append(call.text)
        return ""

    async def work() -> None:
        http = OutboundHttp(TargetPolicy())
        async with db.pool(house.dsn) as pool:
            engine = Engine(pool, SystemClock(), Channels(MasterKey(b"k" * 32), http, dial=dial), http)
            running = asyncio.create_task(engine.run())
            while not stop.is_set():
                await asyncio.sleep(0.05)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    worker = threading.Thread(target=lambda: asyncio.run(work()))
    worker.start()
    try:
        assert "voice: sent" in homing("oncall", "test", "ann@provider.test")
    finally:
        stop.set()
        worker.join()
    assert rung == ["On-call: a test, nothing has happened. Claim it, or hand it on."]


def test_a_channel_is_checked_before_it_is_kept(homing: Shell, house: House):  # noqa: F811
    homing("staff", "add", "--name", "Ann", "--email", "ann@provider.test", "--role", "oncall")
    homing("oncall", "channel", "ann@provider.test", "--webhook", "http://127.0.0.1/hook", code=2)
    assert "cannot be posted to" in homing.err
    homing("oncall", "channel", "ann@provider.test", "--service", "nothing", code=2)
    homing("oncall", "channel", "ann@provider.test", code=2)
    homing("oncall", "channel", "--remove", "4", code=1)
