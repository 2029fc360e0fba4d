"""A critical case over a night: the cadence is provisional, then agreed by a link; one update is late, which stays a miss."""

from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

from homing.ground import db
from homing.support.cases.audit import CaseSource
from homing.support.cases.keeper import Keeper
from homing.support.cases.types import Eta, Purpose, Severity
from homing.support.clocks.keeper import Keeper as ClockKeeper
from homing.support.clocks.rules.cadence import Every
from homing.support.clocks.rules.tally import tallies
from homing.support.clocks.types import Kind, Nature, State
from homing.web import letter
from tests.kit.http import http_door
from tests.kit.support import BASE, TOKEN, Town, support_town

UNKNOWN = Eta(unknown_because="the disk is being copied")


def to(mails: list[EmailMessage], name: str) -> list[str]:
    """Return what somebody was written."""
    return [str(one.get_content()) for one in mails if one["To"].startswith(name)]


async def until(town: Town, keepers: list[Keeper | ClockKeeper], **later: float) -> list[EmailMessage]:
    """Let time pass by minutes; return the mail of that time."""
    mails: list[EmailMessage] = []
    for _ in range(int(timedelta(**later).total_seconds()) // 60):
        town.clock.forward(minutes=1)
        for keeper in keepers:
            await keeper.turn()
        mails += await town.sent()
    return mails


async def test_a_customer_hears_as_often_as_was_agreed(pool: db.Pool, tmp_path: Path):
    async with support_town(pool, tmp_path, "2026-05-20T22:00Z") as town:
        keepers = [ClockKeeper(pool, town.legal, town.clock, [CaseSource()]), Keeper(pool, town.legal, town.desk)]
        number = (await town.open("Every host is down.", severity=Severity.CRITICAL)).case_id
        await town.desk.own(number, town.ann.person_id, town.ann)
        await town.sent()
        before = await town.shows(number, Kind.CADENCE)
        assert (before.nature, before.budget_s) == (Nature.PROVISIONAL, 3600)

        await town.course.propose_cadence(number, town.ann, Every(interval_s=1800))
        (asked,) = to(await town.sent(), "kim")
        path = next(word for word in asked.split() if word.startswith(BASE)).removeprefix(BASE)
        pages = letter.routes(pool=pool, desk=town.desk, course=town.course, endings=town.endings, token=TOKEN)
        async with http_door(pool, pages=pages) as door:
            assert (await door.client.post(path, data={"act": "agree"}, headers={"Authorization": ""})).status_code == 200
        await town.sent()
        agreed = await town.shows(number, Kind.CADENCE)
        assert (agreed.nature, agreed.due_at) == (Nature.CONTRACTUAL, town.clock.now() + timedelta(minutes=30))

        warned = to(await until(town, keepers, minutes=25), "ann")
        assert len(warned) == 1, "ten minutes before"
        assert "CADENCE (contractual) is due" in warned[0]
        missed = await until(town, keepers, minutes=15)
        assert ["stays missed" in text for text in (*to(missed, "ann"), *to(missed, "tam"))] == [True, True]
        assert to(missed, "kim") == []

        await town.desk.write(number, town.ours("Found it.", Purpose.UPDATE), town.ann, eta=UNKNOWN)
        (update,) = to(await town.sent(), "kim")
        assert "unknown, because the disk is being copied" in update
        after = await town.clocks(number)
        (late, now) = [one for one in after if one.nature is Nature.CONTRACTUAL]
        assert (late.state, late.outcome_at, late.ended_at) == (State.MISSED, agreed.due_at, town.clock.now())
        assert now.due_at == town.clock.now() + timedelta(minutes=30), "the next counts from the update"
        (tally,) = [one for one in tallies(after) if one.nature is Nature.CONTRACTUAL]
        assert (tally.missed, tally.late, tally.open) == (1, 1, 1)
        assert not to(await until(town, keepers, minutes=5), "ann"), "it is told once"
