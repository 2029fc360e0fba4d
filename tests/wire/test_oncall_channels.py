"""Pages leave by the second relay, with TLS that is checked, and say what went wrong where they do not."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from homing.contracts.types import Role, StaffMember
from homing.ground.config import HostPort
from homing.ground.http import OutboundHttp, TargetPolicy
from homing.ground.secrets import MasterKey
from homing.ground.tls import self_signed
from homing.support.oncall import channels
from homing.support.oncall.channels import Call, Channels, Relay
from homing.support.oncall.types import ChannelKind, Severity
from tests.kit.target import target

KEY = MasterKey(b"k" * 32)
ANN = StaffMember(person_id=1, name="Ann", email="ann@provider.test", phone="", roles=frozenset({Role.ONCALL}))
CALL = Call(
    run_id=7,
    page_id=9,
    severity=Severity.ONE,
    reference="S1-1",
    text="Severity 1: S1-1. Claim it, or hand it on.",
    alarm=False,
    due_at=None,
    now=datetime(2026, 11, 1, tzinfo=UTC),
)


class Mailbox:
    """What a relay was handed."""

    def __init__(self) -> None:
        self.envelopes: list[Any] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.envelopes.append(envelope)
        return "250 OK"


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, HostPort]]:
    box = Mailbox()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    yield box, HostPort("127.0.0.1", port)
    controller.stop()


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[tuple[Mailbox, HostPort, Path]]:
    """A relay that wants STARTTLS and a login."""
    pem = self_signed(tmp_path, hostname="localhost", now=datetime.now(UTC))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    box = Mailbox()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    def login(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=data.login == b"oncall" and data.password == b"secret", handled=False)

    controller = Controller(
        box, hostname="127.0.0.1", port=port, tls_context=context, require_starttls=True, auth_required=True, authenticator=login
    )
    controller.start()
    yield box, HostPort("localhost", port), pem
    controller.stop()


def ways(relay: Relay | None) -> Channels:
    return Channels(KEY, OutboundHttp(TargetPolicy()), relay=relay)


async def test_a_page_leaves_by_the_second_relay(mailbox):
    box, where = mailbox
    made = ways(Relay(where=where, sender="oncall@provider.test", security="none"))
    assert await made.send(ChannelKind.EMAIL, None, ANN, CALL) == ""
    (envelope,) = box.envelopes
    mail = message_from_bytes(envelope.content, policy=policy.default)
    assert (envelope.mail_from, envelope.rcpt_tos) == ("oncall@provider.test", ["ann@provider.test"])
    assert (mail["Subject"], mail["Auto-Submitted"]) == ("[severity 1] S1-1", "auto-generated")
    assert CALL.text in mail.get_content()
    assert "/api/v1/support/oncall/runs/7/claim" in mail.get_content()
    made.close()


async def test_a_certificate_that_nobody_vouches_for_is_refused_before_the_password_is_told(guarded):
    box, where, _ = guarded
    said = await ways(Relay(where=where, sender="o@provider.test", user="oncall", password="secret")).send(
        ChannelKind.EMAIL, None, ANN, CALL
    )
    assert "certificate" in said
    assert box.envelopes == []


async def test_with_a_valid_certificate_it_logs_in(guarded, monkeypatch):
    box, where, pem = guarded
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    relay = Relay(where=where, sender="o@provider.test", user="oncall", password="secret")
    assert await ways(relay).send(ChannelKind.EMAIL, None, ANN, CALL) == ""
    assert len(box.envelopes) == 1
    wrong = Relay(where=where, sender="o@provider.test", user="oncall", password="other")
    assert "SMTPAuthenticationError" in await ways(wrong).send(ChannelKind.EMAIL, None, ANN, CALL)


async def test_a_relay_that_is_not_there_is_told_as_it_is():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    relay = Relay(where=HostPort("127.0.0.1", port), sender="o@provider.test", security="none")
    assert "ConnectionRefusedError" in await ways(relay).send(ChannelKind.EMAIL, None, ANN, CALL)


async def test_what_cannot_be_used_here_is_not_offered():
    assert ChannelKind.EMAIL not in ways(None).kinds
    assert ChannelKind.VOICE not in ways(None).kinds
    assert "cannot be used here" in await ways(None).send(ChannelKind.VOICE, None, ANN, CALL)
    assert (ChannelKind.SERVICE in ways(None).kinds) == channels.knows_services()


async def test_webhooks_into_our_own_network_are_refused():
    sealed = KEY.seal(b"http://127.0.0.1/hook", purpose="on-call")
    assert "cannot be posted to" in await ways(None).send(ChannelKind.WEBHOOK, sealed, ANN, CALL)


@pytest.mark.skipif(not channels.knows_services(), reason="the library apprise is not installed")
async def test_a_service_of_apprise_hears_the_page():
    async with target() as hook:
        sealed = KEY.seal(f"json://127.0.0.1:{hook.port}/".encode(), purpose="on-call")
        made = ways(None)
        assert await made.send(ChannelKind.SERVICE, sealed, ANN, CALL) == ""
        assert CALL.text in str(hook.heard[0].body)
        hook.script = lambda heard: 500
        assert await made.send(ChannelKind.SERVICE, sealed, ANN, CALL) == "the service refused"
        assert not channels.understands("nothing://x")
        made.close()


async def test_ordinary_pages_that_hang_leave_threads_for_severity_1(mailbox):
    box, where = mailbox
    made = ways(Relay(where=where, sender="o@provider.test", security="none"))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        made._relay = Relay(where=HostPort("127.0.0.1", silent.getsockname()[1]), sender="o@p.test", security="none")
        ordinary = Call(**{**{name: getattr(CALL, name) for name in CALL.__struct_fields__}, "severity": Severity.ORDINARY})
        hanging = [asyncio.create_task(made.send(ChannelKind.EMAIL, None, ANN, ordinary)) for _ in range(20)]
        await asyncio.sleep(0.2)
        made._relay = Relay(where=where, sender="o@provider.test", security="none")
        async with asyncio.timeout(5):
            assert await made.send(ChannelKind.EMAIL, None, ANN, CALL) == ""
        assert len(box.envelopes) == 1
        for task in hanging:
            task.cancel()
        made.close()
    await asyncio.gather(*hanging, return_exceptions=True)
