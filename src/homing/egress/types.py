"""Pools, sending IPs, and the line of addresses that a message may leave from."""

from enum import StrEnum

import msgspec

from homing.ground.config import SourceIP

DEFAULT_POOL = "default"  # every account has it
SHARED_POOL = "shared pool"  # as an overflow pool: the source IPs that belong to no customer
SP_SHARED = "sp_shared"  # as ip_pool of a transmission: none of mine, the shared ones


class WhenFull(StrEnum):
    """What becomes of mail when every address of its pool has used up its volume, and nothing takes the overflow."""

    WAIT = "wait"  # it waits for the next hour or day, for a third of its lifetime and 24 hours at most
    SEND = "send"  # it goes over a warming address all the same


class IpPool(msgspec.Struct, frozen=True, kw_only=True):
    """A pool of an account.

    overflow_pool        id of another pool, or SHARED_POOL
    signing_domain       signs in place of the From domain
    fbl_signing_domain   signs besides, where a feedback loop goes by DKIM domain
    """

    account_id: int
    pool_id: str
    name: str
    signing_domain: str | None = None
    fbl_signing_domain: str | None = None
    overflow_pool: str | None = None
    when_full: WhenFull = WhenFull.WAIT


class SendingIp(msgspec.Struct, frozen=True, kw_only=True):
    """A source IP that belongs to one account.

    hostname      what it says in EHLO, and its reverse DNS name
    stage         of automatic warm-up, 1 to 29; None: it is not warming
    """

    address: str
    hostname: str
    account_id: int
    pool_id: str
    customer_provided: bool = False
    stage: int | None = None


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """Where the mail of one pool may leave.

    own         addresses of the pool; never none
    overflow    where mail goes once the warming ones of `own` have used up their volume
    when_full   what happens where those do not help either
    """

    own: tuple[SourceIP, ...]
    overflow: tuple[SourceIP, ...] = ()
    when_full: WhenFull = WhenFull.WAIT
    signing_domain: str | None = None
    fbl_signing_domain: str | None = None
