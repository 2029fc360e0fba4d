"""Mail as it goes out: its addresses lead to its tracking domain, and the key that it named signs."""

import email
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from typing import Any

import msgspec
import pytest

from homing.accounts.store import get_or_create_account
from homing.domains import key_store, store, tracking_store
from homing.domains.keyring import KeyRing
from homing.domains.registry import fresh_keys, register
from homing.domains.types import DomainStatus
from homing.spool.types import InlineContent
from tests.kit.dkim_oracle import record, verifies
from tests.kit.engine import KEY, PostOffice, post_office
from tests.kit.mail import new_chunk
from tests.kit.scripted_mx import ACCEPT, EHLO, Loop, ScriptedMX, scripted_mx

OWN = "https://click.mta.test"
NOW = datetime(2026, 5, 4, tzinfo=UTC)
CONTENT = InlineContent(
    from_email="news@acme.test",
    subject="Hello",
    html='<html><body><a href="https://shop.acme.test/">x</a></body></html>',
    text="See https://shop.acme.test/",
)


class Office:
    """An engine, what its one peer took, and an account with the domain acme.test."""

    def __init__(self, post: PostOffice, mx: ScriptedMX, account_id: int) -> None:
        self.post = post
        self.pool = post.pool
        self.mx = mx
        self.account_id = account_id

    async def send(self, **facts: Any) -> bytes:
        """Send one message and return it as it was on the wire."""
        heard = len(self.mx.messages)
        place = self.post.owner.place(1)
        chunk = new_chunk(place, ["kim@there.test"], account_id=self.account_id)
        told = {"recv_method": "rest", "open_tracking": True, "click_tracking": True, "initial_open": True} | facts
        await self.post.owner.hand_over(
            msgspec.structs.replace(chunk, content=CONTENT, facts=msgspec.structs.replace(chunk.facts, **told))
        )
        await self.post.until(lambda: len(self.mx.messages) > heard)
        return self.mx.messages[-1].replace(b"\r\n..", b"\r\n.")

    async def hosts(self, **facts: Any) -> set[str]:
        """Send one message; return where its addresses lead."""
        addresses = addresses_of(await self.send(**facts))
        assert len(addresses) == 5  # link in HTML, link in text, two pixels, unsubscribe
        return {address.partition("/f/")[0].partition("/q/")[0].partition("/u/")[0] for address in addresses}

    async def tracking(self, name: str, *, subaccount_id: int = 0, default: bool = False, secure: bool = True) -> None:
        """Add a verified tracking domain."""
        made = await tracking_store.add(
            self.pool, domain=name, account_id=self.account_id, subaccount_id=subaccount_id, secure=secure
        )
        made = await tracking_store.set_status(self.pool, made, "valid")
        if default:
            await tracking_store.update(self.pool, made, is_default=True)

    async def link(self, name: str | None) -> None:
        domain = await store.find(self.pool, "acme.test")
        await store.update(self.pool, domain, shared=True, is_default_bounce=False, tracking_domain=name)

    def forget(self) -> None:
        self.post.engine.letters._tracking.forget()
        self.post.engine.letters._keyring.forget()


def addresses_of(message: bytes) -> list[str]:
    parsed = email.message_from_bytes(message, policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    html = parsed.get_body(preferencelist=("html",)).get_content()
    text = parsed.get_body(preferencelist=("plain",)).get_content()
    found = re.findall(r'(?:href|src)="(http[^"]+)"', html) + re.findall(r"http\S+", text)
    return found + re.findall(r"<(http[^>]+)>", parsed["List-Unsubscribe"])


@asynccontextmanager
async def office(dsn: str) -> AsyncIterator[Office]:
    async with (
        scripted_mx((*EHLO, Loop(ACCEPT)), strict=False) as mx,
        post_office(dsn, {"there.test": "127.0.0.1"}, port=mx.port, tracking_base=OWN) as post,
    ):
        account = await get_or_create_account(post.pool, "acme")
        domain = await register(
            post.pool, KEY, domain="acme.test", account_id=account.account_id, now=NOW, shared=True, dkim_bits=1024
        )
        keys = (await store.keys_of(post.pool, ["acme.test"]))["acme.test"]
        valid = [msgspec.structs.replace(key, status="valid") for key in keys]
        await store.set_status(post.pool, domain, DomainStatus(dkim_status="valid"), keys=valid)
        yield Office(post, mx, account.account_id)


@pytest.fixture
async def there(database) -> AsyncIterator[Office]:
    async with office(database) as made:
        yield made


async def test_without_a_tracking_domain_addresses_lead_to_the_installation(there):
    assert await there.hosts() == {OWN}


async def test_links_pixels_and_unsubscribe_lead_to_the_tracking_domain_of_the_sending_domain(there):
    await there.tracking("click.acme.test")
    await there.tracking("default.acme.test", default=True)
    await there.link("click.acme.test")
    assert await there.hosts() == {"https://click.acme.test"}
    assert await there.hosts(tracking_domain="default.acme.test") == {"https://default.acme.test"}


async def test_else_the_default_of_the_subaccount_and_of_the_account_counts(there):
    await there.tracking("account.acme.test", default=True, secure=False)
    await there.tracking("sub.acme.test", subaccount_id=7, default=True)
    assert await there.hosts() == {"http://account.acme.test"}
    assert await there.hosts(subaccount_id=7) == {"https://sub.acme.test"}
    assert await there.hosts(subaccount_id=8) == {"http://account.acme.test"}


async def test_a_shared_sending_domain_takes_its_tracking_domain_along(there):
    await there.tracking("click.acme.test")
    await there.tracking("sub.acme.test", subaccount_id=7, default=True)
    await there.link("click.acme.test")
    assert await there.hosts(subaccount_id=7) == {"https://click.acme.test"}


async def test_a_domain_that_is_not_verified_any_more_leads_nobody_astray(there):
    await there.tracking("click.acme.test")
    await there.link("click.acme.test")
    await there.pool.execute("UPDATE tracking_domains SET cname_status = 'invalid'")
    assert await there.hosts(tracking_domain="click.acme.test") == {OWN}


async def test_the_tracking_domains_of_another_account_are_nobodys(there):
    await there.tracking("click.acme.test", default=True)
    assert await there.hosts(account_id=there.account_id + 1) == {OWN}


async def test_a_change_counts_for_the_next_message(there):
    await there.tracking("click.acme.test", default=True)
    assert await there.hosts() == {"https://click.acme.test"}
    await there.pool.execute("UPDATE tracking_domains SET secure = false")
    there.forget()
    assert await there.hosts() == {"http://click.acme.test"}


async def test_a_transactional_message_that_is_not_tracked_has_no_address_of_ours(there):
    await there.tracking("click.acme.test", default=True)
    message = await there.send(transactional=True, open_tracking=False, click_tracking=False, initial_open=False)
    assert b"List-Unsubscribe" not in message
    assert b"click.acme.test" not in message


def signed_by(message: bytes) -> list[str]:
    return re.findall(r"s=([\w-]+);", message.partition(b"\r\n\r\n")[0].decode("latin-1"))


async def test_a_message_is_signed_by_the_key_that_it_names(there):
    parts = await fresh_keys(KEY, bits=1024, selector="mkt0526", signing_domain="acme.test", key_id="mkt")
    await key_store.add(there.pool, await store.find(there.pool, "acme.test"), parts)
    assert signed_by(await there.send()) == ["scph0526", "scph0526e"]
    keys = [key for key in (await store.keys_of(there.pool, ["acme.test"]))["acme.test"] if key.key_id == "mkt"]
    await key_store.keep_status(there.pool, [msgspec.structs.replace(key, status="valid") for key in keys])
    message = await there.send(dkim_key="mkt")
    assert signed_by(message) == ["mkt0526", "mkt0526e"]
    records = {
        f"{key.selector}._domainkey.{key.domain}.": record(key)
        for key in await KeyRing(there.pool, KEY).signing_keys(there.account_id, 0, "acme.test", "mkt")
    }
    assert verifies(message, records, 0)
    assert verifies(message, records, 1)
    assert signed_by(await there.send()) == ["scph0526", "scph0526e"]


async def test_mail_of_who_had_a_domain_before_is_not_signed_by_who_has_it_now(there):
    assert signed_by(await there.send()) == ["scph0526", "scph0526e"]
    await store.delete(there.pool, "acme.test", account_id=there.account_id)
    other = (await get_or_create_account(there.pool, "other")).account_id
    await register(there.pool, KEY, domain="acme.test", account_id=other, now=NOW, trusted=True, dkim_bits=1024)
    there.forget()
    assert signed_by(await there.send()) == []
    assert signed_by(await there.send(account_id=other)) == ["scph0526", "scph0526e"]
    assert signed_by(await there.send(account_id=other, subaccount_id=7)) == []  # it is not shared


async def test_a_key_that_becomes_the_default_signs_what_names_none_and_the_old_one_what_names_it(there):
    parts = await fresh_keys(KEY, bits=1024, selector="next0526", signing_domain="acme.test", key_id="next")
    domain = await store.find(there.pool, "acme.test")
    await key_store.add(there.pool, domain, parts)
    keys = [key for key in (await store.keys_of(there.pool, ["acme.test"]))["acme.test"] if key.key_id == "next"]
    await key_store.keep_status(there.pool, [msgspec.structs.replace(key, status="valid") for key in keys])
    await key_store.make_default(there.pool, domain, "next")
    assert signed_by(await there.send()) == ["next0526", "next0526e"]
    assert signed_by(await there.send(dkim_key="scph0526")) == ["scph0526", "scph0526e"]
    await key_store.delete(there.pool, "acme.test", "scph0526")
    there.forget()
    assert signed_by(await there.send(dkim_key="scph0526")) == ["next0526", "next0526e"]
