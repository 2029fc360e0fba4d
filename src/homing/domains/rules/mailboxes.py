"""Proof by mail: a mailbox of a domain is sent a token; whoever shows it controls the domain (reference, section 2.7)."""

import hmac
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from homing.message.addresses import BadAddress, parse_address

GOOD_FOR = timedelta(days=7)
APART = timedelta(minutes=1)  # between two mails to one mailbox
DAY = timedelta(hours=24)
MOST_OF_DOMAIN = 10  # mails a day, whoever asks: nobody must be able to fill a stranger's mailbox through us
MOST_OF_ACCOUNT = 100
KEPT = timedelta(days=14)


class Way(StrEnum):
    """Which mailbox is asked."""

    ABUSE = "abuse_at"
    POSTMASTER = "postmaster_at"
    MAILBOX = "verification_mailbox"

    @property
    def status(self) -> str:
        """Return the status member that tells of it."""
        return f"{self}_status"


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """The mails that were sent lately.

    last_at      the latest of this way for the domain; None: none within a day
    of_domain    for the domain, within a day
    of_account   by the account, within a day
    """

    last_at: datetime | None
    of_domain: int
    of_account: int


class Proof(msgspec.Struct, frozen=True):
    """What is kept of the latest mail of one way."""

    mailbox: str
    token_hash: bytes
    sent_at: datetime


def why_not(sent: Sent, *, now: datetime) -> str | None:
    """Return why no further mail is sent now, as a sentence for the customer; None: it may be sent."""
    if sent.last_at is not None and now - sent.last_at < APART:
        return "that mailbox was sent a verification mail less than a minute ago; wait, then ask again"
    if sent.of_domain >= MOST_OF_DOMAIN:
        return f"{MOST_OF_DOMAIN} verification mails were sent for this domain today; ask again tomorrow"
    if sent.of_account >= MOST_OF_ACCOUNT:
        return f"{MOST_OF_ACCOUNT} verification mails were sent for this account today; ask again tomorrow"
    return None


def proves(proof: Proof | None, token_hash: bytes, *, now: datetime) -> bool:
    """Return whether a token is the one of the latest mail, and not too old."""
    return proof is not None and now - proof.sent_at <= GOOD_FOR and hmac.compare_digest(proof.token_hash, token_hash)


def local_part(text: str, domain: str) -> str | None:
    """Return a mailbox's local part, None where it cannot be one or is one of the two that have a way of their own."""
    if not text.isascii() or text.lower() in ("postmaster", "abuse") or "@" in text:
        return None
    try:
        return parse_address(f"{text}@{domain}").local
    except BadAddress:
        return None
