"""What only the running processes know: ready queues, connections, where a message is in memory.

The supervisor answers at its control socket; without it the views still show what the database knows. Questions:

    snapshot                 {"workers": [{"worker": .., "pid": .., "waits_for_room": [reason, ..], "sites": [{"site",
                             "provider", "source_ip", "ready", "connections", "busy", "limit", "last_reply", "held_until",
                             "domains"}]}]}
    trace message_id=<hex>   {"state": "ready" | "in_flight" | "looking_up" | "" , "worker": .., "site": .., ...}

A member that an answer lacks counts as unknown.
"""

from typing import Any

from homing.ground import channel
from homing.ground.config import Settings
from homing.ground.errors import HomingError


async def ask(chosen: Settings, name: str, **arguments: Any) -> dict[str, Any] | None:
    """Ask the supervisor; None where none runs on this data folder, or where it cannot say."""
    try:
        async with channel.control(chosen.data, timeout_s=2.0) as line:
            answer = await line.ask(name, timeout_s=3.0, **arguments)
    except (HomingError, OSError):
        return None
    return answer if isinstance(answer, dict) else None


def pools_without_room(live: dict[str, Any] | None) -> set[str]:
    """Return the names under which mail waits for room in an IP pool (delivery.room), out of a snapshot."""
    workers = (live or {}).get("workers", ())
    return {name for worker in workers if isinstance(worker, dict) for name in worker.get("waits_for_room", ())}


def sites_of(live: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Return the ready queues of all workers out of a snapshot."""
    return [
        {**site, "worker": worker.get("worker", "")}
        for worker in (live or {}).get("workers", ())
        if isinstance(worker, dict)
        for site in worker.get("sites", ())
        if isinstance(site, dict)
    ]
