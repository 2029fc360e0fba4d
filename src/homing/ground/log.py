"""Structured logs: one JSON object a line on standard error (or coloured lines on a terminal).

The event is a constant, what varies is a field. Never bodies, keys, or whole addresses: `masked` shortens an address.
"""

import contextlib
import logging
import sys
from typing import Any, TextIO

import structlog


def set_up(*, json: bool | None = None, level: str = "info") -> None:
    """Send structlog to standard error; json=None chooses lines for a terminal and JSON elsewhere."""
    as_json = not sys.stderr.isatty() if json is None else json
    renderer: Any = structlog.processors.JSONRenderer() if as_json else _lines()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info if as_json else structlog.processors.StackInfoRenderer(),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper(), logging.INFO)),
        logger_factory=structlog.WriteLoggerFactory(file=_Unfailing(sys.stderr)),  # type: ignore[arg-type]
        cache_logger_on_first_use=True,
    )


def _lines() -> structlog.dev.ConsoleRenderer:
    """Return the renderer of a terminal; tracebacks without local variables: those hold addresses, bodies and keys."""
    return structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)


class _Unfailing:
    """A stream whose failures end nothing: where the log's disk is full or its reader has gone, a line is lost, not mail."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Write, if that can be."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)

    def flush(self) -> None:
        """Flush, if that can be."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()


def get(room: str) -> Any:
    """Return the log of a room."""
    return structlog.get_logger(room=room)


def masked(address: str) -> str:
    """Return an address that a log may show: the first letter and the domain."""
    local, at, domain = address.rpartition("@")
    return f"{local[:1]}***{at}{domain}"
