"""The customer writes "works, but still slow" under the approval: nothing is resolved, work goes on, and he is asked."""

import re
from email.message import EmailMessage
from pathlib import Path

from homing.ground import db
from homing.support.cases.types import Side, State
from homing.support.clocks.types import Kind
from homing.support.clocks.types import State as Clock
from tests.kit.support import support_town


def address_in(mails: list[EmailMessage]) -> str:
    """Return the address by which the customer agrees."""
    texts = [str(body.get_content()) for one in mails if (body := one.get_body()) is not None]
    (found,) = [match[0] for text in texts for match in re.finditer(r"help\+a\S+", text)]
    return found


async def test_works_but_still_slow(pool: db.Pool, tmp_path: Path):
    async with support_town(pool, tmp_path, "2026-05-20T09:00Z") as town:
        await town.arrives(town.mail("It is slow since noon."))
        number = await town.only_case()
        await town.desk.own(number, town.ann.person_id, town.ann)
        await town.endings.propose(number, "The second host is replaced.", town.ann, author="Ann")
        agree = address_in(await town.sent())
        before = await town.shows(number, Kind.UPDATE)
        assert (before.state, before.remaining_s) == (Clock.PAUSED, 8 * 3600)

        town.clock.forward(hours=3)
        await town.arrives(town.mail("works, but still slow", to=agree), to=agree)
        case = await town.case(number)
        assert case.state is State.OPEN
        assert [one.side for one in case.signatures if not one.void] == [Side.PROVIDER]
        resumed = await town.shows(number, Kind.UPDATE)
        assert (resumed.state, resumed.ran_since) == (Clock.RUNNING, town.clock.now())

        asked = [one for one in await town.sent() if one["To"] == "kim@acme.test"]
        assert len(asked) == 1
        await town.arrives(town.mail("Agreed.", to=agree, subject="again"), to=agree)
        assert (await town.case(number)).state is State.OPEN, "the address has served"

        town.clock.forward(hours=1)
        await town.desk.write(number, town.ours("We made it faster, too."), town.ann)
        await town.sent()
        await town.endings.propose(number, "Both hosts are replaced.", town.ann, author="Ann")
        agree = address_in(await town.sent())
        await town.arrives(town.mail("Agreed, it is fast.", to=agree), to=agree)
        case = await town.case(number)
        assert case.state is State.RESOLVED
        assert [(one.side, one.version) for one in case.signatures if not one.void] == [(Side.PROVIDER, 2), (Side.CUSTOMER, 2)]
