"""What doctor checks on this machine: folders, disk, ports, limits, certificates, clock."""

import contextlib
import ctypes
import os
import resource
import shutil
import socket
import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from homing.cli.findings import Finding, fail, ok, warn
from homing.ground.certificates import Certificates, key_file
from homing.ground.config import HostPort, Settings
from homing.ground.disk import BALLAST

GIB = 1 << 30
_UNSYNCHRONISED = 5  # TIME_ERROR of adjtimex(2)
_EXPIRES_SOON = timedelta(days=21)


def data_folder(chosen: Settings) -> list[Finding]:
    """Check that the data folder is there, private, and can be written."""
    path = chosen.data.resolve()
    if not path.exists():
        return [warn("data folder", f"{path} does not exist yet", "`homing up` makes it")]
    if not path.is_dir():
        return [fail("data folder", f"{path} is no folder", "set HOMING_DATA to a folder")]
    facts = path.stat()
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        return [fail("data folder", f"{path} cannot be written by this user", f"run as its owner (uid {facts.st_uid})")]
    if facts.st_mode & (stat.S_IRWXG | stat.S_IRWXO) & ~stat.S_IXGRP & ~stat.S_IXOTH:
        mode = stat.filemode(facts.st_mode)
        return [warn("data folder", f"{path} is open to others ({mode})", f"chmod 700 {path}")]
    return [ok("data folder", str(path))]


def master_key(chosen: Settings) -> list[Finding]:
    """Check that the master key is there and private."""
    path = chosen.master_key_path
    try:
        facts = path.stat()
    except FileNotFoundError:
        if not chosen.data.exists():
            return [warn("master key", "not made yet", "`homing up` makes it")]
        return [
            fail(
                "master key",
                f"{path} is missing",
                "restore it from your backup: without it the stored signing keys cannot be opened",
            )
        ]
    except PermissionError:
        return [fail("master key", f"{path} cannot be read by this user", "run as the user that runs `homing up`")]
    if facts.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return [fail("master key", f"{path} can be read by others", f"chmod 600 {path}")]
    if facts.st_size != 32:
        return [fail("master key", f"{path} has {facts.st_size} bytes instead of 32", "restore it from your backup")]
    return [ok("master key", f"{path}, mode 600", "keep a copy apart from the database: its loss cannot be repaired")]


def disk(chosen: Settings) -> list[Finding]:
    """Check free space where the data is, and the ballast."""
    folder = chosen.data if chosen.data.exists() else Path()
    found: list[Finding] = []
    places = {folder.resolve()}
    with contextlib.suppress(OSError):
        places.add((folder / "postgres").resolve(strict=True))  # may be a link to another disk
    seen: set[int] = set()
    for place in sorted(places):
        device = place.stat().st_dev
        if device in seen:
            continue
        seen.add(device)
        usage = shutil.disk_usage(place)
        floor = max(chosen.min_free_bytes, int(usage.total * chosen.min_free_share))
        text = f"{usage.free / GIB:.1f} GiB free of {usage.total / GIB:.1f} GiB at {place}"
        if usage.free < floor:
            advice = (
                f"nothing is accepted below {floor / GIB:.1f} GiB: free some space; `homing doctor --free` gives a little at once"
            )
            found.append(fail("disk", text, advice))
        elif usage.free < 2 * floor:
            found.append(warn("disk", text, f"below {floor / GIB:.1f} GiB nothing is accepted; make room soon"))
        else:
            found.append(ok("disk", text))
    ballast = chosen.data / BALLAST
    if chosen.ballast_bytes and chosen.data.exists():
        if ballast.exists():
            found.append(ok("ballast", f"{ballast.stat().st_size / (1 << 20):.0f} MiB in reserve for a full disk"))
        else:
            found.append(warn("ballast", "no reserve for a full disk", "the next start of `homing up` lays it down again"))
    return found


def ports(chosen: Settings, *, running: bool) -> list[Finding]:
    """Check that each door listens where homing runs, and that its port is free where it does not."""
    return [
        _listens(name, where) if running else _is_free(name, where)
        for name, where in (("HTTP door", chosen.http), ("SMTP door", chosen.smtp))
    ]


def _listens(name: str, where: HostPort) -> Finding:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(where.host, where.host)  # noqa: S104 - compared, not bound
    try:
        socket.create_connection((host, where.port), timeout=3.0).close()
    except OSError as trouble:
        return fail(name, f"nothing answers at {where} ({trouble.strerror or trouble})", "look at the log of `homing up`")
    return ok(name, f"answers at {where}")


def _is_free(name: str, where: HostPort) -> Finding:
    variable = "HOMING_" + name.split()[0]
    try:
        with socket.socket(socket.AF_INET6 if ":" in where.host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((where.host, where.port))
    except PermissionError:
        return fail(name, f"this user may not listen on {where}", f"take a port above 1023: {variable}")
    except OSError as trouble:
        advice = f"stop what listens there (`ss -ltnp` shows it), or set {variable} to another port"
        return fail(name, f"{where} cannot be used: {trouble.strerror or trouble}", advice)
    return ok(name, f"{where} is free")


def clear_auth(chosen: Settings) -> list[Finding]:
    """Say so where keys may travel in the clear."""
    if not chosen.smtp_auth_in_clear or chosen.smtp.host in ("127.0.0.1", "::1", "localhost"):
        return []
    advice = "HOMING_SMTP_AUTH_IN_CLEAR=true is for a network of your own; clients that know TLS do not need it"
    return [warn("smtp keys", f"AUTH is taken without TLS on {chosen.smtp}", advice)]


def limits(chosen: Settings) -> list[Finding]:
    """Check open files and cores."""
    workers = chosen.workers or os.cpu_count() or 1
    wanted = chosen.smtp_max_connections + chosen.max_in_flight + 200
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    found: list[Finding] = []
    limit = soft if soft != resource.RLIM_INFINITY else 1 << 30
    if limit < wanted:
        top = "unlimited" if hard == resource.RLIM_INFINITY else str(hard)
        found.append(
            fail("open files", f"{limit} a process; a worker may need {wanted}", f"ulimit -n {2 * wanted} (hard limit {top})")
        )
    else:
        found.append(ok("open files", f"{limit if soft != resource.RLIM_INFINITY else 'unlimited'} a process"))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    text = f"{workers} worker{'s' if workers != 1 else ''} on {cores} core{'s' if cores != 1 else ''}"
    if workers > 2 * cores:
        found.append(warn("cores", text, "more than one for each core gains nothing; set HOMING_WORKERS lower"))
    else:
        found.append(ok("cores", text))
    return found


def source_ips(chosen: Settings) -> list[Finding]:
    """Check that mail can leave from each source address, and what we call ourselves."""
    found: list[Finding] = []
    for source in chosen.source_ips:
        try:
            with socket.socket(socket.AF_INET6 if ":" in source.address else socket.AF_INET) as probe:
                probe.bind((source.address, 0))
            found.append(ok("source IP", f"{source.address} ({source.ehlo or 'says the host name'})"))
        except OSError as trouble:
            advice = "add the address to an interface of this machine, or take it out of HOMING_SOURCE_IPS"
            found.append(fail("source IP", f"{source.address} cannot be used: {trouble.strerror or trouble}", advice))
    name = chosen.hostname or socket.gethostname()
    if "." not in name:
        advice = "set HOMING_HOSTNAME to the full name that the reverse DNS of your address shows"
        found.append(warn("host name", f"{name!r} is no full name; many receivers refuse such a greeting", advice))
    else:
        found.append(ok("host name", name))
    return found


def certificate(chosen: Settings, *, now: datetime | None = None) -> list[Finding]:
    """Check that the certificate fits its key, the host name and the calendar."""
    if chosen.tls_cert is None or chosen.tls_key is None:
        return [
            ok("certificate", "none set: HTTP is plain, STARTTLS uses a self-signed one", "set HOMING_TLS_CERT for the world")
        ]
    moment = now or datetime.now(UTC)
    try:
        chain = x509.load_pem_x509_certificates(chosen.tls_cert.read_bytes())
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(chosen.tls_cert, chosen.tls_key)
    except (OSError, ValueError) as trouble:
        return [fail("certificate", f"{chosen.tls_cert}: {trouble}", "HOMING_TLS_CERT and HOMING_TLS_KEY must be a PEM pair")]
    leaf = chain[0]
    found: list[Finding] = []
    until = leaf.not_valid_after_utc
    if until <= moment or leaf.not_valid_before_utc > moment:
        found.append(fail("certificate", f"valid {leaf.not_valid_before_utc:%Y-%m-%d} to {until:%Y-%m-%d}", "renew it now"))
    elif until - moment < _EXPIRES_SOON:
        found.append(warn("certificate", f"expires {until:%Y-%m-%d}, in {(until - moment).days} days", "renew it"))
    else:
        found.append(ok("certificate", f"valid until {until:%Y-%m-%d}"))
    if chosen.hostname and not _names(leaf, chosen.hostname):
        found.append(warn("certificate", f"does not name {chosen.hostname}", "get one for the name in HOMING_HOSTNAME"))
    return found


def tracking_certificates(chosen: Settings, *, now: datetime | None = None) -> list[Finding]:
    """Check that each certificate for a tracking domain can be read, and stays valid for a while."""
    if chosen.tracking_certs is None:
        return []
    if not chosen.tracking_certs.is_dir():
        return [fail("tracking certificates", f"{chosen.tracking_certs} is no folder", "make it, or unset HOMING_TRACKING_CERTS")]
    moment = now or datetime.now(UTC)
    kept = Certificates(chosen.tracking_certs)
    kept.look()
    found: list[Finding] = []
    for file, held in kept.all():
        if held is None:
            found.append(fail("tracking certificates", f"{file} cannot be used", "it must hold chain and key; the log says more"))
        elif held.expires_at - moment < _EXPIRES_SOON:
            found.append(warn("tracking certificates", f"{file} is valid until {held.expires_at:%Y-%m-%d}", "renew it"))
        key = key_file(file)
        if held is not None and key.stat().st_mode & 0o007:
            found.append(warn("tracking certificates", f"{key} can be read by everybody on this machine", f"chmod o-rwx {key}"))
    return found or [ok("tracking certificates", f"{len(kept.all())} can be used")]


def _names(certificate: x509.Certificate, host: str) -> bool:
    try:
        extension = certificate.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
    except x509.ExtensionNotFound:
        return False
    assert isinstance(extension, x509.SubjectAlternativeName)
    names = [name.lower() for name in extension.get_values_for_type(x509.DNSName)]
    wildcard = "*." + host.lower().partition(".")[2]
    return host.lower() in names or wildcard in names


def time_sync() -> list[Finding]:
    """Ask the kernel whether something keeps its clock right."""
    buffer = ctypes.create_string_buffer(512)  # struct timex; modes=0 only reads
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(buffer)
    except (AttributeError, OSError):
        return []
    if state < 0:
        return []
    if state == _UNSYNCHRONISED:
        advice = "start a time service (chrony, systemd-timesyncd): signatures and deadlines depend on the clock"
        return [warn("clock", "nothing keeps this machine's clock right", advice)]
    return [ok("clock", "kept by a time service")]
