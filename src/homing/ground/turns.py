"""Work that comes round: a turn every so often, for ever, and the edge at which whatever ends a turn ends nothing else.

Passing trouble of the store or the outside waits, with one line in the log; anything else is logged with its traceback.
The next turn finds the same rows either way, so a turn leaves what it did not finish where it lay.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from homing.ground import db
from homing.ground.errors import Temporary
from homing.ground.waiting import set_within

PASSING = (Temporary, *db.TEMPORARY)  # what another try may bring to a good end


@contextmanager
def edge(log: Any, *, waits: str, failed: str, **about: object) -> Iterator[None]:
    """Be the edge of one unit of work: what goes wrong in the block is logged, and others go on.

    waits    event of the line where it is passing trouble
    failed   event of the line, with its traceback, where it is anything else
    about    fields that say which unit it was
    """
    try:
        yield
    except PASSING as trouble:
        log.warning(waits, **about, cause=type(trouble).__name__)
    except Exception:
        log.exception(failed, **about)


async def take_turns(
    turn: Callable[[], Awaitable[object]],
    *,
    every_s: float,
    log: Any,
    waits: str,
    failed: str,
    rests_first: bool = False,
    news: asyncio.Event | None = None,
) -> None:
    """Take one turn after the other until cancelled.

    turn         true: there may be more, and the next turn is taken at once; a turn that ended at its edge is not
    every_s      rest between two turns
    waits        event of the line for a turn that must wait; failed: for one that failed
    rests_first  begin with a rest: nothing is urgent at a start
    news         ends a rest; it is cleared before each turn, so what comes during one leads to the next
    """
    rests, news = rests_first, news or asyncio.Event()
    while True:
        if rests:
            await set_within(news, every_s)
        news.clear()
        more: object = False
        with edge(log, waits=waits, failed=failed):
            more = await turn()
        rests = not more
