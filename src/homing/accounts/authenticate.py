"""Who is asking? From an API key or a trusted network to a Sender, from memory wherever possible.

A key is looked up by its SHA-256, so what an index or a dictionary reveals by its timing is about the hash, which does not
lead back to the key; the hash is compared once more in constant time.
"""

import hmac
import ipaddress
import re
from collections.abc import Sequence
from datetime import timedelta

import msgspec

from homing.accounts import store
from homing.accounts.book import AccountBook
from homing.accounts.grants import (
    SUBACCOUNT_KEY_GRANTS,
    TRUSTED_NETWORK_GRANTS,
    Network,
    read_masks,
    read_subaccount,
    within,
)
from homing.accounts.types import Account, Sender
from homing.ground.clock import Clock
from homing.ground.config import TrustedNet
from homing.ground.db import Pool
from homing.ground.errors import Permanent
from homing.ground.memo import Memo
from homing.ground.secrets import hash_api_key

_FRESH = timedelta(seconds=5)  # so long a revoked key may still work
_ABSENT = timedelta(seconds=1)
_STALE = timedelta(seconds=60)  # so long a known key keeps working while the database is away
_MOST = 10_000
_KEY_SHAPE = re.compile(r"[0-9a-f]{40}")  # as new_api_key makes them: rubbish never reaches the database


class BadSubaccount(Permanent):
    """X-MSYS-SUBACCOUNT names no subaccount of the account that asks."""

    def __init__(self, text: str, *, account_id: int = 0) -> None:
        super().__init__(text)
        self.account_id = account_id


class _Known(msgspec.Struct, frozen=True):
    sender: Sender
    key_hash: bytes
    networks: tuple[Network, ...]


class Authenticator:
    """Answers who a key belongs to. One per worker; safe for any number of callers at once.

    book   how accounts and subaccounts stand, for others who ask that too
    """

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self.book = AccountBook(pool, clock)
        self._keys: Memo[bytes, _Known] = Memo(self._load_key, clock, fresh=_FRESH, absent=_ABSENT, stale=_STALE, most=_MOST)
        self._accounts: Memo[str, Account] = Memo(
            self._load_account, clock, fresh=_FRESH, absent=_ABSENT, stale=_STALE, most=_MOST
        )

    async def authenticate(self, key: str, *, ip: str, subaccount: str | None = None) -> Sender | None:
        """Return who holds this key, or None: unknown, revoked, malformed, or used from an address that it is not valid for.

        ip          the peer's address
        subaccount  what X-MSYS-SUBACCOUNT says, None where it is not given; see `acting_as`
        returns     a Sender; that of a suspended account or subaccount is marked
        raises      BadSubaccount; StoreUnavailable if the database is away and the key was not seen within the last minute
        """
        if _KEY_SHAPE.fullmatch(key) is None:
            return None
        key_hash = hash_api_key(key)
        known = self._keys.peek(key_hash) or await self._keys.get(key_hash)
        if known is None or not hmac.compare_digest(known.key_hash, key_hash):
            return None
        if known.networks and not within(ip, known.networks):
            return None
        sender = acting_as(known.sender, subaccount)
        if sender.subaccount_id and not sender.pinned:
            standing = await self.book.standing(sender.account_id, sender.subaccount_id)
            if standing is None:
                text = f"X-MSYS-SUBACCOUNT: this account has no subaccount {sender.subaccount_id}"
                raise BadSubaccount(text, account_id=sender.account_id)
            if standing.suspended:
                sender = msgspec.structs.replace(sender, suspended=True)
        return sender

    async def trusted(self, ip: str, nets: Sequence[TrustedNet]) -> Sender | None:
        """Return the account that a trusted network (HOMING_SMTP_TRUST) injects for; the narrowest network wins.

        returns  None if no network holds the address, or its account does not exist
        raises   StoreUnavailable as `authenticate`
        """
        matching = [net for net in nets if within(ip, (net.network,))]
        if not matching:
            return None
        narrowest = max(matching, key=lambda net: net.network.prefixlen)
        account = await self._accounts.get(narrowest.account)
        if account is None:
            return None
        return Sender(account_id=account.account_id, grants=TRUSTED_NETWORK_GRANTS, suspended=account.suspended_at is not None)

    def forget(self) -> None:
        """Ask the database anew for everything: a key, account or subaccount was changed in this process."""
        self.book.forget()
        self._keys.clear()
        self._accounts.clear()

    async def _load_key(self, key_hash: bytes) -> _Known | None:
        facts = await store.find_by_hash(self._pool, key_hash)
        if facts is None:
            return None
        key, held = facts.key, frozenset(facts.key.grants)
        if key.subaccount_id:
            held &= SUBACCOUNT_KEY_GRANTS  # whatever was once written into the row
        sender = Sender(
            account_id=key.account_id,
            subaccount_id=key.subaccount_id,
            key_id=key.key_id,
            grants=held,
            acts_for_all=key.subaccount_id == 0,
            pinned=key.subaccount_id != 0,
            suspended=facts.suspended,
        )
        return _Known(sender=sender, key_hash=facts.key_hash, networks=read_masks(key.valid_ips))

    async def _load_account(self, name: str) -> Account | None:
        return await store.account_by_name(self._pool, name)


async def account_of_hash(pool: Pool, key_hash: bytes, *, ip: str, grant: str) -> int | None:
    """Return whose key it is that had this hash, for what was asked while nobody could say; None: it may not do that.

    ip, grant   from where it was used, and what for
    """
    facts = await store.find_by_hash(pool, key_hash)
    if facts is None or facts.suspended or grant not in facts.key.grants:
        return None
    if facts.key.subaccount_id and grant not in SUBACCOUNT_KEY_GRANTS:
        return None
    networks = read_masks(facts.key.valid_ips)
    return None if networks and not within(ip, networks) else facts.key.account_id


def acting_as(sender: Sender, header: str | None) -> Sender:
    """Return the sender as X-MSYS-SUBACCOUNT (SparkPost reference, section 1.4) makes it act.

    header   the header's value, or what stands after `SMTP_Injection:X-MSYS-SUBACCOUNT=`; None: not given
    returns  a subaccount's own key stays what it is, whatever the header says; a primary key without the header acts
             as the primary account and reads all, with `0` the primary alone, with `n` subaccount n
    raises   BadSubaccount if a primary key names something else than a number
    """
    if header is None or sender.pinned:
        return sender
    number = read_subaccount(header)
    if number is None:
        raise BadSubaccount("X-MSYS-SUBACCOUNT must be a number", account_id=sender.account_id)
    return msgspec.structs.replace(sender, subaccount_id=number, acts_for_all=False)


def is_loopback(ip: str) -> bool:
    """Return whether an address is this machine's own: a key may travel without TLS only from there."""
    try:
        address = ipaddress.ip_address(ip.partition("%")[0])
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
