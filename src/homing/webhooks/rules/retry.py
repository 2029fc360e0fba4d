"""When a batch is tried again, and when a webhook is paused (SparkPost reference, section 2.13)."""

from datetime import datetime, timedelta

LIFETIME = timedelta(hours=8)  # of a batch, and of events that are in none yet
ATTEMPTS = 12
FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(minutes=105)  # twelve attempts come within 7.4 hours
GONE = 410  # RFC 9110 section 15.5.11: the target will not come back


def next_try(*, attempts: int, made_at: datetime, now: datetime) -> datetime | None:
    """Return when a batch is tried again after so many failed tries; None: it is dropped.

    attempts   1 or more
    """
    if attempts >= ATTEMPTS:
        return None
    due = now + min(FIRST_WAIT * 2 ** (attempts - 1), LONGEST_WAIT)
    return due if due < made_at + LIFETIME else None


def is_success(status: int) -> bool:
    """Return whether the target took the batch: SparkPost documents 200, and takes any 2xx."""
    return 200 <= status < 300


def why_pause(*, status: int | None, dropped: bool, made_at: datetime, last_successful: datetime | None) -> str:
    """Return why a webhook is paused after a failure, or ''.

    status   that the target answered; None: it did not answer
    dropped  the batch is given up
    """
    if status == GONE:
        return "the target answered 410 Gone"
    if dropped and (last_successful is None or last_successful < made_at):
        return f"every batch failed for {LIFETIME.total_seconds() / 3600:g} hours"
    return ""
