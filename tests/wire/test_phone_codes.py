"""A contact's number is verified by a code: in a short message, or read out in a real call through a fake carrier."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from homing.accounts import store as accounts
from homing.accounts.book import AccountBook
from homing.api.bodies import Bodies
from homing.api.v1 import support_contacts
from homing.boot.line import Line
from homing.contracts import phones
from homing.ground import db
from homing.ground.clock import SystemClock
from homing.ground.config import Settings
from homing.ingress.notices import Notices
from homing.support.cases.calls import Calls
from homing.support.cases.desk import Desk
from homing.support.clocks.store import ServerClock
from homing.support.line.types import Family
from tests.kit.carrier import NOBODY, PUBLIC, FakeCarrier, Person, carrier
from tests.kit.http import HttpDoor, RememberingQueue, http_door, make_accept
from tests.kit.line import MASTER_KEY, START, Post
from tests.kit.moved_clock import MovedClock

NUMBER, OTHER = "+442071838750", "+442079460000"


class House:
    """A door with contacts and a carrier, and a contact with two numbers."""

    def __init__(self, pool: db.Pool, door: HttpDoor, fake: FakeCarrier, clock: MovedClock) -> None:
        self.pool = pool
        self.door = door
        self.carrier = fake
        self.clock = clock
        self.path = ""

    async def ask(self, method: str, body: dict[str, Any], *, path: str = "", key: str = "") -> Any:
        headers = {"Authorization": key} if key else {}
        at = path or f"{self.path}/phone-verification"
        return await self.door.client.request(method, f"/api/v1/support/contacts{at}", json=body, headers=headers)

    async def code(self, number: str = NUMBER) -> str:
        """Have a code sent as a short message; return it."""
        answer = await self.ask("POST", {"number": number})
        assert answer.status_code == 200, answer.text
        to, words = self.carrier.texts[-1]
        assert to == number
        (found,) = re.findall(r"\b[0-9]{6}\b", words)
        return str(found)

    async def show(self, code: str, number: str = NUMBER) -> int:
        return int((await self.ask("PUT", {"number": number, "code": code})).status_code)

    async def verified(self) -> list[bool]:
        shown = (await self.ask("GET", {}, path=self.path)).json()["results"]
        return [one["verified_at"] is not None for one in shown["phones"]]


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


async def opened(pool: db.Pool, folder: Path, family: Family, toml: str = "", *, carriers: bool = True) -> AsyncIterator[House]:
    clock = MovedClock(START)
    notices = Notices(
        pool,
        make_accept(pool, RememberingQueue(), AccountBook(pool, SystemClock())),
        sender="",
        refuse_new=lambda: None,
        clock=SystemClock(),
    )
    async with carrier(family, now=clock.now) as fake:
        file = folder / "carriers.toml"
        file.write_text(toml + fake.toml())
        file.chmod(0o600)
        settings = Settings(
            data=folder,
            hostname="mx.homing.test",
            sev1_url=PUBLIC,
            sev1_carriers=file if carriers else None,
            allow_private_targets=True,
            target_ports=(fake.port,),
        )
        legal = ServerClock()
        line = Line(settings, pool, clock, MASTER_KEY, mail=Post(), calls=Calls(Desk(pool, legal), legal))

        def more(bodies: Bodies) -> list[Any]:
            known = support_contacts.routes(
                pool=pool,
                bodies=bodies,
                clock=clock,
                master_key=MASTER_KEY,
                notices=notices,
                codes=line.codes,
                hostname="mx.homing.test",
            )
            return [*line.routes(bodies), *known]

        async with http_door(pool, more_routes=more) as door:
            fake.app_port = door.port
            house = House(pool, door, fake, clock)
            kim = {"name": "Kim", "email": "kim@acme.test", "phones": [NUMBER, OTHER]}
            made = (await house.ask("POST", kim, path="/")).json()["results"]
            house.path = f"/{made['contact_id']}"
            yield house


@pytest.fixture
async def house(pool: db.Pool, tmp_path: Path) -> AsyncIterator[House]:
    async for made in opened(pool, tmp_path, Family.TWILIO):
        yield made


async def test_a_code_by_short_message_verifies_the_number_that_it_came_to_and_no_other(house: House):
    code = await house.code()
    assert await house.show(code, OTHER) == 400, "of another number it says nothing"
    assert await house.show(wrong(code)) == 400
    assert await house.verified() == [False, False]
    assert await house.show(f"{code[:3]} {code[3:]}") == 200
    assert await house.verified() == [True, False]
    assert await house.show(code) == 400, "it serves once"
    assert (await house.ask("POST", {"number": NUMBER})).status_code == 200
    assert len(house.carrier.texts) == 1, "a verified number is sent none"
    audit = await house.pool.fetch(
        "SELECT action, detail FROM audit WHERE subject LIKE 'contact %' ORDER BY audit_id DESC LIMIT 2"
    )
    assert [row["action"] for row in audit] == ["number verified", "code texted"]
    assert "a code by text" in audit[0]["detail"]


@pytest.mark.parametrize("family", list(Family))
async def test_a_code_is_read_out_in_a_call_to_whoever_presses_1(pool: db.Pool, tmp_path: Path, family: Family):
    async for house in opened(pool, tmp_path, family):
        house.carrier.people = {NUMBER: Person(keys=("1",))}
        answer = await house.ask("POST", {"number": NUMBER, "by": "voice"})
        assert answer.status_code == 200, answer.text
        await house.carrier.settle()
        (call,) = house.carrier.calls.values()
        (first, again) = re.findall(r"(?:is|Again): ((?:[0-9], ){5}[0-9])\.", call.said)
        assert first == again
        assert "acme" not in call.said.lower()
        assert await house.show(first) == 200
        assert await house.verified() == [True, False]


async def test_a_voicemail_and_whoever_presses_something_else_hear_no_code(house: House):
    for person in (Person(), Person(keys=("2",)), NOBODY):
        house.carrier.people = {NUMBER: person}
        assert (await house.ask("POST", {"number": NUMBER, "by": "voice"})).status_code == 200
        await house.carrier.settle()
    assert not [call for call in house.carrier.calls.values() if "code is" in call.said]


async def test_a_code_is_good_for_ten_minutes_five_tries_and_until_the_next_one(house: House):
    first = await house.code()
    second = await house.code()
    assert await house.show(first) == (200 if first == second else 400), "the one before is void"
    house.clock.forward(minutes=10)
    assert await house.show(second) == 400, "ten minutes are over"
    third = await house.code()
    tries = await asyncio.gather(*(house.show(wrong(third)) for _ in range(phones.MOST_TRIES)))
    assert tries == [400] * phones.MOST_TRIES
    refused = await house.ask("PUT", {"number": NUMBER, "code": third})
    assert refused.status_code == 400, "the right one comes too late"
    assert "ask for another" in refused.json()["errors"][0]["description"]
    assert await house.verified() == [False, False]


async def test_a_call_that_comes_too_late_reads_no_code_out(house: House):
    house.carrier.people = {NUMBER: Person(keys=("1",))}
    house.carrier.gates[NUMBER] = asyncio.Event()
    await house.ask("POST", {"number": NUMBER, "by": "voice"})
    house.clock.forward(minutes=11)
    house.carrier.gates[NUMBER].set()
    await house.carrier.settle()
    (call,) = house.carrier.calls.values()
    assert call.said == "This code is good no more. Goodbye."


async def test_codes_are_bounded_by_number_whosever_contact_it_is_and_by_account(house: House):
    for _ in range(phones.MOST_TO_NUMBER):
        await house.code()
    assert (await house.ask("POST", {"number": NUMBER})).status_code == 429
    key = await _stranger(house.pool)
    other = (await house.ask("POST", {"name": "Lee", "email": "lee@b.test", "phones": [NUMBER]}, path="/", key=key)).json()[
        "results"
    ]
    at = f"/{other['contact_id']}/phone-verification"
    assert (await house.ask("POST", {"number": NUMBER}, path=at, key=key)).status_code == 429, "nor for anybody else"
    assert (await house.ask("POST", {"number": OTHER})).status_code == 200
    await house.pool.execute(
        "INSERT INTO contact_phone_codes (contact_id, number, way, made_at, good_until) "
        "SELECT $1, '+1202555' || g, 'text', $2, $2 FROM generate_series(1000, 1043) g",
        int(house.path[1:]),
        house.clock.now(),
    )
    assert (await house.ask("POST", {"number": OTHER})).status_code == 429, "fifty of an account"
    house.clock.forward(hours=25)
    assert (await house.ask("POST", {"number": NUMBER})).status_code == 200


async def test_what_is_no_number_of_his_and_what_cannot_be_sent_is_refused_with_a_sentence(house: House, pool: db.Pool):
    for method, body, status in (
        ("POST", {}, 422),
        ("POST", {"number": "nobody"}, 422),
        ("POST", {"number": "+442071838759"}, 400),
        ("POST", {"number": NUMBER, "by": "pigeon"}, 422),
        ("PUT", {"number": NUMBER}, 422),
        ("PUT", {"number": NUMBER, "how": "I say so"}, 422),
        ("PUT", {"number": NUMBER, "code": "\u0000"}, 400),
        ("PUT", {"number": "+442071838759", "code": "123456"}, 400),
    ):
        answer = await house.ask(method, body)
        assert (method, body, answer.status_code) == (method, body, status)
        assert answer.json()["errors"][0]["message"]
    house.carrier.refuses = 400
    failed = await house.ask("POST", {"number": NUMBER})
    assert failed.status_code == 503
    assert "21211" not in failed.text, "what the carrier says is for the log"
    key = await _stranger(pool)
    for method, body in (("POST", {"number": NUMBER}), ("PUT", {"number": NUMBER, "code": "123456"})):
        assert (await house.ask(method, body, key=key)).status_code == 404, "of another account he does not exist"
    reader = await house.door.key_with("support/view")
    assert (await house.ask("POST", {"number": NUMBER}, key=reader)).status_code == 403


async def test_premium_numbers_and_other_countries_get_no_code(pool: db.Pool, tmp_path: Path):
    async for house in opened(pool, tmp_path, Family.TWILIO, 'countries = ["1"]\n'):
        answer = await house.ask("POST", {"number": NUMBER})
        assert (answer.status_code, "premium numbers" in answer.text) == (400, True)
        assert house.carrier.texts == []


async def test_without_a_carrier_nothing_is_offered(pool: db.Pool, tmp_path: Path):
    async for house in opened(pool, tmp_path, Family.TWILIO, carriers=False):
        answer = await house.ask("POST", {"number": NUMBER, "by": "voice"})
        assert (answer.status_code, "there is no carrier" in answer.text) == (400, True)


async def test_requests_that_the_carrier_has_not_signed_are_told_no_code(house: House):
    await house.code()
    code_id = await house.pool.fetchval("SELECT max(code_id) FROM contact_phone_codes")
    for leg in ("ask", "say", "status"):
        url = f"/telephony/v1/tel/codes/{code_id}/{leg}"
        forged = await house.door.client.post(url, data={"CallSid": "CA1", "Digits": "1"})
        assert forged.status_code == 403
    assert (await house.carrier.post(f"{PUBLIC}/telephony/v1/tel/codes/{code_id}/nothing", {"CallSid": "CA1"})).status == 404


async def _stranger(pool: db.Pool) -> str:
    """Return a key of another account."""
    found = await accounts.get_or_create_account(pool, "stranger")
    made = await accounts.create_key(pool, account_id=found.account_id, label="test", grants=["support/manage"])
    return made.clear
