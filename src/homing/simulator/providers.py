"""The cast: mailbox providers with their names, hosts, behaviour and wording.

Names are under .test (RFC 6761), addresses under 127.0.0.0/8. The wordings follow the replies of real providers, so a
classifier meets what it will meet outside.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from homing.simulator.rules.behaviour import Answer, Behaviour, Tls


class Zone(StrEnum):
    """What DNS says of a domain."""

    MX = "mx"
    ADDRESS = "address"  # no MX, only an address record: RFC 5321 section 5.1 makes that the mail host
    ALIAS = "alias"  # a CNAME to the provider's first domain
    NULL_MX = "null_mx"  # takes no mail, RFC 7505
    NOTHING = "nothing"  # NXDOMAIN
    SERVFAIL = "servfail"


# Replies by answer; one line of SMTP each, the code repeated where a reply has more than one line.
# {ip} client, {to} recipient, {user} its local part, {domain} its domain, {sender}, {host} the MX host that speaks,
# {id} a queue id.
Wording = dict[Answer, str]

PLAIN: Wording = {
    Answer.OK: "250 2.0.0 Ok: queued as {id}",
    Answer.UNKNOWN_USER: "550 5.1.1 <{to}>: Recipient address rejected: User unknown in virtual mailbox table",
    Answer.MAILBOX_FULL: "452 4.2.2 <{to}> Mailbox full",
    Answer.MAILBOX_FULL_FOR_GOOD: "552 5.2.2 <{to}>: user is over quota",
    Answer.GREYLISTED: "450 4.2.0 <{to}>: Recipient address rejected: Greylisted, see http://{domain}/help/greylisting.html",
    Answer.BUSY: "451 4.3.0 <{to}>: Temporary lookup failure",
    Answer.TOO_MANY_CONNECTIONS: "421 4.7.0 {host} Error: too many connections from {ip}",
    Answer.TOO_MANY_MESSAGES: "421 4.7.0 {host} Error: too many messages per connection, closing transmission channel",
    Answer.TOO_FAST: "421 4.7.0 {host} Error: too much mail from {ip}, slow down",
    Answer.SPAM: "554 5.7.1 Spam message rejected",
    Answer.BLOCKED: "554 5.7.1 Service unavailable; Client host [{ip}] blocked using bl.example; http://bl.example/query/{ip}",
    Answer.RELAY_DENIED: "554 5.7.1 <{to}>: Relay access denied",
}

BIG: Wording = PLAIN | {
    Answer.OK: "250 2.0.0 OK  {id} - gsmtp",
    Answer.UNKNOWN_USER: (
        "550-5.1.1 The email account that you tried to reach does not exist. Please try\n"
        "550-5.1.1 double-checking the recipient's email address for typos or\n"
        "550-5.1.1 unnecessary spaces. For more information, go to\n"
        "550 5.1.1  https://support.{domain}/mail/?p=NoSuchUser {id} - gsmtp"
    ),
    Answer.MAILBOX_FULL: (
        "452-4.2.2 The recipient's inbox is out of storage space. Please direct the\n"
        "452-4.2.2 recipient to\n"
        "452 4.2.2  https://support.{domain}/mail/?p=OverQuotaTemp {id} - gsmtp"
    ),
    Answer.MAILBOX_FULL_FOR_GOOD: (
        "552-5.2.2 The recipient's inbox is out of storage space and inactive. Please direct the recipient to\n"
        "552 5.2.2 https://support.{domain}/mail/?p=OverQuotaPerm {id} - gsmtp"
    ),
    Answer.TOO_FAST: (
        "421-4.7.28 We have detected an unusual rate of unsolicited mail originating\n"
        "421-4.7.28 from your IP address {ip}. To protect our users from spam, mail\n"
        "421-4.7.28 sent from your IP address has been temporarily rate limited.\n"
        "421 4.7.28 https://support.{domain}/mail/?p=UnsolicitedRateLimitError {id} - gsmtp"
    ),
    Answer.TOO_MANY_CONNECTIONS: "421 4.7.0 Try again later, closing connection. {id} - gsmtp",
    Answer.SPAM: (
        "550-5.7.1 [{ip}] We have detected that this message is likely unsolicited mail.\n"
        "550-5.7.1 To reduce the amount of spam sent to us, this message has been blocked.\n"
        "550 5.7.1 https://support.{domain}/mail/?p=UnsolicitedMessageError {id} - gsmtp"
    ),
}

OLD: Wording = PLAIN | {
    Answer.OK: "250 ok dirdel {id}",
    Answer.UNKNOWN_USER: "554 delivery error: dd This user doesn't have a {domain} account ({to}) [0] - {host}",
    Answer.BUSY: "451 {host} Resources temporarily unavailable. Please try again later [#4.16.5].",
    Answer.TOO_MANY_CONNECTIONS: "421 4.7.0 {host} too many concurrent connections from {ip}",
    Answer.TOO_MANY_MESSAGES: "421 Max message per connection reached, closing transmission channel",
    Answer.TOO_FAST: (
        "421 4.7.0 [TSS04] Messages from {ip} temporarily deferred due to unexpected volume or user complaints"
        " - 4.16.55.1; see https://postmaster.{domain}/error-codes"
    ),
}

CORPORATE: Wording = PLAIN | {
    Answer.OK: "250 2.6.0 <{id}@{host}> [InternalId={id}] Queued mail for delivery",
    Answer.UNKNOWN_USER: "550 5.4.1 Recipient address rejected: Access denied. [{host}]",
    Answer.MAILBOX_FULL_FOR_GOOD: (
        "554 5.2.2 mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded;"
        " Failed to process message due to a permanent exception"
    ),
    Answer.BUSY: "451 4.7.500 Server busy. Please try again later from [{ip}]. (S77719) [{host}]",
    Answer.TOO_FAST: (
        "451 4.7.650 The mail server [{ip}] has been temporarily rate limited due to IP reputation."
        " For e-mail delivery information, see https://postmaster.{domain} (S775) [{host}]"
    ),
    Answer.TOO_MANY_CONNECTIONS: (
        "421 4.3.2 The maximum number of concurrent connections per source has exceeded a limit,"
        " closing transmission channel. [{host}]"
    ),
    Answer.SPAM: "554 5.7.1 Email cannot be delivered. Reason: Email flagged as Spam.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One mailbox provider, or one way for a domain to have none.

    domains    the mail domains; the first names the provider; "*" takes mail for any (a sink)
    addresses  loopback addresses of its MX hosts, best first; empty where nothing listens
    also       further domains that DNS knows by another way than `zone`, for example an alias
    """

    name: str
    domains: tuple[str, ...]
    addresses: tuple[str, ...] = ()
    behaviour: Behaviour = field(default_factory=Behaviour)
    wording: Wording = field(default_factory=lambda: PLAIN)
    zone: Zone = Zone.MX
    also: tuple[tuple[str, Zone], ...] = ()
    about: str = ""  # one line for a person

    def host(self, number: int) -> str:
        """Return the name of an MX host, counted from 0."""
        return f"mx{number + 1}.{self.domains[0]}"


CAST: tuple[Provider, ...] = (
    Provider(
        name="Bigmail",
        domains=("bigmail.test", "bigmail-works.test"),
        addresses=("127.0.0.11", "127.0.0.12"),
        behaviour=Behaviour(
            tls=Tls.PROPER,
            unknown_share=0.02,
            full_share=0.01,
            full_for_good=True,
            spam_share=0.005,
            rate_messages=400,
            rate_window_s=10.0,
            penalty_s=4.0,
        ),
        wording=BIG,
        about="limits the rate by 421, and remembers",
    ),
    Provider(
        name="Oldmail",
        domains=("oldmail.test",),
        addresses=("127.0.0.21", "127.0.0.22"),
        behaviour=Behaviour(unknown_share=0.05, max_connections=5, max_messages=20),
        wording=OLD,
        about="limits connections, and messages on each",
    ),
    Provider(
        name="Corpmail",
        domains=("corpmail.test", "acme-works.test", "northwind.test"),
        addresses=("127.0.0.31",),
        behaviour=Behaviour(tls=Tls.PROPER, unknown_share=0.03, full_share=0.02, full_for_good=True, spam_share=0.01),
        wording=CORPORATE,
        also=(("www-acme.test", Zone.ALIAS),),
        about="hosts several domains; refuses some mail as spam",
    ),
    Provider(
        name="Greypost",
        domains=("greypost.test",),
        addresses=("127.0.0.41",),
        behaviour=Behaviour(greylist_s=3.0, unknown_share=0.01),
        about="greylists what it does not know yet",
    ),
    Provider(
        name="Wobbly",
        domains=("wobbly.test",),
        addresses=("127.0.0.51",),
        behaviour=Behaviour(busy_s=8.0),
        about="refuses everything for some seconds, then recovers",
    ),
    Provider(
        name="Snailmail",
        domains=("snailmail.test",),
        addresses=("127.0.0.61",),
        behaviour=Behaviour(delay_s=0.25),
        about="slow to answer",
    ),
    Provider(
        name="Cutoff",
        domains=("cutoff.test",),
        addresses=("127.0.0.71",),
        behaviour=Behaviour(cut_share=0.2),
        about="drops some connections in the middle of the data",
    ),
    Provider(
        name="Rustykey",
        domains=("rustykey.test",),
        addresses=("127.0.0.81",),
        behaviour=Behaviour(tls=Tls.BROKEN),
        about="offers STARTTLS, and its handshake fails",
    ),
    Provider(
        name="Fullhouse",
        domains=("fullhouse.test",),
        addresses=("127.0.0.91",),
        behaviour=Behaviour(full_share=0.3),
        about="many mailboxes are full",
    ),
    Provider(
        name="Fortress",
        domains=("fortress.test",),
        addresses=("127.0.0.101",),
        behaviour=Behaviour(blocks_all=True),
        about="refuses every sender",
    ),
    Provider(
        name="Homelab",
        domains=("homelab.test",),
        addresses=("127.0.0.111",),
        zone=Zone.ADDRESS,
        about="has no MX record, only an address",
    ),
    Provider(name="Nomail", domains=("nomail.test",), zone=Zone.NULL_MX, about="publishes that it takes no mail"),
    Provider(name="Typo", domains=("bigmial.test",), zone=Zone.NOTHING, about="does not exist"),
    Provider(name="Lamedns", domains=("lamedns.test",), zone=Zone.SERVFAIL, about="its DNS servers fail"),
)

SINK = Provider(
    name="Sink",
    domains=("sink.test", "*"),
    addresses=("127.0.0.11",),
    about="accepts everything at full speed, for tests and benchmarks",
)
