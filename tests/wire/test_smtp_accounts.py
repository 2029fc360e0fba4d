"""Who may inject over SMTP, and how much: real keys, subaccounts and limits behind a real door."""

import asyncio
import smtplib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TypeVar

import pytest

from homing.accounts import store
from homing.accounts.types import Limits, Sender
from homing.ground.clock import SystemClock
from homing.ingress.smtp_server import SmtpDoor
from homing.ingress.types import Accepted, Refused, Transmission
from homing.smtp.server import SmtpSettings
from tests.kit.http import HttpDoor, http_door, subaccount

T = TypeVar("T")
MESSAGE = "From: news@acme.test\r\nTo: kim@there.test\r\nSubject: Hi\r\n\r\nhello\r\n"


class Doors:
    """Both doors of a house whose queue only remembers."""

    def __init__(self, http: HttpDoor, port: int) -> None:
        self.http = http
        self.port = port
        self.chunks = http.queue.chunks

    async def smtp(self, work: Callable[[smtplib.SMTP], T]) -> T:
        def run() -> T:
            with smtplib.SMTP("127.0.0.1", self.port, "client.test", timeout=10) as client:
                return work(client)

        return await asyncio.to_thread(run)

    async def send(self, key: str, user: str = "SMTP_Injection", message: str = MESSAGE, to: str = "kim@there.test") -> None:
        def work(client: smtplib.SMTP) -> None:
            client.login(user, key)
            client.sendmail("news@acme.test", to, message)

        await self.smtp(work)


@asynccontextmanager
async def opened(pool, **trust) -> AsyncIterator[Doors]:
    async with http_door(pool) as http:
        await http.domain(shared=True)

        async def accept(transmission: Transmission, sender: Sender) -> Accepted | Refused:
            return await http.accept(transmission, sender, now=datetime.now(UTC))

        door = SmtpDoor(
            SmtpSettings(hostname="mx.homing.test"),
            accept=accept,
            authenticate=http.authenticator.authenticate,
            refuse_new=lambda: None,
            clock=SystemClock(),
            **trust,
        )
        server = await asyncio.get_running_loop().create_server(door.protocol_factory, "127.0.0.1", 0)
        try:
            yield Doors(http, server.sockets[0].getsockname()[1])
        finally:
            server.close()
            await door.close(1.0)


@pytest.fixture
async def doors(pool):
    async with opened(pool) as made:
        yield made


async def test_a_primary_key_injects_for_itself_and_for_a_subaccount(doors: Doors):
    for user, number in (
        ("SMTP_Injection", 0),
        ("SMTP_Injection:X-MSYS-SUBACCOUNT=0", 0),
        ("SMTP_Injection:X-MSYS-SUBACCOUNT=7", 7),
    ):
        await doors.send(doors.http.key, user)
        assert doors.chunks[-1].facts.subaccount_id == number


async def test_a_subaccounts_key_injects_for_its_own(doors: Doors):
    key = await doors.http.key_with("smtp/inject", subaccount_id=7)
    await doors.send(key)
    await doors.send(key, "SMTP_Injection:X-MSYS-SUBACCOUNT=7")
    assert [chunk.facts.subaccount_id for chunk in doors.chunks] == [7, 7]


async def refused_to_log_in(doors: Doors, key: str, user: str = "SMTP_Injection") -> None:
    with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
        await doors.send(key, user)
    assert (refused.value.smtp_code, refused.value.smtp_error) == (535, b"5.7.8 Sorry.")
    assert doors.chunks == []


@pytest.mark.parametrize("number", ["999", "2147483647", "2147483648", "x", "-1", ""])
async def test_a_subaccount_that_does_not_exist_is_refused(doors: Doors, number: str):
    await refused_to_log_in(doors, doors.http.key, f"SMTP_Injection:X-MSYS-SUBACCOUNT={number}")


async def test_a_subaccount_of_another_account_is_refused(doors: Doors):
    other = await store.get_or_create_account(doors.http.pool, "other")
    await subaccount(doors.http.pool, other.account_id, 77)
    await refused_to_log_in(doors, doors.http.key, "SMTP_Injection:X-MSYS-SUBACCOUNT=77")


async def test_a_subaccounts_key_cannot_inject_for_another(doors: Doors):
    key = await doors.http.key_with("smtp/inject", subaccount_id=7)
    await refused_to_log_in(doors, key, "SMTP_Injection:X-MSYS-SUBACCOUNT=8")
    await refused_to_log_in(doors, key, "SMTP_Injection:X-MSYS-SUBACCOUNT=0")


@pytest.mark.parametrize("how", [{"status": "suspended"}, {"status": "terminated"}, {"compliance_status": "suspended"}])
async def test_a_subaccount_that_is_not_active_cannot_inject(doors: Doors, how):
    key = await doors.http.key_with("smtp/inject", subaccount_id=7)
    await subaccount(doors.http.pool, doors.http.account_id, 7, **how)
    await refused_to_log_in(doors, key)
    await refused_to_log_in(doors, doors.http.key, "SMTP_Injection:X-MSYS-SUBACCOUNT=7")


async def test_a_suspended_account_cannot_inject(doors: Doors):
    await store.suspend(doors.http.pool, doors.http.account_id, at=datetime.now(UTC))
    await refused_to_log_in(doors, doors.http.key)


async def test_a_connection_that_was_opened_before_the_suspension_is_refused_with_its_next_message(doors: Doors):
    key = await doors.http.key_with("smtp/inject", subaccount_id=7)
    loop = asyncio.get_running_loop()

    async def suspend() -> None:
        await subaccount(doors.http.pool, doors.http.account_id, 7, status="suspended")
        doors.http.authenticator.forget()

    def work(client: smtplib.SMTP) -> tuple[int, bytes]:
        client.login("SMTP_Injection", key)
        client.sendmail("news@acme.test", "kim@there.test", MESSAGE)
        asyncio.run_coroutine_threadsafe(suspend(), loop).result(10)
        with pytest.raises(smtplib.SMTPDataError) as refused:
            client.sendmail("news@acme.test", "kim@there.test", MESSAGE)
        return refused.value.smtp_code, refused.value.smtp_error

    code, text = await doors.smtp(work)
    assert (code, text[:5]) == (550, b"5.7.1")
    assert b"suspended" in text
    assert len(doors.chunks) == 1


async def test_a_trusted_network_of_a_suspended_account_injects_nothing(pool):
    async def trusted(ip: str) -> Sender:
        account = await store.get_or_create_account(pool, "acme")
        return Sender(account_id=account.account_id, grants=frozenset({"smtp/inject"}))

    async with opened(pool, trusted=trusted) as doors:
        await doors.smtp(lambda client: client.sendmail("news@acme.test", "kim@there.test", MESSAGE))
        await store.suspend(pool, doors.http.account_id, at=datetime.now(UTC))
        doors.http.authenticator.forget()
        with pytest.raises(smtplib.SMTPDataError) as refused:
            await doors.smtp(lambda client: client.sendmail("news@acme.test", "kim@there.test", MESSAGE))
        assert refused.value.smtp_code == 550


@pytest.mark.parametrize(
    ("limits", "which"), [(Limits(hourly=1), b"hourly"), (Limits(daily=1), b"daily"), (Limits(monthly=1), b"monthly")]
)
async def test_over_a_limit_a_message_is_deferred(doors: Doors, limits, which):
    await store.set_limits(doors.http.pool, doors.http.account_id, limits)
    await doors.send(doors.http.key)
    with pytest.raises(smtplib.SMTPDataError) as refused:
        await doors.send(doors.http.key)
    assert refused.value.smtp_code == 450
    assert refused.value.smtp_error.startswith(b"4.7.1 Exceed Sending Limit (" + which + b")")
    assert len(doors.chunks) == 1


async def test_every_copy_counts_towards_a_limit(doors: Doors):
    await store.set_limits(doors.http.pool, doors.http.account_id, Limits(daily=3))
    copies = 'X-MSYS-API: {"cc":["cc@there.test"],"bcc":["bcc@there.test"],"archive":["arc@there.test"]}\r\n'
    with pytest.raises(smtplib.SMTPDataError):
        await doors.send(doors.http.key, message=copies + MESSAGE)
    assert doors.chunks == []
    await doors.send(doors.http.key, message=copies.replace(',"archive":["arc@there.test"]', "") + MESSAGE)
    assert len(doors.chunks[0].entries) == 3


async def test_smtp_obeys_the_options_of_the_account(doors: Doors):
    async def sent(api: str = "") -> tuple[bool, bool, bool, bool]:
        await doors.send(doors.http.key, message=(f"X-MSYS-API: {api}\r\n" if api else "") + MESSAGE)
        facts = doors.chunks[-1].facts
        return facts.open_tracking, facts.click_tracking, facts.initial_open, facts.transactional

    assert await sent() == (False, False, False, False)
    options = {"smtp_tracking_default": True, "initial_open_pixel_tracking": False, "transactional_default": True}
    await store.change_account(doors.http.pool, doors.http.account_id, options=options)
    doors.http.authenticator.forget()
    assert await sent() == (True, True, False, True)
    assert await sent('{"options":{"open_tracking":false,"transactional":false}}') == (False, True, False, False)


async def test_a_subaccount_sends_from_its_pool_over_smtp_too(doors: Doors):
    await doors.http.pool.execute(
        "INSERT INTO ip_pools (account_id, pool_id, name) VALUES ($1, 'bulk', 'Bulk')", doors.http.account_id
    )
    await subaccount(doors.http.pool, doors.http.account_id, 7, ip_pool="bulk")
    user = "SMTP_Injection:X-MSYS-SUBACCOUNT=7"
    await doors.send(doors.http.key, user)
    assert doors.chunks[0].facts.ip_pool == "bulk"
    with pytest.raises(smtplib.SMTPDataError) as refused:
        await doors.send(doors.http.key, user, message='X-MSYS-API: {"options":{"ip_pool":"other"}}\r\n' + MESSAGE)
    assert (refused.value.smtp_code, refused.value.smtp_error[:5]) == (550, b"5.6.0")


async def test_a_subaccount_cannot_send_from_the_domain_of_another(doors: Doors):
    await doors.http.domain("eight.test", subaccount_id=8)
    key = await doors.http.key_with("smtp/inject", subaccount_id=7)
    told = []
    for domain in ("eight.test", "nobody.test"):
        with pytest.raises(smtplib.SMTPDataError) as refused:
            await doors.send(key, message=MESSAGE.replace("acme.test", domain))
        told.append(refused.value.smtp_error.replace(domain.encode(), b"X"))
    assert told[0] == told[1]
