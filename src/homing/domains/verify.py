"""Asking DNS whether a domain is what its owner says. Troubles of DNS are part of the answer, never exceptions."""

import asyncio
from collections.abc import Sequence

import dns.asyncresolver
import dns.exception
import dns.rdatatype
import dns.resolver
import msgspec

from homing.domains.rules.status import after_check
from homing.domains.rules.verify import cname_error, dkim_error, mx_error, record_name, record_value
from homing.domains.types import DkimKey, DomainStatus, SendingDomain, Verdict
from homing.ground.config import HostPort


class Answer(msgspec.Struct, frozen=True):
    """What DNS said.

    trouble     None, or why there is no answer; then values is empty
    temporary   another time may bring one
    """

    values: tuple[str, ...] = ()
    trouble: str | None = None
    temporary: bool = False


class DomainDns:
    """Looks up the records that verification needs, uncached, so that a record that was just corrected is seen."""

    def __init__(self, server: HostPort | None, *, patience_s: float = 5.0) -> None:
        self._server = server
        self._patience_s = patience_s

    async def look_up(self, name: str, kind: str) -> Answer:
        """Return the records of a name: TXT with its strings joined, CNAME targets, or MX hosts by preference."""
        try:
            found = await self._resolver().resolve(name, kind, search=False, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN:
            return Answer()
        except dns.exception.Timeout:
            return Answer(trouble="DNS query error: no answer in time", temporary=True)
        except (dns.resolver.NoNameservers, dns.resolver.NoResolverConfiguration, OSError):
            return Answer(trouble="DNS query error: the name servers gave no usable answer", temporary=True)
        except dns.exception.DNSException:
            return Answer(trouble=f"DNS query error: {name} cannot be looked up")
        records = [record for record in found.rrset or () if record.rdtype == dns.rdatatype.from_text(kind)]
        if kind == "TXT":
            return Answer(tuple(b"".join(record.strings).decode("utf-8", "replace") for record in records))
        if kind == "MX":
            return Answer(
                tuple(
                    record.exchange.to_text(omit_final_dot=True)
                    for record in sorted(records, key=lambda record: int(record.preference))
                )
            )
        return Answer(tuple(record.target.to_text(omit_final_dot=True) for record in records))

    def _resolver(self) -> dns.asyncresolver.Resolver:
        """Return a resolver made for one question: the system's settings may change under a process of weeks."""
        resolver = dns.asyncresolver.Resolver(configure=self._server is None)
        if self._server is not None:
            resolver.nameservers = [self._server.host]
            resolver.port = self._server.port
        resolver.lifetime = self._patience_s
        resolver.cache = None
        return resolver


class Seen(msgspec.Struct, frozen=True):
    """What a look at one record found.

    record      what stands there; '': nothing that could be shown
    error       why it is not as it must be; None: it is
    uncertain   DNS gave no answer, so nothing is known of the record
    """

    record: str = ""
    error: str | None = None
    uncertain: bool = False
    temporary: bool = False


class Checked(msgspec.Struct, frozen=True):
    """What a verification found: the new status, the keys with theirs, and the `dns` member of the answer."""

    status: DomainStatus
    keys: list[DkimKey]
    dns: dict[str, str]


async def look_at_key(key: DkimKey, lookup: DomainDns) -> Seen:
    """Look at the record of a key."""
    answer = await lookup.look_up(record_name(key.selector, key.signing_domain), "TXT")
    error = dkim_error(answer.values, public_key=key.public_key, algorithm=key.algorithm)
    return _seen(answer, error, record="" if error else record_value(key.public_key, algorithm=key.algorithm))


async def look_at_cname(domain: str, lookup: DomainDns, *, ours: frozenset[str]) -> Seen:
    """Look whether a name is an alias of one of ours."""
    answer = await lookup.look_up(domain, "CNAME")
    return _seen(answer, cname_error(answer.values, ours=ours))


async def look_at_mx(domain: str, lookup: DomainDns, *, ours: frozenset[str]) -> Seen:
    """Look whether mail to a name comes to us."""
    answer = await lookup.look_up(domain, "MX")
    return _seen(answer, mx_error(answer.values, ours=ours))


def _seen(answer: Answer, error: str | None, *, record: str | None = None) -> Seen:
    shown = (answer.values[0] if answer.values else "") if record is None else record
    return Seen(shown, answer.trouble or error, answer.trouble is not None, answer.temporary)


async def verify(
    domain: SendingDomain,
    keys: Sequence[DkimKey],
    lookup: DomainDns,
    *,
    dkim: bool = False,
    cname: bool = False,
    mx: bool = False,
    bounce_hosts: frozenset[str],
) -> Checked:
    """Look into DNS for what was asked, all at once.

    keys           of this domain, as the store has them; those of its default key are looked at
    bounce_hosts   names of ours that a bounce domain's CNAME or MX must lead to, lower case
    """
    status, said = domain.status, dict[str, str]()
    default = [key for key in keys if key.key_id == domain.default_key] if dkim else []
    looks = [look_at_key(key, lookup) for key in default]
    if cname:
        looks.append(look_at_cname(domain.domain, lookup, ours=bounce_hosts))
    if mx:
        looks.append(look_at_mx(domain.domain, lookup, ours=bounce_hosts))
    seen = iter(await asyncio.gather(*looks))
    checked = []
    for key in default:
        one = next(seen)
        _say(said, "dkim" if key.algorithm == "rsa" else f"dkim_{key.algorithm}", one)
        checked.append(judged(key, one))
    if dkim:
        rsa = [key for key in checked if key.algorithm == "rsa"]
        if not rsa:
            said["dkim_error"] = "the domain has no DKIM key"
        status = msgspec.structs.replace(status, dkim_status=rsa[0].status if rsa else Verdict.INVALID.value)
    for asked, name in ((cname, "cname"), (mx, "mx")):
        if asked:
            one = next(seen)
            _say(said, name, one)
            verdict = after_check(getattr(status, f"{name}_status"), error=one.error, temporary=one.temporary)
            status = msgspec.structs.replace(status, **{f"{name}_status": verdict})
    return Checked(status, checked, said)


def judged(key: DkimKey, seen: Seen) -> DkimKey:
    """Return a key with what a look, that its owner asked for, says of it."""
    return msgspec.structs.replace(key, status=after_check(key.status, error=seen.error, temporary=seen.temporary))


def _say(said: dict[str, str], name: str, seen: Seen) -> None:
    """Say in `said` what stands in DNS. RSA has the reference's member names."""
    if seen.record:
        said[f"{name}_record"] = seen.record
    if seen.error:
        said[f"{name}_error"] = seen.error
