"""HTTPS under the names of customers: a real door, a real authority, and files that come, change and break."""

import asyncio
import os
import shutil
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from homing.accounts.store import get_or_create_account
from homing.api.server import serving
from homing.cli import checks_world
from homing.cli.findings import Level
from homing.domains import tracking_store
from homing.ground.certificates import CHAIN, KEY, Certificates
from homing.ground.config import Settings, read
from homing.ground.errors import Misuse
from homing.ground.tls import self_signed
from tests.compatibility.authority import Authority
from tests.kit.resources import resource_door

OWN, CLICK, OTHER = "mx.homing.test", "click.acme.test", "go.globex.test"


async def hello(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


class Town:
    def __init__(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "certs"
        self.folder.mkdir()
        (tmp_path / "issued").mkdir()
        self.authority = Authority(tmp_path / "issued")
        self.certificates = Certificates(self.folder)
        self.port = 0

    def put(self, name: str, *, as_one_file: bool = False) -> None:
        """Let a certificate for a name come, or another one in its place."""
        chain, key = self.authority.issue(name)
        if as_one_file:
            (self.folder / f"{name.replace('*', '_')}.pem").write_bytes(key.read_bytes() + chain.read_bytes())
            return
        place = self.folder / name
        place.mkdir(exist_ok=True)
        shutil.copy(chain, place / CHAIN)
        shutil.copy(key, place / KEY)

    async def shown(self, name: str) -> str:
        """Return the serial number of the certificate that a client is shown who asks for a name."""
        context = ssl.create_default_context(cafile=str(self.authority.file))
        context.check_hostname = name != ""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=context, server_hostname=name or None)
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).endswith(b"ok")
        writer.close()
        return str(x509.load_der_x509_certificate(der).serial_number)


@pytest.fixture
async def town(tmp_path) -> AsyncIterator[Town]:
    made = Town(tmp_path)
    async with _door(made):
        yield made


@asynccontextmanager
async def _door(town: Town) -> AsyncIterator[None]:
    sock = socket.create_server(("127.0.0.1", 0))
    town.port = sock.getsockname()[1]
    cert, key = town.authority.issue(OWN)
    async with serving(hello, sock, drain_s=1.0, cert=cert, key=key, certificates=town.certificates):
        yield


async def test_a_client_is_shown_the_certificate_of_the_name_it_asks_for(town):
    town.put(CLICK)
    town.put(OTHER, as_one_file=True)
    town.certificates.look()
    serials = {await town.shown(name) for name in (CLICK, OTHER, OWN)}  # each is verified against its name
    assert len(serials) == 3
    assert await town.shown(CLICK.upper()) in serials
    with pytest.raises(ssl.SSLCertVerificationError, match="not valid for"):
        await town.shown("nobody.acme.test")  # the door's own is shown, which is not for this name


async def test_a_wildcard_serves_one_label_and_an_exact_name_goes_first(town):
    town.put("*.acme.test", as_one_file=True)
    town.certificates.look()
    wild = await town.shown("a.acme.test")
    assert await town.shown(CLICK) == wild
    town.put(CLICK)
    town.certificates.look()
    assert await town.shown(CLICK) != wild
    assert town.certificates.of("a.b.acme.test") is None
    assert town.certificates.of("acme.test") is None
    assert town.certificates.of("") is None


async def test_a_renewed_certificate_is_shown_without_a_restart_and_a_removed_one_no_more(town):
    town.put(CLICK)
    town.certificates.look()
    first = await town.shown(CLICK)
    town.certificates.look()
    assert await town.shown(CLICK) == first
    town.put(CLICK)
    town.certificates.look()
    assert await town.shown(CLICK) != first
    shutil.rmtree(town.folder / CLICK)
    town.certificates.look()
    assert town.certificates.of(CLICK) is None


@pytest.mark.parametrize("how", ["half written", "key of another", "key gone", "no certificate"])
async def test_a_file_that_cannot_be_used_leaves_the_old_certificate_and_harms_no_other(town, how):
    town.put(CLICK)
    town.put(OTHER)
    town.certificates.look()
    first = await town.shown(CLICK)
    chain, key = town.folder / CLICK / CHAIN, town.folder / CLICK / KEY
    match how:
        case "half written":
            chain.write_bytes(chain.read_bytes()[:200])
        case "key of another":
            shutil.copy(town.folder / OTHER / KEY, key)
        case "key gone":
            key.unlink()
        case _:
            chain.write_text("no certificate")
    (town.folder / "rubbish.pem").write_bytes(os.urandom(100))
    town.certificates.look()
    assert await town.shown(CLICK) == first
    await town.shown(OTHER)
    town.put(CLICK)  # as the renewal goes on
    town.certificates.look()
    assert await town.shown(CLICK) != first
    assert [file.name for file, held in town.certificates.all() if held is None] == ["rubbish.pem"]


async def test_a_folder_that_goes_away_changes_nothing(town):
    town.put(CLICK)
    town.certificates.look()
    shutil.rmtree(town.folder)
    town.certificates.look()
    await town.shown(CLICK)


async def test_of_two_certificates_for_a_name_the_one_that_lasts_longer_is_shown(tmp_path):
    for number, later in enumerate((0, 100)):
        self_signed(tmp_path / str(number), hostname=CLICK, now=datetime.now(UTC) + timedelta(days=later))
        (tmp_path / str(number) / "self-signed.pem").rename(tmp_path / f"{number}.pem")
    certificates = Certificates(tmp_path)
    certificates.look()
    held = certificates.of(CLICK)
    assert held is not None
    assert held.file.name == "1.pem"


async def test_the_api_tells_how_tls_of_a_domain_stands(pool, tmp_path):
    self_signed(tmp_path, hostname=CLICK, now=datetime.now(UTC))
    certificates = Certificates(tmp_path)
    certificates.look()
    async with resource_door(pool, certificates=certificates) as door:
        for name in (CLICK, OTHER):
            await door.call("POST", "tracking-domains", json={"domain": name, "secure": True})
        shown = (await door.call("GET", f"tracking-domains/{CLICK}")).json()["results"]
        assert (shown["status"]["tls_status"], shown["uses_managed_certificate"]) == ("valid", True)
        assert shown["tls_certificate"]["error_code"] is None
        assert shown["tls_certificate"]["expires_at"].endswith(".000Z")
        other = (await door.call("GET", f"tracking-domains/{OTHER}")).json()["results"]
        assert (other["status"]["tls_status"], other["uses_managed_certificate"]) == ("unavailable", False)
        assert "tls_certificate" not in other
        long_ago = datetime.now(UTC) - timedelta(days=900)
        (tmp_path / "self-signed.pem").unlink()
        self_signed(tmp_path, hostname=CLICK, now=long_ago)
        certificates.look()
        shown = (await door.call("GET", "tracking-domains")).json()["results"][0]
        assert shown["status"]["tls_status"] == "expired"


async def test_doctor_names_the_secure_domains_that_have_none(pool, tmp_path):
    account = await get_or_create_account(pool, "acme")
    for name, secure in ((CLICK, True), (OTHER, True), ("plain.acme.test", False)):
        made = await tracking_store.add(pool, domain=name, account_id=account.account_id, secure=secure)
        await tracking_store.set_status(pool, made, "valid")
    self_signed(tmp_path, hostname=CLICK, now=datetime.now(UTC))
    (found,) = await checks_world.secure_names(pool, Settings(tracking_certs=tmp_path))
    assert (found.level, found.text) == (Level.WARN, f"no certificate for {OTHER}")
    await tracking_store.delete(pool, OTHER, account_id=account.account_id, subaccount_id=0)
    (found,) = await checks_world.secure_names(pool, Settings(tracking_certs=tmp_path))
    assert found.level is Level.OK
    assert await checks_world.secure_names(pool, Settings()) == []


def test_the_folder_needs_a_certificate_for_clients_that_ask_for_no_name():
    assert Settings().tracking_certs is None
    with pytest.raises(Misuse, match="HOMING_TRACKING_CERTS needs"):
        read({"HOMING_TRACKING_CERTS": "/etc/certs", "HOMING_TRACKING": "127.0.0.1:8026"})
