"""Waiting with a limit.

`asyncio.wait_for` of Python 3.11 loses a cancellation that comes in the moment when the awaited thing is done, and a
task that should stop goes on for ever; `asyncio.timeout` does not. So nothing here or elsewhere uses wait_for on a loop
that must be stoppable.
"""

import asyncio


async def set_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event at most so long; return whether it was set."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
