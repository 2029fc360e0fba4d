"""Server TLS: contexts for the doors, and a certificate of our own until somebody configures a real one."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from homing.ground.errors import Misuse
from homing.ground.files import write_whole

SELF_SIGNED = "self-signed.pem"  # key and certificate in one file, so that they are never of two different moments
_LIFETIME = timedelta(days=825)
_RENEWED_BEFORE = timedelta(days=30)


def server_context(cert: Path, key: Path | None = None) -> ssl.SSLContext:
    """Return the context of a door: TLS 1.2 or later.

    cert     PEM chain, leaf first; may hold the key too
    key      PEM private key; None: it is in `cert`
    raises   Misuse saying which file is wrong
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    for file in (cert, key):
        if file is not None and not file.is_file():
            raise Misuse(f"the TLS file {file} does not exist; set HOMING_TLS_CERT and HOMING_TLS_KEY to PEM files")
    try:
        context.load_cert_chain(cert, key, password=lambda: b"")
    except (ssl.SSLError, OSError, ValueError) as trouble:
        raise Misuse(
            f"{cert} and {key or cert} are no certificate chain and its unencrypted private key (PEM): {trouble}"
        ) from trouble
    return context


def self_signed(folder: Path, *, hostname: str, now: datetime) -> Path:
    """Return the file of our own certificate; made anew where it is missing, of another name or about to expire.

    folder  gets the file, mode 600
    now     aware; the certificate is valid from a day before, for clocks that run behind
    """
    path = folder / SELF_SIGNED
    if not _still_good(path, hostname, now):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(path, _made(hostname, now))
    return path


def _still_good(path: Path, hostname: str, now: datetime) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (FileNotFoundError, ValueError, x509.ExtensionNotFound):
        return False
    known = names.get_values_for_type(x509.DNSName)
    return _dns_name(hostname) in known and certificate.not_valid_after_utc - _RENEWED_BEFORE > now


def _dns_name(hostname: str) -> str:
    return hostname.lower() if hostname.isascii() and 0 < len(hostname) <= 253 else "localhost"


def _made(hostname: str, now: datetime) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _dns_name(hostname)[:64])])
    begin = now.astimezone(UTC).replace(microsecond=0)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin - timedelta(days=1))
        .not_valid_after(begin + _LIFETIME)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(_dns_name(hostname)), x509.DNSName("localhost")]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private + certificate.public_bytes(serialization.Encoding.PEM)
