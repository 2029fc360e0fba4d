"""Names that the settings leave to us."""

import re
import socket
from dataclasses import replace
from urllib.parse import urlsplit

from homing.ground.config import Settings

SLATE = "slate"  # name of the file that a worker's evidence lies in while it is not on the disk


def resolved(settings: Settings) -> Settings:
    """Return the settings with the host's own name where none was given, and the bounce domain that follows from it."""
    hostname = settings.hostname or _fqdn()
    return replace(settings, hostname=hostname, bounce_domain=settings.bounce_domain or hostname)


def node_name(settings: Settings) -> str:
    """Return a short name for this node, fit for ids of workers."""
    return re.sub(r"[^a-z0-9-]", "-", settings.hostname.lower())[:40] or "node"


def tracking_base(settings: Settings) -> str:
    """Return what tracked addresses begin with."""
    if settings.tracking_url:
        return settings.tracking_url.rstrip("/")
    port = settings.tracking.port if settings.tracking is not None else 80
    scheme, usual = ("https", 443) if settings.tls_cert is not None else ("http", 80)
    return f"{scheme}://{settings.hostname}" + ("" if port == usual else f":{port}")


def tracking_hosts(settings: Settings) -> frozenset[str]:
    """Return the names of ours that serve everybody's links, and that customers' tracking domains point to; lower case."""
    return frozenset({(urlsplit(tracking_base(settings)).hostname or "").lower(), settings.hostname.lower()} - {""})


def _fqdn() -> str:
    """Return the machine's name; `localhost.localdomain` where it has none that can be said in EHLO."""
    name = socket.getfqdn().rstrip(".").lower()
    return name if re.fullmatch(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?", name) and not name[0].isdigit() else "localhost.localdomain"
