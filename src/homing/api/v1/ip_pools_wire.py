"""IP pools and sending IPs on the wire: bodies in, objects out (SparkPost reference, sections 2.18 and 2.19)."""

import ipaddress
from typing import Any

import msgspec

from homing.domains.rules.names import a_labels
from homing.egress.rules.pool_ids import MOST_NAME, is_reserved, pool_id_of
from homing.egress.rules.warmup import LAST_STAGE
from homing.egress.types import DEFAULT_POOL, SHARED_POOL, IpPool, SendingIp, WhenFull
from homing.ingress.rules.problem import Problem, Wrong


class PoolIn(msgspec.Struct, kw_only=True):
    """The body of a pool; `null` means absent, '' clears. auto_warmup_when_full is ours."""

    name: str | None = None
    signing_domain: str | None = None
    fbl_signing_domain: str | None = None
    auto_warmup_overflow_pool: str | None = None
    auto_warmup_when_full: str | None = None


class IpIn(msgspec.Struct, kw_only=True):
    """The body of a change to a sending IP; `null` means absent."""

    ip_pool: str | None = None
    auto_warmup_enabled: bool | None = None
    auto_warmup_stage: int | None = None


def refuse(message: str, status: int = 400) -> Wrong:
    """Return a refusal as these resources have it: a message alone."""
    return Wrong(Problem(status, message))


def created(given: PoolIn, account_id: int) -> IpPool:
    """Return a new pool; its id comes from its name.

    raises   Wrong
    """
    if not given.name or not given.name.strip():
        raise refuse("name is required")
    name = _name(given.name)
    pool_id = pool_id_of(name)
    if not pool_id:
        raise refuse("name must hold a letter from a to z or a digit: the id of the pool is made of them")
    if is_reserved(pool_id):
        raise refuse(f"IP Pool {pool_id} is reserved.")
    return IpPool(account_id=account_id, pool_id=pool_id, **{**changes(given, pool_id), "name": name})


def changes(given: PoolIn, pool_id: str) -> dict[str, Any]:
    """Return what a body says of a pool, as members of IpPool; domains are not looked up yet.

    raises   Wrong
    """
    found: dict[str, Any] = {}
    if given.name is not None:
        found["name"] = _name(given.name)
    for member in ("signing_domain", "fbl_signing_domain"):
        text = getattr(given, member)
        if text is not None:
            found[member] = _domain(text, member)
    if given.auto_warmup_overflow_pool is not None:
        found["overflow_pool"] = _overflow(given.auto_warmup_overflow_pool, pool_id)
    if given.auto_warmup_when_full is not None:
        if given.auto_warmup_when_full not in set(WhenFull):
            raise refuse("auto_warmup_when_full must be wait or send")
        found["when_full"] = WhenFull(given.auto_warmup_when_full)
    return found


def changes_of_default(given: PoolIn) -> dict[str, Any]:
    """Return what may be changed of the default pool: where its overflow goes, and what happens without.

    raises   Wrong
    """
    found = changes(given, DEFAULT_POOL)
    reserved = {"signing_domain", "fbl_signing_domain"} & set(found) or found.get("name", "Default") != "Default"
    found.pop("name", None)
    if reserved or not found:
        raise refuse("IP Pool default is reserved and cannot be updated.")
    if found.get("overflow_pool") not in (None, SHARED_POOL):
        raise refuse(f"IP Pool default can overflow only to the {SHARED_POOL}.")
    return found


def show_pool(pool: IpPool, ips: list[SendingIp]) -> dict[str, Any]:
    """Return a pool as answers have it."""
    return {
        **show_settings(pool),
        "ips": [{"external_ip": ip.address, "hostname": ip.hostname, **_warmup(ip)} for ip in ips if ip.pool_id == pool.pool_id],
    }


def show_settings(pool: IpPool) -> dict[str, Any]:
    """Return a pool without its addresses; what is unset is absent."""
    members = {
        "id": pool.pool_id,
        "name": pool.name,
        "signing_domain": pool.signing_domain,
        "fbl_signing_domain": pool.fbl_signing_domain,
        "auto_warmup_overflow_pool": pool.overflow_pool,
        "auto_warmup_when_full": pool.when_full.value if pool.when_full is not WhenFull.WAIT else None,
    }
    return {name: value for name, value in members.items() if value is not None}


def show_ip(ip: SendingIp) -> dict[str, Any]:
    """Return a sending IP as answers have it."""
    return {
        "external_ip": ip.address,
        "hostname": ip.hostname,
        "ip_pool": ip.pool_id,
        "customer_provided": ip.customer_provided,
        **_warmup(ip),
    }


def read_address(text: str) -> str:
    """Return the address in a path; IPv6 is taken as well.

    raises   Wrong
    """
    try:
        found = ipaddress.ip_address(text)
        if isinstance(found, ipaddress.IPv6Address) and found.scope_id is not None:
            raise ValueError("an address of one link")
        return str(found)
    except ValueError:
        raise refuse("external ip must be a valid IPv4 address") from None


def read_pool_id(text: str) -> str:
    """Return the id of a pool as we keep it; what is no plain text comes back escaped, and names none."""
    plain = text if text.isascii() and text.isprintable() else text.encode("unicode_escape").decode("ascii")
    return plain.lower()[:MOST_NAME]


def new_stage(given: IpIn, ip: SendingIp) -> int | None:
    """Return the stage of automatic warm-up after a change; None: it is off.

    raises   Wrong
    """
    before = ip.stage
    if given.auto_warmup_enabled is not None:
        before = (ip.stage or 1) if given.auto_warmup_enabled else None
    if given.auto_warmup_stage is None:
        return before
    if not 1 <= given.auto_warmup_stage <= LAST_STAGE:
        raise refuse(f"auto_warmup_stage must be between 1 and {LAST_STAGE}")
    if before is None:
        raise refuse("auto_warmup_enabled must be true to update auto_warmup_stage")
    if given.auto_warmup_stage > before:
        raise refuse(f"auto_warmup_stage must be less than or equal to {before}")
    return given.auto_warmup_stage


def _warmup(ip: SendingIp) -> dict[str, Any]:
    if ip.stage is None:
        return {"auto_warmup_enabled": False}
    return {"auto_warmup_enabled": True, "auto_warmup_stage": ip.stage}


def _name(text: str) -> str:
    name = text.strip()
    if not name or len(name) > MOST_NAME or not name.isprintable():
        raise refuse(f"name must be 1 to {MOST_NAME} printable characters")
    return name


def _domain(text: str, member: str) -> str | None:
    if not text.strip():
        return None
    domain = a_labels(text.strip())
    if domain is None:
        raise refuse(f"{member} must be a domain name")
    return domain


def _overflow(text: str, pool_id: str) -> str | None:
    target = text.strip().lower()
    if not target:
        return None
    if target == SHARED_POOL:
        return SHARED_POOL
    return read_pool_id(target)
