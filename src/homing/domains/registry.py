"""Adding a domain with its keys: what the API and `homing domain add` share."""

import asyncio
from datetime import datetime

from homing.domains import store
from homing.domains.keys import DEFAULT_BITS, KeyPair, generate_ed25519, generate_rsa, seal
from homing.domains.rules.verify import selector_for
from homing.domains.types import DEFAULT_KEY, Conflict, NewDkimKey, SendingDomain, Verdict
from homing.ground.db import Pool
from homing.ground.secrets import MasterKey


async def register(
    pool: Pool,
    master_key: MasterKey,
    *,
    domain: str,
    account_id: int,
    now: datetime,
    subaccount_id: int = 0,
    shared: bool = False,
    tracking_domain: str | None = None,
    trusted: bool = False,
    dkim_bits: int | None = DEFAULT_BITS,
    own_key: NewDkimKey | None = None,
    signing_domain: str | None = None,
) -> SendingDomain | Conflict:
    """Add a domain, with fresh RSA and Ed25519 keys unless the customer brings a key or wants none.

    domain      as rules.names.domain_name returned it
    dkim_bits   length of the RSA key; None: make no keys
    signing_domain  under which the keys that are made sign; None: the domain itself
    own_key     the customer's (see `sealed_key`); then no others are made
    """
    if own_key is not None:
        keys = [own_key]
    elif dkim_bits is None:
        keys = []
    else:
        keys = await fresh_keys(
            master_key, bits=dkim_bits, selector=selector_for(now, algorithm="rsa"), signing_domain=signing_domain or domain
        )
    return await store.create(
        pool,
        domain=domain,
        account_id=account_id,
        subaccount_id=subaccount_id,
        shared=shared,
        tracking_domain=tracking_domain,
        trusted=trusted,
        keys=keys,
    )


async def fresh_keys(
    master_key: MasterKey, *, bits: int, selector: str, signing_domain: str, key_id: str = DEFAULT_KEY
) -> list[NewDkimKey]:
    """Return a key that was just made, in its two parts: RSA under the selector, Ed25519 under the selector with an `e`."""
    pairs = [(await asyncio.to_thread(generate_rsa, bits), selector), (generate_ed25519(), f"{selector}e")]
    return [sealed_key(pair, master_key, selector=place, signing_domain=signing_domain, key_id=key_id) for pair, place in pairs]


def sealed_key(
    pair: KeyPair,
    master_key: MasterKey,
    *,
    selector: str,
    signing_domain: str,
    status: str = Verdict.UNVERIFIED.value,
    key_id: str = DEFAULT_KEY,
) -> NewDkimKey:
    """Return a key pair as it is kept."""
    return NewDkimKey(
        key_id=key_id,
        algorithm=pair.algorithm,
        selector=selector,
        signing_domain=signing_domain,
        private_sealed=seal(pair, master_key),
        public_key=pair.public_key,
        key_bits=pair.bits,
        status=status,
    )
