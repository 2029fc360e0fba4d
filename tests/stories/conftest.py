"""One house for the calm stories; those that break something start their own."""

from collections.abc import Iterator

import pytest

from homing.simulator.providers import Provider, Zone
from homing.simulator.rules.behaviour import Behaviour, Tls
from tests.kit.house import House
from tests.kit.neighbours import Neighbours
from tests.kit.postgres import TestServer

FRIENDS = Provider(name="Friends", domains=("friends.test",), addresses=("127.0.0.11",))
GREY = Provider(name="Grey", domains=("grey.test",), addresses=("127.0.0.12",), behaviour=Behaviour(greylist_s=0.5))
RUSTY = Provider(name="Rusty", domains=("rusty.test",), addresses=("127.0.0.13",), behaviour=Behaviour(tls=Tls.BROKEN))
SAFE = Provider(name="Safe", domains=("safe.test",), addresses=("127.0.0.14",), behaviour=Behaviour(tls=Tls.PROPER))
HELD = Provider(name="Held", domains=("held.test",), addresses=("127.0.0.15",))
NOMAIL = Provider(name="Nomail", domains=("nomail.test",), zone=Zone.NULL_MX)


@pytest.fixture(scope="package")
def neighbours() -> Iterator[Neighbours]:
    """A small internet of well-known characters."""
    with Neighbours(FRIENDS, GREY, RUSTY, SAFE, HELD, NOMAIL) as made:
        yield made


@pytest.fixture(scope="package")
def house(postgres_server: TestServer, neighbours: Neighbours) -> Iterator[House]:
    """A house that many stories share; each uses addresses of its own."""
    with postgres_server.fresh() as dsn, House(neighbours, database=dsn) as made:
        yield made
