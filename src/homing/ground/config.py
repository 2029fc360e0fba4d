"""Settings: one frozen dataclass, read once by boot from HOMING_* variables and homing.toml.

A field's comment is the sentence of the manual (docs/settings.md is checked against it). An unknown or unsafe setting
refuses to start, with the line to change. The environment wins over the file.
"""

import ipaddress
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin
from urllib.parse import urlsplit

from homing.ground.errors import Misuse

PREFIX = "HOMING_"
Number = TypeVar("Number", int, float)
# Read elsewhere or by tools around us; not settings of the platform.
_NOT_SETTINGS = frozenset({"HOMING_CONFIG", "HOMING_API_KEY"})
_DOMAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)+")
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


@dataclass(frozen=True, slots=True)
class HostPort:
    """An address to listen on or to connect to."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class SourceIP:
    """One address that mail leaves from, and the name it says in EHLO."""

    address: str
    ehlo: str


@dataclass(frozen=True, slots=True)
class TrustedNet:
    """A network that may inject by SMTP without AUTH, for one account."""

    network: ipaddress.IPv4Network | ipaddress.IPv6Network
    account: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that an operator can set. Each field is HOMING_<NAME>."""

    data: Path = Path("var")  # folder of everything that homing keeps on disk; created with mode 700
    database_url: str | None = None  # a PostgreSQL of your own, 15 or later (postgresql://...); default: the embedded one
    http: HostPort = HostPort("127.0.0.1", 8025)  # where the REST API listens
    smtp: HostPort = HostPort("127.0.0.1", 2525)  # where SMTP injection listens
    tracking: HostPort | None = (
        None  # where tracked links, pixels and unsubscribe pages are served; default: nowhere, nothing is tracked
    )
    tracking_url: str = (
        ""  # what tracked addresses begin with, such as https://click.example.com; default: http(s)://hostname:port
    )
    tracking_proxies: tuple[
        str, ...
    ] = ()  # networks of proxies before it, CIDR, comma separated, whose X-Forwarded-For is believed
    tracking_certs: Path | None = (
        None  # folder of certificates (PEM) for the tracking domains of customers, read again as they change; needs tls_cert
    )
    geoip: Path | None = None  # MaxMind database (.mmdb) that tells where an open or click came from; default: nobody asks
    mx: HostPort | None = None  # where mail that comes back is taken (bounces, complaints, inbound domains); default: nowhere
    tls_cert: Path | None = (
        None  # certificate chain (PEM) for HTTPS and STARTTLS; without it HTTP is plain and STARTTLS self-signed
    )
    tls_key: Path | None = None  # private key (PEM) of tls_cert
    workers: int = 0  # worker processes; 0 means one for each core
    hostname: str = ""  # the name that we say in greetings, EHLO and Message-ID; default: the machine's own
    bounce_domain: str = ""  # domain of envelope senders when a customer has none of his own; default: hostname
    notice_from: str = (
        ""  # address that mail of the platform itself comes from (verification mails); its domain is one of your sending domains
    )
    sandbox_domain: str = ""  # domain that new customers send their first 5 messages from (options.sandbox); it is one of your sending domains; default: no sandbox
    oncall_smtp: HostPort | None = None  # mail server, not this house, that pages of on-call leave by; default: no mail
    oncall_smtp_from: str = ""  # address that pages come from; oncall_smtp needs it
    oncall_smtp_user: str = ""  # user name at that mail server; default: no login
    oncall_smtp_password: str = ""  # password at that mail server
    oncall_smtp_security: str = "starttls"  # starttls, tls (from the first byte) or none; the certificate must be valid
    heartbeat_url: str = ""  # is posted to once a minute while on-call works, so that somebody outside notices when it does not
    support_address: str = (
        ""  # address that support mail comes to (on HOMING_MX) and answers come from; its domain is one of your sending domains
    )
    support_url: str = ""  # what links in support mail begin with, such as https://support.example.com; default: that of the API
    source_ips: tuple[
        SourceIP, ...
    ] = ()  # addresses that mail leaves from: IP[=ehlo-name], comma separated; default: the system chooses
    dns: HostPort | None = None  # resolver to ask, host:port; default: the system's
    sink_domain: str = (
        ""  # mail to this domain and its subdomains is taken and never sent, as to sink.sparkpostmail.com; for tests
    )
    smarthost: HostPort | None = None  # send everything through this host instead of to the MX hosts
    delivery_port: int = 25  # port of the MX hosts; another one only for tests and the demo
    allow_private_mx: bool = False  # deliver to loopback and private addresses too; only for tests and the demo
    allow_private_targets: bool = (
        False  # webhooks may post to loopback and private addresses too; only for tests and your own network
    )
    target_ports: tuple[int, ...] = (80, 443)  # ports that webhooks may post to, comma separated
    sev1_url: str = (
        ""  # what the addresses begin with that carriers of the Severity 1 Line ask, https://...; default: https://hostname
    )
    sev1_carriers: Path | None = (
        None  # TOML file, mode 600, of the carriers and numbers of the Severity 1 Line; default: calls are taken by form and API alone
    )
    smtp_trust: tuple[TrustedNet, ...] = ()  # CIDR=account, comma separated: injection without AUTH from there
    smtp_auth_in_clear: bool = (
        False  # take AUTH without TLS from anywhere, not from loopback alone: whoever listens on the way gets the keys
    )
    max_message_bytes: int = 20_971_520  # largest message, or API body in memory, that is taken; SIZE of EHLO
    max_request_bytes: int = (
        104_857_600  # largest call that sends mail by REST; beyond max_message_bytes it lies in a file while it is read
    )
    smtp_max_connections: int = 500  # injection connections at once, per worker
    smtp_idle_s: float = 60.0  # an injecting client that says nothing for so long is sent away
    warmup_by_provider: bool = (
        True  # an address that warms up also has a volume of its own at each big mailbox provider; false: its stage alone counts
    )
    retry_first_s: float = 1200.0  # wait after the first failed attempt; later waits double
    retry_ceiling_s: float = 43200.0  # no single wait is longer than this
    retry_jitter: float = 0.1  # share by which a wait may vary both ways, so that failures do not return in step
    lifetime_s: float = 259_200.0  # a message that could not be delivered for so long is returned; 72 hours
    max_in_flight: int = 200  # attempts at once in one worker; also the most that a killed worker can send twice
    site_connections: int = 50  # connections to one site from one source IP, where the shaping table names no other number
    ready_entries: int = 20_000  # messages that one worker keeps in memory ready to go; the others wait in PostgreSQL
    connect_timeout_s: float = 30.0  # wait for a TCP connection to an MX host
    command_timeout_s: float = 300.0  # wait for a reply to a command; RFC 5321 section 4.5.3.2 asks for 5 minutes
    data_timeout_s: float = 600.0  # wait for the reply to the end of data; RFC 5321 section 4.5.3.2.6 asks for 10 minutes
    idle_s: float = 2.0  # an open connection to a site is kept so long for the next message
    drain_s: float = 30.0  # after a stop signal, time for attempts in flight
    lease_s: float = 15.0  # term of a worker's lease on its shards; a worker silent for half of it is killed
    min_free_bytes: int = (
        2_147_483_648  # below this much free disk (or min_free_share, whichever is more) nothing new is accepted
    )
    min_free_share: float = 0.05  # share of the disk that stays free, 0.0 to 1.0
    ballast_bytes: int = (
        67_108_864  # size of the ballast file that `homing doctor --free` releases when the disk is full; 0: none
    )
    event_retention_days: int = 10  # days that events are kept
    availability_target: float = 99.99  # percentage of a month, where no Order Form names one
    log_level: str = "info"  # debug, info, warning or error
    master_key: Path | None = None  # file of the master key; default: master.key in the data folder

    @property
    def master_key_path(self) -> Path:
        """Return where the master key is."""
        return self.master_key or self.data / "master.key"


def read(environ: Mapping[str, str] | None = None, file: Path | None = None) -> Settings:
    """Read the settings; the environment wins over the file (HOMING_CONFIG, else homing.toml where it exists).

    raises   Misuse naming the setting, what is wrong and what to write instead
    """
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    path = file or (Path(environ["HOMING_CONFIG"]) if "HOMING_CONFIG" in environ else Path("homing.toml"))
    known = {field.name: field.type for field in fields(Settings)}
    if path.exists():
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as trouble:
            raise Misuse(f"{path} is not valid TOML: {trouble}") from trouble
        for name, value in table.items():
            if name not in known:
                raise Misuse(f"{path}: there is no setting {name!r}; docs/settings.md lists them")
            values[name] = _parse(name, known[name], ",".join(map(str, value)) if isinstance(value, list) else str(value))
    elif file or "HOMING_CONFIG" in environ:
        raise Misuse(f"the settings file {path} does not exist")
    for variable, text in environ.items():
        if not variable.startswith(PREFIX) or variable in _NOT_SETTINGS or variable.startswith("HOMING_INTERNAL_"):
            continue
        name = variable[len(PREFIX) :].lower()
        if name not in known or variable != variable.upper():
            raise Misuse(f"there is no setting {variable}; docs/settings.md lists them")
        values[name] = _parse(name, known[name], text)
    return _checked(Settings(**values))


def _checked(settings: Settings) -> Settings:
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise Misuse("HOMING_TLS_CERT and HOMING_TLS_KEY go together; set both or none")
    if settings.workers < 0 or settings.workers > 64:
        raise Misuse("HOMING_WORKERS must be from 0 (one for each core) to 64")
    if settings.lease_s < 2:
        raise Misuse("HOMING_LEASE_S must be 2 or more: a shorter lease is lost to an ordinary pause")
    if not 0 <= settings.retry_jitter < 1:
        raise Misuse("HOMING_RETRY_JITTER is a share from 0.0 to below 1.0")
    if not 0 <= settings.min_free_share < 1:
        raise Misuse("HOMING_MIN_FREE_SHARE is a share from 0.0 to below 1.0")
    if settings.log_level not in ("debug", "info", "warning", "error"):
        raise Misuse("HOMING_LOG_LEVEL must be debug, info, warning or error")
    if settings.event_retention_days < 1:
        raise Misuse("HOMING_EVENT_RETENTION_DAYS must be 1 or more")
    if not 0 < settings.availability_target <= 100:
        raise Misuse("HOMING_AVAILABILITY_TARGET is a percentage, for example 99.99")
    if settings.tracking_url and not _is_base(settings.tracking_url):
        raise Misuse("HOMING_TRACKING_URL must begin with https:// or http://, for example https://click.example.com")
    if settings.tracking_certs is not None and settings.tls_cert is None:
        raise Misuse("HOMING_TRACKING_CERTS needs HOMING_TLS_CERT, for clients that ask for no name or for yours")
    if settings.sev1_url and not _is_base(settings.sev1_url):
        raise Misuse("HOMING_SEV1_URL must begin with https:// or http://, for example https://sev1.example.com")
    if settings.notice_from and not _ADDRESS.fullmatch(settings.notice_from):
        raise Misuse("HOMING_NOTICE_FROM must be an address, for example postmaster@mta.example.com")
    if settings.sandbox_domain and not _DOMAIN.fullmatch(settings.sandbox_domain):
        raise Misuse("HOMING_SANDBOX_DOMAIN must be a domain, for example sandbox.example.com")
    if settings.oncall_smtp is not None and not _ADDRESS.fullmatch(settings.oncall_smtp_from):
        raise Misuse("HOMING_ONCALL_SMTP needs HOMING_ONCALL_SMTP_FROM, an address such as oncall@provider.example")
    if settings.oncall_smtp_security not in ("starttls", "tls", "none"):
        raise Misuse("HOMING_ONCALL_SMTP_SECURITY must be starttls, tls or none")
    if settings.oncall_smtp_user and settings.oncall_smtp_security == "none":
        raise Misuse("HOMING_ONCALL_SMTP_USER would be sent in the clear; set HOMING_ONCALL_SMTP_SECURITY to starttls or tls")
    if settings.heartbeat_url and not _is_base(settings.heartbeat_url):
        raise Misuse("HOMING_HEARTBEAT_URL must begin with https:// or http://, for example https://beat.example.com/homing")
    if settings.support_address and not (_ADDRESS.fullmatch(settings.support_address) and "+" not in settings.support_address):
        raise Misuse("HOMING_SUPPORT_ADDRESS must be an address without a plus, for example help@support.example.com")
    if settings.support_url and not _is_base(settings.support_url):
        raise Misuse("HOMING_SUPPORT_URL must begin with https:// or http://, for example https://support.example.com")
    for net in settings.smtp_trust:
        if net.network.prefixlen == 0:
            raise Misuse(
                f"HOMING_SMTP_TRUST={net.network}={net.account} would make an open relay; name the hosts that may inject"
            )
    return settings


def _is_base(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _parse(name: str, kind: Any, text: str) -> Any:
    variable = PREFIX + name.upper()
    text = text.strip()
    optional = type(None) in get_args(kind)
    if optional and text == "":
        return None
    if optional:
        kind = next(arg for arg in get_args(kind) if arg is not type(None))
    try:
        if kind is bool:
            if text.lower() in ("1", "true", "yes", "on"):
                return True
            if text.lower() in ("0", "false", "no", "off", ""):
                return False
            raise ValueError("write true or false")
        if kind is int:
            return _not_negative(int(text))
        if kind is float:
            return _not_negative(float(text))
        if kind is Path:
            return Path(text).expanduser()
        if kind is HostPort:
            return parse_host_port(text)
        if get_origin(kind) is tuple and get_args(kind)[0] is str:
            return tuple(str(ipaddress.ip_network(part.strip(), strict=False)) for part in text.split(",") if part.strip())
        if get_origin(kind) is tuple and get_args(kind)[0] is int:
            return tuple(_port(part) for part in text.split(",") if part.strip())
        if get_origin(kind) is tuple and get_args(kind)[0] is SourceIP:
            return tuple(_source_ip(part.strip()) for part in text.split(",") if part.strip())
        if get_origin(kind) is tuple and get_args(kind)[0] is TrustedNet:
            return tuple(_trusted(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as trouble:
        raise Misuse(f"{variable}={text!r} cannot be used: {trouble}") from trouble
    return text


def _port(text: str) -> int:
    number = int(text)
    if not 0 < number < 65536:
        raise ValueError("a port is a number from 1 to 65535")
    return number


def _not_negative(number: Number) -> Number:
    if not number >= 0:
        raise ValueError("it cannot be negative")
    return number


def parse_host_port(text: str) -> HostPort:
    """Read `host:port` or `[v6]:port`.

    raises   ValueError saying what to write
    """
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or not 0 <= int(port) <= 65535 or not host:
        raise ValueError("write host:port, for example 127.0.0.1:8025")
    return HostPort(host.removeprefix("[").removesuffix("]"), int(port))


def _source_ip(text: str) -> SourceIP:
    address, _, name = text.partition("=")
    return SourceIP(str(ipaddress.ip_address(address.strip())), name.strip())


def _trusted(text: str) -> TrustedNet:
    network, equals, account = text.partition("=")
    if not equals or not account.strip():
        raise ValueError("write CIDR=account, for example 10.0.0.0/8=acme")
    return TrustedNet(ipaddress.ip_network(network.strip()), account.strip())
