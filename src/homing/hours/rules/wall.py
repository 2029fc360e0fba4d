"""From what a clock on the wall reads to the instant that is meant, also where readings are skipped or come twice.

Instants are whole seconds since 1970 UTC. Both functions agree on every reading that comes exactly once; one that is skipped
means the first instant after the gap. 24:00 (minute 1440) is 00:00 of the next date.
"""

from datetime import UTC, date, datetime, time, timedelta, tzinfo

_EPOCH = datetime(1970, 1, 1)


def opening(zone: tzinfo, day: date, minute: int) -> int:
    """Return the instant at which a window opens: the first time the reading comes."""
    return _both(zone, day, minute)[0]


def closing(zone: tzinfo, day: date, minute: int) -> int:
    """Return the instant at which a window closes: the last time the reading comes."""
    return _both(zone, day, minute)[1]


def is_plain(zone: tzinfo, naive: datetime) -> bool:
    """Return whether a reading comes exactly once."""
    return naive.replace(tzinfo=zone, fold=0).utcoffset() == naive.replace(tzinfo=zone, fold=1).utcoffset()


def local(zone: tzinfo, instant: int) -> datetime:
    """Return an instant as the zone's clocks show it."""
    return datetime.fromtimestamp(instant, UTC).astimezone(zone)


def _both(zone: tzinfo, day: date, minute: int) -> tuple[int, int]:
    naive = datetime.combine(day, time()) + timedelta(minutes=minute)
    reading = int((naive - _EPOCH).total_seconds())
    before = _offset_s(naive.replace(tzinfo=zone, fold=0))
    after = _offset_s(naive.replace(tzinfo=zone, fold=1))
    if before >= after:  # once, or twice: with the offset before the change it comes first (PEP 495)
        return reading - before, reading - after
    low, high = reading - after, reading - before  # skipped: the change lies in (low, high]
    while high - low > 1:
        middle = (low + high) // 2
        if _offset_s(local(zone, middle)) == after:
            high = middle
        else:
            low = middle
    return high, high


def _offset_s(moment: datetime) -> int:
    offset = moment.utcoffset()
    return 0 if offset is None else int(offset.total_seconds())
