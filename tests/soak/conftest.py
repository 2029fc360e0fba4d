"""The seed of a soak run, and a way to print its report past pytest's capture."""

import os
import random
from collections.abc import Callable

import pytest


@pytest.fixture
def dice() -> random.Random:
    """Chance that can be repeated: SOAK_SEED=n make soak."""
    return random.Random(seed())


def seed() -> int:
    """Return the seed of this run."""
    return int(os.environ.setdefault("SOAK_SEED", str(random.SystemRandom().randrange(1_000_000))))


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Print at once, whatever pytest captures."""

    def say(text: str) -> None:
        with capsys.disabled():
            print(f"{text}\n  seed {seed()}", flush=True)

    return say
