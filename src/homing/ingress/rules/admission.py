"""May this transmission be sent? Decided over what was looked up, so nothing here waits."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from homing.accounts.types import AccountOptions, Sender
from homing.domains.types import DomainFacts, KeyStanding
from homing.ingress.types import Refusal, Refused, Transmission
from homing.recipients.types import StoredList

FURTHEST_START = timedelta(days=3)  # SparkPost reference, section 1.10


class Known(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What was looked up for a transmission.

    domains         facts of the domains that the transmission names and this sender may name; absent: he may not
    default_bounce  domain of envelope senders where the transmission names none; None: the platform's
    bounce_domain   the platform's, for those
    stored_list     the recipient list that it names; None: it names none, or there is none
    pool_exists     of the pool that it names; True where it names none
    dkim_key        whether the key that it names can sign for the sending domain; usable where it names none
    tracking_usable of the tracking domain that it names; True where it names none
    options         of the account
    """

    domains: Mapping[str, DomainFacts]
    default_bounce: str | None = None
    bounce_domain: str = ""
    stored_list: StoredList | None = None
    pool_exists: bool = True
    dkim_key: KeyStanding = KeyStanding.USABLE
    tracking_usable: bool = True
    options: AccountOptions = AccountOptions()


def admit(transmission: Transmission, sender: Sender, known: Known, *, now: datetime) -> Refused | None:
    """Return why a transmission cannot be taken; None: it can.

    Envelope domains of single recipients count as the transmission's own: one that cannot be used refuses the call.
    """
    if sender.suspended:
        return Refused(Refusal.SUSPENDED)
    if transmission.stored_list:
        if sender.subaccount_id:
            return Refused(Refusal.LIST_OF_SUBACCOUNT, transmission.stored_list)
        if known.stored_list is None:
            return Refused(Refusal.UNKNOWN_LIST, transmission.stored_list)
    elif not transmission.given:
        return Refused(Refusal.NO_RECIPIENTS)
    if not transmission.sending_domain:
        return Refused(Refusal.NO_SENDING_DOMAIN)
    facts = known.domains.get(transmission.sending_domain)
    if facts is None or not facts.usable_in_from:
        return Refused(Refusal.UNVERIFIED_DOMAIN, transmission.sending_domain)
    of_list = known.stored_list.return_path_domains if known.stored_list is not None else ()
    for domain in sorted({*return_path_domains(transmission), *of_list}):
        facts = known.domains.get(domain)
        if facts is None or not facts.usable_as_return_path:
            return Refused(Refusal.RETURN_PATH_DOMAIN, domain)
    if not known.pool_exists:
        return Refused(Refusal.UNKNOWN_POOL, transmission.ip_pool or "")
    if known.dkim_key is KeyStanding.ABSENT:
        return Refused(Refusal.UNKNOWN_DKIM_KEY, transmission.dkim_key)
    if known.dkim_key is KeyStanding.UNVERIFIED:
        return Refused(Refusal.UNVERIFIED_DKIM_KEY, transmission.dkim_key)
    if not known.tracking_usable:
        return Refused(Refusal.UNKNOWN_TRACKING_DOMAIN, transmission.tracking_domain)
    if transmission.start_time is not None and transmission.start_time > now + FURTHEST_START:
        return Refused(Refusal.START_TIME, transmission.start_time.isoformat())
    return None


def with_usable_return_path(transmission: Transmission, known: Known) -> Transmission:
    """Return an SMTP injection without its MAIL FROM where that cannot be the envelope sender; others as they are.

    source   SparkPost reference, section 2.31.1: MAIL FROM may be anything, and is kept only on a verified bounce domain
    """
    if transmission.recv_method != "esmtp" or transmission.return_path is None:
        return transmission
    facts = known.domains.get(transmission.return_path.rpartition("@")[2].lower())
    if facts is not None and facts.usable_as_return_path:
        return transmission
    return msgspec.structs.replace(transmission, return_path=None)


def with_pool(transmission: Transmission, pool: str) -> Transmission | Refused:
    """Return a transmission that leaves from the pool of its subaccount; refuse one that names another.

    pool   '': the subaccount has none of its own
    """
    if not pool or transmission.ip_pool == pool:
        return transmission
    if transmission.ip_pool is not None:
        return Refused(Refusal.POOL_OF_SUBACCOUNT, transmission.ip_pool)
    return msgspec.structs.replace(transmission, ip_pool=pool)


def return_path_domains(transmission: Transmission) -> set[str]:
    """Return the domains of all envelope senders that the caller named."""
    named = {transmission.return_path} if transmission.return_path else set()
    named |= {
        recipient.detail.return_path
        for recipient in transmission.recipients
        if recipient.detail is not None and recipient.detail.return_path
    }
    of_many = transmission.bulk.domains if transmission.bulk is not None else frozenset()
    return {address.rpartition("@")[2].lower() for address in named} | of_many
