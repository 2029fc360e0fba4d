"""Structured logs: one JSON object a line on standard error (or coloured lines on a terminal).

The event is a constant, what varies is a field. Never bodies, keys, or whole addresses: `masked` shortens an address.
"""

import logging
import sys
from typing import Any

import structlog


def set_up(*, json: bool | None = None, level: str = "info") -> None:
    """Send structlog to standard error; json=None chooses lines for a terminal and JSON elsewhere."""
    as_json = not sys.stderr.isatty() if json is None else json
    renderer: Any = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info if as_json else structlog.processors.StackInfoRenderer(),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper(), logging.INFO)),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


def get(room: str) -> Any:
    """Return the log of a room."""
    return structlog.get_logger(room=room)


def masked(address: str) -> str:
    """Return an address that a log may show: the first letter and the domain."""
    local, at, domain = address.rpartition("@")
    return f"{local[:1]}***{at}{domain}"
