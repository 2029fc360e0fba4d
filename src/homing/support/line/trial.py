"""Test calls: we call our own numbers through the carrier, to hear whether the line is open."""

from datetime import datetime

from homing.ground import db
from homing.support.line import store
from homing.support.line.addresses import LineAddresses
from homing.support.line.carriers import Carriers
from homing.support.line.types import Carrier


async def call_ourselves(
    pool: db.Pool, carriers: Carriers, carrier: Carrier, number: str, *, base: str, now: datetime, wakes: int | None = None
) -> int:
    """Call a number of ours as a caller would, and return the number of the test; it owes nobody anything.

    wakes    member of the staff who is woken when the call is heard, as for a call of a customer; None: nobody
    raises   NotPlaced
    """
    at = LineAddresses(base, carrier.name)
    number_of_test: int = await store.sql.add_test(pool, carrier=carrier.name, number=number, now=now, wakes=wakes)
    await carriers.call(carrier, to=number, sender=carrier.test_from, url=at.test(), status=at.attempt(0, "test"), ring_s=10)
    return number_of_test
