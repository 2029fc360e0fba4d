"""A clock that a test moves."""

from datetime import UTC, datetime, timedelta


class MovedClock:
    """Stands still until it is moved."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime(2026, 5, 4, 10, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self._now

    def forward(self, **by: float) -> None:
        """Move by what timedelta understands, for example seconds=5."""
        self._now += timedelta(**by)


class MovedLegalClock:
    """The same for the time of the database server."""

    def __init__(self, clock: MovedClock) -> None:
        self.clock = clock

    async def now(self, executor: object) -> datetime:
        return self.clock.now()
