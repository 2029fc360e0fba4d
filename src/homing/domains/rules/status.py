"""What a domain's status allows (SparkPost reference, section 2.7)."""

from datetime import datetime, timedelta

import msgspec

from homing.domains.types import DomainFacts, DomainStatus, SendingDomain, Verdict

UNPROVED_FOR = timedelta(days=14)  # SparkPost reference, section 1.10: an unverified domain is removed after two weeks

# Each proves control of the name. SPF does not: it is legacy, and an include says nothing about who owns the name.
_PROOFS = (
    "dkim_status",
    "cname_status",
    "mx_status",
    "abuse_at_status",
    "postmaster_at_status",
    "verification_mailbox_status",
)


def is_owned(status: DomainStatus, *, trusted: bool) -> bool:
    """Return whether ownership is verified: by any proof, or by an operator's word."""
    return trusted or any(getattr(status, proof) == Verdict.VALID for proof in _PROOFS)


def takes_bounces(status: DomainStatus) -> bool:
    """Return whether bounces sent to this domain reach us. An operator's word does not make DNS point here."""
    return Verdict.VALID in (status.cname_status, status.mx_status)


def is_forfeit(domain: SendingDomain, *, now: datetime) -> bool:
    """Return whether a domain is removed, because nobody has ever proved that it is his.

    One that is blocked stays: removed and added again, it would be clean.
    """
    if domain.verify_by is None or domain.verify_by > now or domain.is_default_bounce:
        return False
    return not is_owned(domain.status, trusted=domain.trusted) and domain.status.compliance_status == "valid"


def facts_of(domain: SendingDomain) -> DomainFacts:
    """Return what admission must know."""
    allowed = domain.status.compliance_status == "valid"
    return DomainFacts(
        domain=domain.domain,
        account_id=domain.account_id,
        subaccount_id=domain.subaccount_id,
        shared=domain.shared,
        usable_in_from=allowed and is_owned(domain.status, trusted=domain.trusted),
        usable_as_return_path=allowed and takes_bounces(domain.status),
        is_default_bounce=domain.is_default_bounce,
    )


def may_use(facts: DomainFacts, *, account_id: int, subaccount_id: int) -> bool:
    """Return whether a sender may name this domain: its own, or one that the primary account shares.

    source   SparkPost reference, section 1.4
    """
    if facts.account_id != account_id:
        return False
    return facts.subaccount_id == subaccount_id or (facts.subaccount_id == 0 and facts.shared)


def may_send(facts: DomainFacts | None, *, account_id: int, subaccount_id: int) -> bool:
    """Return whether a sender's mail may leave with this domain in From; None: nobody here has the domain."""
    return facts is not None and facts.usable_in_from and may_use(facts, account_id=account_id, subaccount_id=subaccount_id)


def may_return(facts: DomainFacts | None, *, account_id: int, subaccount_id: int) -> bool:
    """Return whether the bounces of a sender's mail may come back to this domain; None: nobody here has it."""
    return (
        facts is not None and facts.usable_as_return_path and may_use(facts, account_id=account_id, subaccount_id=subaccount_id)
    )


def after_check(before: str, *, error: str | None, temporary: bool) -> str:
    """Return the new verdict after a look into DNS.

    A resolver that is away for a moment says nothing about the record, so what was valid stays so; otherwise a failed
    check is invalid, as the reference has it.
    """
    if error is None:
        return Verdict.VALID.value
    return before if temporary and before == Verdict.VALID else Verdict.INVALID.value


def merged(current: DomainStatus, *, before: DomainStatus, after: DomainStatus) -> DomainStatus:
    """Return the status as it is now, with what a check has changed: others may have changed something meanwhile."""
    changed = {name: value for name, value in msgspec.structs.asdict(after).items() if value != getattr(before, name)}
    return msgspec.structs.replace(current, **changed)
