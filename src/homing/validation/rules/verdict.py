"""The verdict about an address, from what is known of it.

What decides, the first that holds: its spelling, DNS, our own log, the lists of names, the suppression list. Where nothing
tells whether the mailbox exists, the verdict is neutral, not valid.
"""

from homing.message.addresses import BadAddress, parse_address
from homing.validation.rules.names import Names
from homing.validation.types import DomainState, History, Reason, Result, Verdict

DELIVERED = 95  # our mail was taken lately
TAKES_MAIL = 60  # the domain takes mail; nobody knows about the mailbox
BY_ADDRESS = 40  # the domain has no MX, only an address: most of those take no mail
NO_ANSWER = 40  # DNS did not answer now
ROLE = 10  # less, for a role
NEAR_MISS = 20  # the domain takes mail, but is one slip away from a big provider
DISPOSABLE = 20
SUPPRESSED = 10  # it bounced or complained before

_DEAD = (DomainState.NULL_MX, DomainState.NONE)


def read(text: str) -> tuple[str, str] | None:
    """Return (address as the log spells it, its domain), or None where it is no address."""
    try:
        address = parse_address(text.strip())
    except BadAddress:
        return None
    # A domain of one label has no MX that the world could find, and nobody's mailbox is there.
    return (address.text.lower(), address.domain) if "." in address.domain else None


def verdict(address: str, domain: DomainState, history: History, names: Names) -> Verdict:
    """Return the verdict about an address that is well spelled.

    address   as `read` gave it
    """
    local, _, name = address.rpartition("@")
    is_role, is_disposable, is_free = names.is_role(local), names.is_disposable(name), names.is_free(name)
    near = names.nearly(name, alive=domain not in _DEAD)
    meant = f"{local}@{near}" if near else ""

    def made(result: Result, confidence: int, reason: Reason | None = None, *, did_you_mean: str = "") -> Verdict:
        return Verdict(
            result=result,
            reason=reason,
            is_role=is_role,
            is_disposable=is_disposable,
            is_free=is_free,
            delivery_confidence=confidence,
            did_you_mean=did_you_mean,
        )

    if domain in _DEAD:
        result = Result.TYPO if meant else Result.UNDELIVERABLE
        return made(result, 0, Reason.INVALID_DOMAIN, did_you_mean=meant)
    if history.bounced_at is not None:
        return made(Result.UNDELIVERABLE, 0, Reason.INVALID_RECIPIENT, did_you_mean=meant)
    if is_disposable:
        return made(Result.RISKY, DISPOSABLE, did_you_mean=meant)
    if history.suppressed:
        return made(Result.RISKY, SUPPRESSED)
    if history.delivered_at is not None:
        return made(Result.VALID, DELIVERED - (ROLE if is_role else 0))
    if meant:
        return made(Result.RISKY, NEAR_MISS, did_you_mean=meant)
    confidence = {DomainState.MX: TAKES_MAIL, DomainState.ADDRESS: BY_ADDRESS}.get(domain, NO_ANSWER)
    if is_role:
        return made(Result.RISKY, confidence - ROLE)
    return made(Result.NEUTRAL, confidence)


def badly_spelled(text: str) -> Verdict:
    """Return the verdict about a text that is no address; a slip that can be undone is told."""
    local, _, domain = text.strip().strip("<>;,.").rpartition("@")
    mended = read(f"{local.replace(' ', '').rstrip('@')}@{domain.replace(' ', '').replace(',', '.').replace('..', '.')}")
    if mended is None:
        return Verdict(result=Result.UNDELIVERABLE, reason=Reason.INVALID_SYNTAX)
    return Verdict(result=Result.TYPO, reason=Reason.INVALID_SYNTAX, did_you_mean=mended[0])
