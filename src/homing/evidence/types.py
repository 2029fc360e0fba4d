"""What an attempt is, at which door it was made, and whose fault its end reports."""

from enum import IntEnum, StrEnum
from typing import Protocol

HOUR_S = 3_600
DAY_S = 86_400


class FaultTag(StrEnum):
    """Every HTTP answer and SMTP reply carries one (clause D); the code path sets it, nobody guesses it later."""

    NONE = "none"
    CLIENT = "client"
    SERVER = "server"
    TIMEOUT = "timeout"
    VOID = "void"  # no answer's tag: the client left before our time was up, so nothing can be judged


class Door(StrEnum):
    """Where an attempt was made (clause D1: API calls, SMTP injections)."""

    API = "api"
    SMTP = "smtp"

    @property
    def number(self) -> int:
        """Return what stands for it in tables."""
        return 0 if self is Door.API else 1


class Verdict(IntEnum):
    """What an attempt's end says of the service."""

    OK = 0  # answered, be it with a refusal
    FAILED = 1  # a server-side timeout or an internal error
    VOID = 2  # not an attempt


class Attempt(Protocol):
    """One attempt that is under way. Whoever began it ends it, once."""

    def belongs_to(self, account_id: int) -> None:
        """Say whose it is, once that is known."""
        ...

    def ended(self, fault: FaultTag, code: str) -> None:
        """Say how it ended: whose fault the answer reports, and its code (`503`, `451/4.3.0`; '' where nothing was said)."""
        ...


class Begin(Protocol):
    """Begins an attempt at one door."""

    def __call__(self, second: int, account_id: int | None = None, key: str = "") -> Attempt:
        """Begin.

        second      Unix second in which its first byte came (SMTP: the MAIL command)
        account_id  None: not known (yet)
        key         a badge of whoever asks, where the account is not known: see journal.key_badge and name_badge
        """
        ...


class _Nobodys:
    def belongs_to(self, account_id: int) -> None:
        """Forget it."""

    def ended(self, fault: FaultTag, code: str) -> None:
        """Forget it."""


_NOBODYS = _Nobodys()


def nobodys(second: int, account_id: int | None = None, key: str = "") -> Attempt:
    """Begin an attempt that nobody counts: at a door that is not for customers."""
    return _NOBODYS
