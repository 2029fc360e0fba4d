"""Clients that know subaccounts: django-anymail by its setting, the official client by a subaccount's key."""

import asyncio
from typing import Any

import django
import pytest
from django.conf import settings
from sparkpost import SparkPost
from sparkpost.exceptions import SparkPostAPIException

from homing.accounts import store
from homing.accounts.types import Limits
from tests.compatibility.authority import Authority
from tests.kit.http import HttpDoor, http_door
from tests.kit.resources import ResourceDoor, resource_door

if not settings.configured:
    settings.configure(ANYMAIL={}, SECRET_KEY="x", DEFAULT_CHARSET="utf-8", ALLOWED_HOSTS=["*"])
    django.setup()

from anymail.backends.sparkpost import EmailBackend
from anymail.exceptions import AnymailAPIError
from anymail.message import AnymailMessage


@pytest.fixture
async def door(pool):
    async with resource_door(pool) as made:
        await made.door.domain(shared=True)
        yield made


async def by_anymail(door: ResourceDoor, subaccount: str | None, **options: Any) -> Any:
    """Send one message with anymail's backend; return what it says of it."""

    def send() -> Any:
        url = f"http://127.0.0.1:{door.door.port}/api/v1"
        backend = EmailBackend(api_url=url, api_key=door.door.key, subaccount=subaccount)
        message = AnymailMessage(subject="Hi", body="hello", from_email="news@acme.test", to=["kim@there.test"], **options)
        backend.send_messages([message])
        return message.anymail_status

    return await asyncio.to_thread(send)


async def test_anymail_sends_for_the_subaccount_of_its_setting(door: ResourceDoor):
    assert (await by_anymail(door, "7")).status == {"queued"}
    assert (await by_anymail(door, None)).status == {"queued"}
    assert [chunk.facts.subaccount_id for chunk in door.door.queue.chunks] == [7, 0]


async def test_anymail_hears_of_a_subaccount_that_does_not_exist(door: ResourceDoor):
    with pytest.raises(AnymailAPIError) as refused:
        await by_anymail(door, "999")
    assert refused.value.status_code == 400
    assert "this account has no subaccount 999" in str(refused.value)
    assert door.door.queue.chunks == []


async def test_anymail_hears_of_a_limit(door: ResourceDoor):
    await store.set_limits(door.pool, door.account_id, Limits(daily=0))
    with pytest.raises(AnymailAPIError) as refused:
        await by_anymail(door, "7")
    assert refused.value.status_code == 420
    assert "Exceed Sending Limit (daily)" in str(refused.value)


async def test_anymail_follows_what_the_account_has_as_its_default(door: ResourceDoor):
    await door.call("PUT", "account", json={"options": {"rest_tracking_default": False}})
    await by_anymail(door, "7")
    await by_anymail(door, "7", track_opens=True)
    assert [chunk.facts.open_tracking for chunk in door.door.queue.chunks] == [False, True]


@pytest.fixture
async def secure(pool, tmp_path):
    authority = Authority(tmp_path)
    certificate, key = authority.issue("mail.acme.test")
    async with http_door(pool, cert=certificate, key=key) as made:
        await made.domain(shared=True)
        yield made, authority


async def test_the_official_client_works_with_a_subaccounts_key(secure: tuple[HttpDoor, Authority], monkeypatch):
    door, authority = secure
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.file))
    key = await door.key_with("transmissions/modify", subaccount_id=7)

    def send() -> Any:
        client = SparkPost(key, f"127.0.0.1:{door.port}")
        return client.transmissions.send(recipients=["kim@there.test"], from_email="news@acme.test", subject="Hi", text="hello")

    assert (await asyncio.to_thread(send))["total_accepted_recipients"] == 1
    assert door.queue.chunks[0].facts.subaccount_id == 7
    await store.set_limits(door.pool, door.account_id, Limits(daily=1, monthly=0))
    door.authenticator.forget()
    with pytest.raises(SparkPostAPIException) as refused:
        await asyncio.to_thread(send)
    assert refused.value.status == 420
    assert refused.value.errors == ["Exceed Sending Limit (monthly) Code: 2105 Description: none \n"]
