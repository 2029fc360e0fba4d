"""Certificates for names of customers: files in a folder, chosen by the name that a client asks for, read anew as they change.

Whoever fetches and renews them (certbot, lego, a person) only writes files; nothing is restarted.
"""

import asyncio
import os
import ssl
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
from cryptography import x509

from homing.ground.errors import Misuse
from homing.ground.log import get
from homing.ground.tls import server_context

log = get("tls")

LOOKS_S = 30.0
MOST_FILES = 20_000
CHAIN, KEY = "fullchain.pem", "privkey.pem"  # as certbot calls them

_Stamp = tuple[tuple[int, int, int], ...]


class Held(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A certificate that can be shown. names: in lower case, `*.` for any one label."""

    names: tuple[str, ...]
    issued_at: datetime
    expires_at: datetime
    context: ssl.SSLContext
    file: Path


class _Seen(NamedTuple):
    stamp: _Stamp
    held: Held | None


class Certificates:
    """The certificates of a folder.

    folder   holds files `*.pem` (key and chain in one), and folders with `fullchain.pem` and `privkey.pem`; None: none are kept
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._seen: dict[Path, _Seen] = {}
        self._named: Mapping[str, Held] = {}

    @property
    def kept(self) -> bool:
        """Return whether there is a folder at all."""
        return self._folder is not None

    def of(self, name: str) -> Held | None:
        """Return the certificate for a host name in lower case."""
        return self._named.get(name) or self._named.get(f"*.{name.partition('.')[2]}")

    def serve(self, context: ssl.SSLContext) -> None:
        """Let a door that has this context show the certificate of the name that a client asks for; else its own."""

        def choose(connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, own: ssl.SSLContext) -> None:
            held = self.of(name.lower().rstrip(".")) if name else None
            if held is not None:
                connection.context = held.context

        context.sni_callback = choose

    async def run(self) -> None:
        """Look into the folder again and again, until cancelled."""
        while self._folder is not None:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(LOOKS_S)

    def look(self) -> None:
        """Read what is new or has changed. A file that cannot be used changes nothing: what it held before is still shown."""
        if self._folder is None:
            return
        try:
            found = dict(_pairs(self._folder))
        except OSError as trouble:
            log.error("certificates_not_read", folder=str(self._folder), cause=trouble.strerror or str(trouble))
            return
        seen: dict[Path, _Seen] = {}
        for chain, key in found.items():
            before = self._seen.get(chain)
            stamp = _stamp(chain, key)
            if before is not None and (before.stamp == stamp or not stamp):
                seen[chain] = before
                continue
            try:
                fresh = _read(chain, key)
            except (Misuse, OSError, ValueError) as trouble:
                log.error("certificate_unusable", file=str(chain), cause=str(trouble)[:300])
                seen[chain] = _Seen(stamp, None if before is None else before.held)
            else:
                log.info("certificate_read", file=str(chain), names=fresh.names[:10], expires_at=fresh.expires_at)
                seen[chain] = _Seen(stamp, fresh)
        named: dict[str, Held] = {}
        for held in [one.held for one in seen.values() if one.held is not None]:
            for name in held.names:
                other = named.get(name)
                if other is None or other.expires_at < held.expires_at:
                    named[name] = held
        self._seen, self._named = seen, named

    def all(self) -> list[tuple[Path, Held | None]]:
        """Return every file of the last look, and what it holds; None: it cannot be used."""
        return sorted(((file, one.held) for file, one in self._seen.items()), key=lambda pair: pair[0])


def key_file(chain: Path) -> Path:
    """Return where the private key of a chain is."""
    return chain.with_name(KEY) if chain.name == CHAIN else chain


def _pairs(folder: Path) -> Iterator[tuple[Path, Path | None]]:
    """Give chains and their keys; a key of None is in the file of the chain."""
    with os.scandir(folder) as entries:
        for number, entry in enumerate(entries):
            if number >= MOST_FILES:
                log.error("certificates_too_many", folder=str(folder), most=MOST_FILES)
                return
            path = Path(entry.path)
            if entry.is_dir():
                if (path / CHAIN).is_file():
                    yield path / CHAIN, path / KEY
            elif path.suffix == ".pem" and not path.name.startswith("."):
                yield path, None


def _stamp(chain: Path, key: Path | None) -> _Stamp:
    """Return by what a change is noticed; empty where a file has just gone."""
    try:
        states = [path.stat() for path in (chain, key) if path is not None]
    except OSError:
        return ()
    return tuple((state.st_ino, state.st_mtime_ns, state.st_size) for state in states)


def _read(chain: Path, key: Path | None) -> Held:
    """Read a pair.

    raises   Misuse, OSError, ValueError
    """
    context = server_context(chain, key)
    leaf = x509.load_pem_x509_certificates(chain.read_bytes())[0]
    try:
        named = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        raise ValueError("the certificate names no host (subjectAltName)") from None
    return Held(
        names=tuple(name.lower() for name in named.get_values_for_type(x509.DNSName)),
        issued_at=leaf.not_valid_before_utc,
        expires_at=leaf.not_valid_after_utc,
        context=context,
        file=chain,
    )
