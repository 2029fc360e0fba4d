"""Verification of a sending domain by mail: a mailbox is asked, and its token comes back."""

import re

import pytest

from homing.accounts import store as accounts
from homing.ground.errors import StoreUnavailable
from homing.simulator.dns import Record
from tests.kit.resources import ResourceDoor, resource_door

NOTICE_FROM = "postmaster@ours.test"


@pytest.fixture
async def door(pool):
    async with resource_door(pool, notice_from=NOTICE_FROM) as made:
        operator = await accounts.get_or_create_account(pool, "operator")
        await made.door.domain("ours.test", account_id=operator.account_id)
        assert (await add(made)).status_code == 200
        yield made


async def add(door: ResourceDoor, name="acme.test", *, key=""):
    return await door.call("POST", "sending-domains", key=key, json={"domain": name, "generate_dkim": False})


async def verify(door: ResourceDoor, name="acme.test", *, key="", **body):
    return await door.call("POST", f"sending-domains/{name}/verify", key=key, json=body)


async def status(door: ResourceDoor, name="acme.test"):
    return (await door.call("GET", f"sending-domains/{name}")).json()["results"]["status"]


def mails(door: ResourceDoor):
    """Return (to, text) of what the platform wrote."""
    return [(chunk.entries[0].recipient, chunk.content.text) for chunk in door.notices.chunks]


def tokens(door: ResourceDoor):
    return [re.search(r"^    ([0-9a-f]{32})$", text, re.MULTILINE)[1] for _, text in mails(door)]


def error(answer):
    (found,) = answer.json()["errors"]
    return answer.status_code, found.get("code"), found.get("description")


async def wait_is_over(door: ResourceDoor, *, days: int = 0):
    await door.pool.execute("UPDATE mailbox_proofs SET sent_at = sent_at - make_interval(mins => 2, days => $1)", days)


@pytest.mark.parametrize(
    ("way", "mailbox", "more"),
    [
        ("postmaster_at", "postmaster", {}),
        ("abuse_at", "abuse", {}),
        ("verification_mailbox", "Host.Master", {"verification_mailbox": "Host.Master"}),
    ],
)
async def test_a_mailbox_is_asked_and_its_token_proves_the_domain(door: ResourceDoor, way, mailbox, more):
    answer = await verify(door, **{f"{way}_verify": True}, **more)
    results = answer.json()["results"]
    assert (answer.status_code, results[f"{way}_status"], results["ownership_verified"]) == (200, "pending", False)
    assert "dns" not in results
    ((to, text),) = mails(door)
    assert to == f"{mailbox}@acme.test"
    assert f'"{way}_token"' in text
    (token,) = tokens(door)
    results = (await verify(door, **{f"{way}_token": token})).json()["results"]
    assert (results[f"{way}_status"], results["ownership_verified"]) == ("valid", True)
    assert results.get("verification_mailbox") == more.get("verification_mailbox")
    assert await status(door) == results


async def test_the_mail_is_transactional_untracked_and_from_the_operators_account(door: ResourceDoor):
    await verify(door, postmaster_at_verify=True)
    (chunk,) = door.notices.chunks
    facts = chunk.facts
    operator = await accounts.get_or_create_account(door.pool, "operator")
    assert (facts.account_id, facts.friendly_from, facts.sending_domain) == (operator.account_id, NOTICE_FROM, "ours.test")
    assert facts.transactional
    assert (facts.open_tracking, facts.click_tracking, facts.initial_open) == (False, False, False)
    assert facts.subject == "Verify acme.test for sending"


async def test_several_ways_can_be_asked_at_once_and_with_dns(door: ResourceDoor):
    door.zones.add(Record("acme.test", "CNAME", "bounce.homing.test."))
    body = {"postmaster_at_verify": True, "abuse_at_verify": True, "verification_mailbox_verify": True}
    results = (await verify(door, **body, verification_mailbox="kim", cname_verify=True)).json()["results"]
    ways = ("postmaster_at", "abuse_at", "verification_mailbox")
    assert [results[f"{way}_status"] for way in ways] == ["pending"] * 3
    assert (results["cname_status"], results["verification_mailbox"]) == ("valid", "kim")
    assert sorted(to for to, _ in mails(door)) == ["abuse@acme.test", "kim@acme.test", "postmaster@acme.test"]


async def test_a_newer_mail_makes_the_token_before_void(door: ResourceDoor):
    await verify(door, abuse_at_verify=True)
    await wait_is_over(door)
    await verify(door, abuse_at_verify=True)
    first, second = tokens(door)
    assert (await verify(door, abuse_at_token=first)).json()["results"]["abuse_at_status"] == "invalid"
    assert (await verify(door, abuse_at_token=second)).json()["results"]["abuse_at_status"] == "valid"


async def test_a_token_is_good_for_its_own_way_alone_and_for_seven_days(door: ResourceDoor):
    await verify(door, abuse_at_verify=True)
    (token,) = tokens(door)
    results = (await verify(door, postmaster_at_token=token)).json()["results"]
    assert (results["postmaster_at_status"], results["ownership_verified"]) == ("invalid", False)
    await wait_is_over(door, days=7)
    assert (await verify(door, abuse_at_token=token)).json()["results"]["abuse_at_status"] == "invalid"


@pytest.mark.parametrize("token", ["x", "0" * 32, "\0", "ä" * 5000])
async def test_a_wrong_token_proves_nothing(door: ResourceDoor, token):
    await verify(door, abuse_at_verify=True)
    results = (await verify(door, abuse_at_token=token)).json()["results"]
    assert (results["abuse_at_status"], results["ownership_verified"]) == ("invalid", False)


async def test_what_was_proved_stays_proved(door: ResourceDoor):
    await verify(door, verification_mailbox_verify=True, verification_mailbox="kim")
    await verify(door, verification_mailbox_token=tokens(door)[0])
    await wait_is_over(door)
    results = (await verify(door, verification_mailbox_verify=True, verification_mailbox="lee")).json()["results"]
    assert (results["verification_mailbox_status"], results["verification_mailbox"]) == ("valid", "kim")
    results = (await verify(door, verification_mailbox_token="wrong")).json()["results"]
    assert (results["verification_mailbox_status"], results["verification_mailbox"]) == ("valid", "kim")
    results = (await verify(door, verification_mailbox_token=tokens(door)[1])).json()["results"]
    assert (results["verification_mailbox_status"], results["verification_mailbox"]) == ("valid", "lee")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"verification_mailbox_verify": True}, (422, "1400", "verification_mailbox is a required field")),
        ({"verification_mailbox_verify": True, "verification_mailbox": "postmaster"}, (422, "1300", "not postmaster or abuse")),
        ({"verification_mailbox_verify": True, "verification_mailbox": "kim@acme.test"}, (422, "1300", "before the @")),
        ({"verification_mailbox_verify": True, "verification_mailbox": "a\r\nBcc: x"}, (422, "1300", "before the @")),
        ({"verification_mailbox_verify": True, "verification_mailbox": "\0"}, (422, "1300", "before the @")),
        ({"verification_mailbox_verify": True, "verification_mailbox": 5}, (422, "1300", "verification_mailbox")),
        ({"abuse_at_verify": "yes"}, (422, "1300", "abuse_at_verify")),
    ],
)
async def test_a_mailbox_that_cannot_be_asked_is_called_what_it_is(door: ResourceDoor, body, expected):
    found = error(await verify(door, **body))
    assert found[:2] == expected[:2]
    assert expected[2] in found[2]
    assert mails(door) == []


async def test_a_mailbox_is_asked_at_most_once_a_minute(door: ResourceDoor):
    await verify(door, abuse_at_verify=True)
    found = error(await verify(door, abuse_at_verify=True))
    assert found[:2] == (400, "1200")
    assert "less than a minute ago" in found[2]
    assert len(mails(door)) == 1


async def test_deleting_and_adding_a_domain_lets_nobody_ask_more_often(door: ResourceDoor):
    stranger = await door.stranger()
    for _ in range(10):
        assert (await verify(door, postmaster_at_verify=True)).status_code == 200
        await wait_is_over(door)
    await door.call("DELETE", "sending-domains/acme.test")
    await add(door, key=stranger)
    found = error(await verify(door, postmaster_at_verify=True, key=stranger))
    assert found[0] == 400
    assert "for this domain today" in found[2]
    assert len(mails(door)) == 10


async def test_a_token_is_worth_nothing_to_the_next_owner_of_the_name(door: ResourceDoor):
    await verify(door, abuse_at_verify=True)
    await door.call("DELETE", "sending-domains/acme.test")
    stranger = await door.stranger()
    await add(door, key=stranger)
    results = (await verify(door, abuse_at_token=tokens(door)[0], key=stranger)).json()["results"]
    assert results["ownership_verified"] is False


async def test_a_token_proves_no_name_that_another_account_has_proved(door: ResourceDoor):
    await verify(door, abuse_at_verify=True)
    await add(door, "mail.acme.test", key=await door.stranger())
    await door.pool.execute("UPDATE sending_domains SET trusted = true WHERE domain = 'mail.acme.test'")
    assert error(await verify(door, abuse_at_token=tokens(door)[0]))[:2] == (400, "7004")


async def test_another_account_cannot_ask_for_a_domain(door: ResourceDoor):
    stranger = await door.stranger()
    assert error(await verify(door, abuse_at_verify=True, key=stranger))[:2] == (404, "1600")
    assert mails(door) == []


async def test_where_the_operator_names_no_sender_it_is_not_offered(pool):
    async with resource_door(pool) as door:
        await add(door)
        assert error(await verify(door, abuse_at_verify=True)) == (
            400, "1200", "abuse_at_verify is not offered here; verify with dkim_verify, cname_verify or mx_verify",
        )  # fmt: skip


async def test_a_sender_that_cannot_send_is_our_trouble_and_costs_the_customer_nothing(door: ResourceDoor):
    await door.pool.execute("UPDATE sending_domains SET trusted = false WHERE domain = 'ours.test'")
    answer = await verify(door, abuse_at_verify=True)
    assert answer.status_code == 503
    assert (await status(door))["abuse_at_status"] == "unverified"
    assert await door.pool.fetchval("SELECT count(*) FROM mailbox_proofs") == 0


async def test_a_store_that_is_away_costs_the_customer_nothing(door: ResourceDoor):
    door.notices.trouble = StoreUnavailable("away")
    assert (await verify(door, abuse_at_verify=True)).status_code == 503
    door.notices.trouble = None
    assert (await verify(door, abuse_at_verify=True)).status_code == 200


async def test_domains_are_filtered_by_what_mailboxes_said(door: ResourceDoor):
    await verify(door, abuse_at_verify=True)
    for query, count in (("abuse_at_status=pending", 1), ("abuse_at_status=valid", 0), ("postmaster_at_status=unverified", 1)):
        assert len((await door.call("GET", f"sending-domains?{query}")).json()["results"]) == count
