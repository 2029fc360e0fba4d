"""Who opened or clicked: a person's program, a proxy that fetches for many, or a machine that looks before the person does."""

import re
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from ua_parser import parse

MOST_AGENT = 1_000  # characters of a User-Agent that are looked at and kept
# Fetches for its users, and hides their addresses; the fetch may come long before, or without, a look of theirs.
_PROXIES = re.compile(
    r"GoogleImageProxy|YahooMailProxy|ggpht\.com|DuckDuckGo-Email|Proton.?Mail.*Proxy|Outlook-Image-Proxy", re.IGNORECASE
)
# Apple Mail Privacy Protection fetches every image when the mail arrives, as plain "Mozilla/5.0".
_BARE = re.compile(r"Mozilla/5\.0\s*")
_MACHINES = re.compile(
    r"bot\b|crawler|spider|slurp|preview|scan(?:ner)?\b|urldefense|proofpoint|mimecast|barracuda|safelinks|trendmicro|symantec|"
    r"curl/|wget/|python-|go-http-client|java/|okhttp|libwww|headless|facebookexternalhit|whatsapp|slackbot|skypeuripreview",
    re.IGNORECASE,
)
TOO_SOON = timedelta(seconds=2)  # nobody reads and clicks so fast after the delivery: a scanner of the receiving host does


def read_agent(text: str, *, delivered_at: datetime | None, now: datetime, head: bool, click: bool) -> dict[str, Any]:
    """Return `user_agent_parsed` (SparkPost reference, section 4.3).

    delivered_at   of the message, if known
    head           the request was a HEAD
    """
    found = dict(_parsed(text[:MOST_AGENT]))
    soon = delivered_at is not None and now - delivered_at < TOO_SOON
    bare = not click and _BARE.fullmatch(text) is not None
    found["is_prefetched"] = bool(head or bare or found["is_prefetched"] or (click and soon))
    found["is_proxy"] = found["is_proxy"] or bare
    return found


@lru_cache(maxsize=4_096)
def _parsed(text: str) -> dict[str, Any]:
    read = parse(text)
    agent, system, device = read.user_agent, read.os, read.device
    family = device.family if device is not None else ""
    mobile = bool(re.search(r"\bMobile\b|Android|iPhone|iPad|iPod|Windows Phone", text))
    return {
        "agent_family": agent.family if agent is not None else "",
        "device_brand": (device.brand or "") if device is not None else "",
        "device_family": family,
        "os_family": system.family if system is not None else "",
        "os_version": ".".join(part for part in (system.major, system.minor) if part) if system is not None else "",
        "is_mobile": mobile,
        "is_proxy": _PROXIES.search(text) is not None,
        "is_prefetched": _MACHINES.search(text) is not None,
    }
