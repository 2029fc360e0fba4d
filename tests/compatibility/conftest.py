"""What the tests with other people's software share: a receiver of everything, and a house that sends it everything."""

from collections.abc import Iterator

import pytest

from tests.compatibility.authority import Authority
from tests.compatibility.inbox import Inbox
from tests.kit.house import House
from tests.kit.postgres import TestServer


@pytest.fixture(scope="module")
def inbox() -> Iterator[Inbox]:
    """Where all mail of this module's house goes."""
    with Inbox() as made:
        yield made


@pytest.fixture(scope="package")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Whom clients over TLS trust."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def house(postgres_server: TestServer, inbox: Inbox) -> Iterator[House]:
    """A house that hands everything to the inbox; its STARTTLS certificate is its own, self-signed."""
    with postgres_server.fresh() as dsn, House(database=dsn, settings={"smarthost": str(inbox.address)}) as made:
        yield made
