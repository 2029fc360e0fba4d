"""How long a site that refuses everything is left alone."""

from datetime import timedelta


def hold_for(failures: int, *, first: timedelta, retry: str) -> timedelta:
    """Return how long nothing goes to a site after its n-th failure in a row.

    failures   1 or more, counted since the last message that the site took
    first      the retry schedule's first wait (20 minutes by default); holds are measured in it, so that a test with
               short waits has short holds
    retry      `pause` for a refusal over reputation: 10, 60, then 240 minutes (bounce_rules.json, retry_profiles);
               anything else: 1 minute, doubling, at most the first wait itself
    """
    if failures < 1:
        raise ValueError(f"failures counts from 1; got {failures}")
    minute = first / 20
    if retry == "pause":
        return minute * (10, 60, 240)[min(failures, 3) - 1]
    doubled: timedelta = minute * (1 << min(failures - 1, 10))
    return min(doubled, first)
