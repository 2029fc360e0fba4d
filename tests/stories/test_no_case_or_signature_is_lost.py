"""Workers and PostgreSQL die while support mail comes in and customers sign: what was answered is there once, in whole chains."""

import asyncio
import email
import email.policy
import json
import re
import signal
import smtplib
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import msgspec
import psycopg
import pytest

from homing.accounts import store as accounts
from homing.accounts.types import DEFAULT_ACCOUNT
from homing.contracts import contacts, people
from homing.contracts import store as contracts
from homing.contracts.types import Contact, ContactRole, Role, StaffMember
from homing.ground import db
from homing.simulator.providers import Provider
from tests.kit.house import House
from tests.kit.neighbours import Neighbours

FRIENDS = Provider(name="Friends", domains=("friends.test",), addresses=("127.0.0.31",))
HELP = "help@acme.test"
MAILS = 24
WRITERS = 8
SIGNED = 5


async def settle_in(dsn: str) -> str:
    """Make contacts on one side, a TAM on the other; return his token."""
    async with db.pool(dsn, name="test") as pool:
        account = await accounts.get_or_create_account(pool, DEFAULT_ACCOUNT)
        for number in range(WRITERS):
            kim = Contact(
                contact_id=0,
                account_id=account.account_id,
                name=f"Kim {number}",
                email=f"kim{number}@friends.test",
                email_verified_at=None,
                role=ContactRole.AUTHORISED,
                may_sign=True,
                may_open_sev1=True,
                language="en",
            )
            assert await contacts.add(pool, kim, actor="operator")
        # He has no mailbox.
        assert await contacts.add(pool, msgspec.structs.replace(kim, name="Lee", email="nobody@friends.test"), actor="operator")
        tam = StaffMember(person_id=0, name="Tam", email="tam@friends.test", phone="", roles=frozenset({Role.TAM}))
        made = await people.add(pool, tam, actor="operator")
        assert made is not None
        begin = datetime(2026, 1, 1, tzinfo=UTC)
        await contracts.assign_tam(pool, account.account_id, made.person_id, begins_at=begin, actor="operator")
        return await people.new_token(pool, made.person_id, label="t", actor="operator")


def until_taken(house: House, number: int) -> None:
    """Send a mail as a host of the world does: again, until it is taken."""
    sender = f"kim{number % WRITERS}@friends.test"
    text = (
        f"From: {sender}\r\nTo: {HELP}\r\nSubject: matter {number}\r\nMessage-ID: <{number}@friends.test>\r\n\r\nIt is slow.\r\n"
    )
    deadline = time.monotonic() + 60
    while True:
        try:
            with smtplib.SMTP("127.0.0.1", house.mx_port, local_hostname="mx.friends.test", timeout=20) as client:
                client.sendmail(sender, [HELP], text)
                return
        except (OSError, smtplib.SMTPException):
            assert time.monotonic() < deadline
            time.sleep(0.2)


def kill(house: House, stop: threading.Event) -> None:
    """Kill a worker, then PostgreSQL, each while they work."""
    for what in ("worker", "postgresql"):
        if stop.wait(0.4):
            return
        victim = house.postmaster() if what == "postgresql" else house.workers()[0]
        house.signal(victim, signal.SIGKILL)
        while not stop.wait(0.2) and not house.is_ready():
            pass


@contextmanager
def killing(house: House) -> Iterator[None]:
    """Kill meanwhile; afterwards the house is ready again."""
    stop = threading.Event()
    killer = threading.Thread(target=kill, args=(house, stop), daemon=True)
    killer.start()
    try:
        yield
    finally:
        stop.set()
        killer.join(30)
    house.wait_until(lambda: _answers(house) and house.is_ready(), 60, "the house is ready again")


def _answers(house: House) -> bool:
    """Return whether PostgreSQL answers; readiness may not have noticed yet that it died."""
    try:
        return house.sql("SELECT 1") == [(1,)]
    except psycopg.OperationalError:
        return False


def press(house: House, path: str) -> int:
    """Press the button; 0: nobody answered."""
    form = urllib.parse.urlencode({"act": "agree", "words": ""}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{house.http_port}{path}", data=form, method="POST")
    request.add_header("Content-Type", "application/x-www-form-urlencoded")
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        return refusal.code
    except OSError:
        return 0


def links_for(town: Neighbours, address: str) -> list[str]:
    found = []
    for mail in town.received_by(address):
        body = email.message_from_bytes(mail.data, policy=email.policy.default).get_body()
        if body is not None:
            found += re.findall(r"http://\S+?(/support/letter/\S+)", str(body.get_content()))
    return found


def links_when_all_have_come(town: Neighbours) -> list[str]:
    links = {link for n in range(WRITERS) for link in links_for(town, f"kim{n}@friends.test")}
    return sorted(links) if len(links) == SIGNED else []


@pytest.mark.timeout(180)
def test_no_case_or_signature_is_lost_when_a_worker_or_postgresql_dies():
    with Neighbours(FRIENDS) as town, House(town, settings={"support_address": HELP}) as house:
        token = asyncio.run(settle_in(house.dsn))
        with killing(house):
            writers = [
                threading.Thread(
                    target=lambda n=n: [until_taken(house, number) for number in range(n, MAILS, WRITERS)], daemon=True
                )
                for n in range(WRITERS)
            ]
            for writer in writers:
                writer.start()
            for writer in writers:
                writer.join(90)

        rows = house.sql("SELECT subject, count(*) FROM cases GROUP BY subject")
        assert sorted(rows) == sorted((f"matter {number}", 1) for number in range(MAILS)), "each mail is one case"
        house.wait_until(
            lambda: house.sql("SELECT count(*) FROM case_letters WHERE sent_at IS NULL") == [(0,)], 60, "every receipt has left"
        )
        house.wait_empty(60)
        receipts = [one for number in range(WRITERS) for one in town.received_by(f"kim{number}@friends.test")]
        ids = {email.message_from_bytes(one.data)["Message-ID"] for one in receipts}
        assert len(ids) == MAILS, "each has its receipt; one that came twice has the same id"

        house.key, key = token, house.key
        numbers = [row[0] for row in house.sql("SELECT case_id FROM cases ORDER BY case_id LIMIT %s", SIGNED)]
        for number in numbers:
            assert house.call(f"/api/v1/support/cases/{number}/owner", {}, method="PUT")[0] == 200
            assert house.call(f"/api/v1/support/cases/{number}/resolution", {"text": "It is over."})[0] == 200
        house.key = key
        links = house.wait_until(lambda: links_when_all_have_come(town), 60, "every proposal has come")
        with killing(house):
            for link in links:
                house.wait_until(lambda link=link: press(house, link) in (200, 410), 60, "the button is answered")
                time.sleep(0.3)

        states = house.sql("SELECT state FROM cases WHERE case_id = ANY(%s)", numbers)
        assert states == [("resolved",)] * SIGNED
        for number in numbers:
            kinds = [row[0] for row in house.sql("SELECT payload::json->>'event' FROM case_events WHERE case_id = %s", number)]
            assert kinds.count("signed") == 2
            assert kinds.count("resolved") == 1
        house.key = token
        asked = {"subject": "lost", "text": "He phoned.", "account_id": 1, "contact": "nobody@friends.test"}
        _, lost = house.call("/api/v1/support/cases", asked)
        number = lost["results"]["number"]
        question = {"text": "Which host?", "question": True}
        assert house.call(f"/api/v1/support/cases/{number}/messages", question)[0] == 200
        house.wait_until(
            lambda: [
                one
                for one in house.get(f"/api/v1/support/cases/{number}")[1]["results"]["unsent_mail"]
                if one["returned"] and one["purpose"] == "answer"
            ],
            30,
            "what did not arrive is told",
        )
        house.wait_until(
            lambda: any(b"did not arrive" in one.data for one in town.received_by("tam@friends.test")),
            30,
            "whoever owns it knows",
        )
        assert house.get(f"/api/v1/support/cases/{number}")[1]["results"]["state"] == "open", "nobody is waited for"
        audit = json.loads(house.run("cases", "audit", "--now", "--json", ok=False).stdout)
        assert (audit[0]["subjects"], audit[0]["findings"]) == (MAILS + 1, [])
