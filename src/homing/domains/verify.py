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
from homing.domains.types import DEFAULT_KEY, DkimKey, DomainStatus, SendingDomain, Verdict
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


class Checked(msgspec.Struct, frozen=True):
    """What a verification found: the new status, the keys with theirs, and the `dns` member of the answer."""

    status: DomainStatus
    keys: list[DkimKey]
    dns: dict[str, str]


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

    keys           of this domain, as the store has them
    bounce_hosts   names of ours that a bounce domain's CNAME or MX must lead to, lower case
    """
    status, said, checked = domain.status, dict[str, str](), list[DkimKey]()
    default = [key for key in keys if key.key_id == DEFAULT_KEY] if dkim else []
    names = [(record_name(key.selector, key.signing_domain), "TXT") for key in default]
    names += [(domain.domain, "CNAME")] * cname + [(domain.domain, "MX")] * mx
    answers = iter(await asyncio.gather(*(lookup.look_up(name, kind) for name, kind in names)))
    for key in default:
        checked.append(_judge_key(key, next(answers), said))
    if dkim:
        rsa = [key for key in checked if key.algorithm == "rsa"]
        if not rsa:
            said["dkim_error"] = "the domain has no DKIM key"
        status = msgspec.structs.replace(status, dkim_status=rsa[0].status if rsa else Verdict.INVALID.value)
    if cname:
        answer = next(answers)
        error = answer.trouble or cname_error(answer.values, ours=bounce_hosts)
        said |= {"cname_record": answer.values[0]} if answer.values else {}
        said |= {"cname_error": error} if error else {}
        verdict = after_check(status.cname_status, error=error, temporary=answer.temporary)
        status = msgspec.structs.replace(status, cname_status=verdict)
    if mx:
        answer = next(answers)
        error = answer.trouble or mx_error(answer.values, ours=bounce_hosts)
        said |= {"mx_record": answer.values[0]} if answer.values else {}
        said |= {"mx_error": error} if error else {}
        verdict = after_check(status.mx_status, error=error, temporary=answer.temporary)
        status = msgspec.structs.replace(status, mx_status=verdict)
    return Checked(status, checked, said)


def _judge_key(key: DkimKey, answer: Answer, said: dict[str, str]) -> DkimKey:
    """Return the key with its new status, and say in `said` what stands in DNS. RSA has the reference's member names."""
    prefix = "dkim" if key.algorithm == "rsa" else f"dkim_{key.algorithm}"
    error = answer.trouble or dkim_error(answer.values, public_key=key.public_key, algorithm=key.algorithm)
    if error:
        said[f"{prefix}_error"] = error
    else:
        said[f"{prefix}_record"] = record_value(key.public_key, algorithm=key.algorithm)
    return msgspec.structs.replace(key, status=after_check(key.status, error=error, temporary=answer.temporary))
