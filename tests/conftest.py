"""Fixtures that every test may ask for."""

import gc
from collections.abc import AsyncIterator, Generator, Iterator

import pytest
from hypothesis import HealthCheck, settings

from homing.ground import collector, db
from tests.kit.postgres import TestServer

# How busy the machine is says nothing about the code.
settings.register_profile("house", deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")

# What waits for real processes takes longest, so it begins first: at the end no test process waits for another one.
SLOW_FIRST = ("tests/stories/", "tests/compatibility/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the slow files first."""
    items.sort(key=lambda item: not item.nodeid.startswith(SLOW_FIRST))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Spare the collector of garbage what lives until the end: it would walk over all tests again and again."""
    with collector.at_rest():
        found = yield
    gc.set_threshold(10_000, 20, 20)
    return found


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[TestServer]:
    """One real PostgreSQL for this test process."""
    server = TestServer()
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def database(postgres_server: TestServer) -> Iterator[str]:
    """The DSN of a freshly migrated database that belongs to this test alone."""
    with postgres_server.fresh() as dsn:
        yield dsn


@pytest.fixture
async def pool(database: str) -> AsyncIterator[db.Pool]:
    """A pool on `database`."""
    async with db.pool(database, name="test") as made:
        yield made
