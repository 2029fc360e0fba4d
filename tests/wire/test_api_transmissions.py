"""POST /transmissions over HTTP: taken, refused, or put off, in the words that clients know."""

import base64
import gzip
import json
from datetime import timedelta

import pytest

from homing.evidence.types import FaultTag
from homing.ground.errors import LeaseLost, Overloaded, StoreUnavailable
from homing.ground.ids import from_digits
from homing.ingress.rules.expand import decode_share
from homing.recipients import store as recipients
from homing.recipients.types import SuppressionRow
from tests.kit.http import HttpDoor, http_door


@pytest.fixture
async def door(pool):
    async with http_door(pool) as made:
        await made.domain()
        yield made


def error(answer) -> dict[str, str]:
    return answer.json()["errors"][0]


async def test_a_message_is_taken_and_answered_with_its_id(door: HttpDoor):
    answer = await door.send()
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert (results["total_accepted_recipients"], results["total_rejected_recipients"]) == (1, 0)
    assert from_digits(results["id"]) == door.queue.chunks[0].facts.transmission_id
    assert [entry.recipient for entry in door.queue.chunks[0].entries] == ["kim@there.test"]
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-sparkpost-request-id"]
    assert door.counted == [(door.account_id, FaultTag.NONE)]


async def test_a_trailing_slash_and_basic_authentication_are_fine(door: HttpDoor):
    basic = "Basic " + base64.b64encode(f"{door.key}:".encode()).decode()
    body = {"recipients": [{"address": "a@b.test"}], "content": {"from": "x@acme.test", "subject": "", "html": ""}}
    answer = await door.client.post("/api/v1/transmissions/", json=body, headers={"Authorization": basic})
    assert answer.status_code == 200


@pytest.mark.parametrize("key", ["", "nonsense", "0" * 40, "Basic !!", "Basic " + base64.b64encode(b"\xff").decode(), "ü"])
async def test_without_a_valid_key_the_answer_is_401(door: HttpDoor, key: str):
    answer = await door.send(headers={"Authorization": key.encode("latin-1")})
    assert (answer.status_code, answer.json()) == (401, {"errors": [{"message": "Unauthorized."}]})
    assert door.counted == [(None, FaultTag.CLIENT)]


async def test_without_the_grant_the_answer_is_403(door: HttpDoor):
    answer = await door.send(headers={"Authorization": await door.key_with("transmissions/view", "smtp/inject")})
    assert (answer.status_code, answer.json()) == (403, {"errors": [{"message": "Forbidden."}]})
    assert door.counted == [(door.account_id, FaultTag.CLIENT)]


async def test_a_subaccount_header_acts_for_the_subaccount(door: HttpDoor):
    await door.domain("shared.test", shared=True)
    content = {"from": "x@shared.test", "subject": "s", "text": "t"}
    assert (await door.send(content=content, headers={"X-MSYS-SUBACCOUNT": "7"})).status_code == 200
    assert door.queue.chunks[0].facts.subaccount_id == 7
    assert error(await door.send(headers={"X-MSYS-SUBACCOUNT": "7"}))["code"] == "7001"
    assert (await door.send(headers={"X-MSYS-SUBACCOUNT": "seven"})).status_code == 400


@pytest.mark.parametrize(
    ("changes", "status", "expected"),
    [
        (
            {"content": {"from": "x@nobody.test", "subject": "s", "text": "t"}},
            400,
            {"message": "Invalid domain", "description": "Unconfigured or unverified sending domain.", "code": "7001"},
        ),
        (
            {"content": {"template_id": "nope"}},
            422,
            {"message": "Subresource not found", "description": "template 'nope' does not exist", "code": "1603"},
        ),
        (
            {"recipients": {"list_id": "nope"}},
            404,
            {"message": "resource not found", "description": "List 'nope' does not exist", "code": "1600"},
        ),
        (
            {"content": {"subject": "s", "text": "t"}},
            422,
            {"message": "required field is missing", "description": "content.from is a required field", "code": "1400"},
        ),
        (
            {"options": {"ip_pool": "none_such"}},
            400,
            {"message": "invalid params", "description": "IP pool 'none_such' does not exist", "code": "1200"},
        ),
        (
            {"options": {"dkim_key": "k2"}},
            400,
            {"message": "Invalid DKIM key ID 'k2' for sending domain 'acme.test'", "code": "1100"},
        ),
        (
            {"options": {"start_time": "2099-01-01T00:00:00Z"}},
            422,
            {
                "message": "invalid data format/type",
                "description": "options.start_time must be at most 3 days ahead",
                "code": "1300",
            },
        ),
        (
            {"return_path": "x@nobody.test"},
            400,
            {
                "message": "Invalid domain",
                "description": "'nobody.test' is not a verified bounce domain; return_path needs one",
                "code": "7001",
            },
        ),
    ],
)
async def test_refusals_use_the_documented_bodies(door: HttpDoor, changes, status, expected):
    answer = await door.send(**changes)
    assert (answer.status_code, answer.json()) == (status, {"errors": [expected]})
    assert door.counted == [(door.account_id, FaultTag.CLIENT)]
    assert not door.queue.chunks


async def test_some_bad_recipients_are_reported_and_the_others_sent(door: HttpDoor):
    bad = [{"address": {"name": "no address"}}] * 3
    body = {
        "recipients": [{"address": "a@b.test"}, *bad, {"address": "c@d.test"}],
        "content": {"from": "x@acme.test", "subject": "s", "text": "t"},
    }
    answer = await door.client.post("/api/v1/transmissions?num_rcpt_errors=1", json=body)
    said = answer.json()
    assert answer.status_code == 200
    assert said["errors"] == [{"message": "transmission created, but with validation errors", "code": "2000"}]
    assert said["results"]["rcpt_to_errors"] == [
        {"message": "required field is missing", "description": "address.email is required for each recipient", "code": "1400"}
    ]
    assert (said["results"]["total_accepted_recipients"], said["results"]["total_rejected_recipients"]) == (2, 3)
    assert (await door.client.post("/api/v1/transmissions?num_rcpt_errors=x", json=body)).status_code == 400


async def test_all_bad_recipients_refuse_the_call(door: HttpDoor):
    answer = await door.send(recipients=[{"address": "nonsense"}])
    assert (answer.status_code, error(answer)["code"]) == (400, "5002")


async def test_a_suppressed_recipient_counts_as_accepted_and_is_not_queued(door: HttpDoor):
    row = SuppressionRow(
        account_id=door.account_id, recipient="kim@there.test", type="non_transactional", source="Bounce Rule", provenance="api"
    )
    await recipients.suppress(door.pool, [row])
    assert (await door.send()).json()["results"]["total_accepted_recipients"] == 1
    assert door.queue.chunks[0].entries == []
    assert [event.type.wire for event in door.queue.chunks[0].events] == ["injection", "bounce"]
    await door.send(options={"transactional": True})
    await door.send(options={"skip_suppression": True})
    assert [len(chunk.entries) for chunk in door.queue.chunks] == [0, 1, 1]


async def test_a_large_call_is_written_down_in_shares(door: HttpDoor):
    answer = await door.send(recipients=[{"address": {"email": f"u{n}@there.test", "name": "U"}} for n in range(2_001)])
    assert answer.json()["results"]["total_accepted_recipients"] == 2_001
    shares = [decode_share(payload) for payload in door.queue.payloads]
    assert [len(share.recipients) for share in shares] == [1_000, 1_000, 1]
    assert {share.facts.transmission_id for share in shares} == {from_digits(answer.json()["results"]["id"])}


@pytest.mark.parametrize("trouble", [StoreUnavailable("secret host"), LeaseLost("x"), Overloaded("the disk is nearly full")])
async def test_trouble_of_ours_asks_to_come_again_and_tells_nothing(door: HttpDoor, trouble: Exception):
    door.queue.trouble = trouble
    answer = await door.send()
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert "secret" not in answer.text
    assert door.counted == [(door.account_id, FaultTag.SERVER)]


async def test_a_bug_of_ours_is_answered_with_the_request_id_alone(door: HttpDoor):
    door.queue.trouble = RuntimeError("secret path")
    answer = await door.send()
    assert answer.status_code == 500
    assert answer.headers["x-sparkpost-request-id"] in answer.text
    assert "secret" not in answer.text


async def test_nothing_is_read_while_the_platform_takes_nothing_new(door: HttpDoor):
    door.refuse = "the disk is nearly full"
    answer = await door.send()
    assert answer.status_code == 503
    assert "the disk is nearly full" in error(answer)["description"]


@pytest.mark.parametrize("kind", ["text/plain", "", "application/json; charset=latin-1", "application/jsonx"])
async def test_another_content_type_is_refused(door: HttpDoor, kind: str):
    answer = await door.client.post("/api/v1/transmissions", content=b"{}", headers={"Content-Type": kind})
    assert (answer.status_code, error(answer)["code"]) == (415, "1700")


async def test_a_compressed_body_is_refused(door: HttpDoor):
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = await door.client.post("/api/v1/transmissions", content=gzip.compress(b"{}"), headers=headers)
    assert answer.status_code == 415


@pytest.mark.parametrize(
    ("body", "status", "code"), [(b"", 400, "1300"), (b"{", 400, "1300"), (b'{"a":"\xff"}', 400, "1305"), (b"[]", 422, "1300")]
)
async def test_broken_json_is_refused(door: HttpDoor, body: bytes, status: int, code: str):
    answer = await door.client.post(
        "/api/v1/transmissions", content=body, headers={"Content-Type": "application/json; charset=UTF-8"}
    )
    assert (answer.status_code, error(answer)["code"]) == (status, code)


async def test_a_body_over_the_limit_is_refused_whether_announced_or_not(pool):
    async with http_door(pool, max_body_bytes=10_000, max_request_bytes=10_000) as door:
        answer = await door.send({"x": "y" * 20_000})
        assert answer.status_code == 413

        async def parts():
            for _ in range(20):
                yield b"x" * 1_000

        headers = {"Content-Type": "application/json"}
        answer = await door.client.post("/api/v1/transmissions", content=parts(), headers=headers)
        assert answer.status_code == 413
        assert door.counted == [(door.account_id, FaultTag.CLIENT)] * 2


async def test_attachments_arrive_decoded(door: HttpDoor):
    data = bytes(range(256)) * 1_000
    part = {"name": "all.bin", "type": "application/octet-stream", "data": base64.b64encode(data).decode()}
    content = {"from": "x@acme.test", "subject": "s", "text": "t", "attachments": [part]}
    assert (await door.send(content=content)).status_code == 200
    assert door.queue.chunks[0].content.attachments[0].data == data


async def test_many_at_once_are_all_taken(door: HttpDoor):
    import asyncio

    answers = await asyncio.gather(*(door.send(recipients=[{"address": f"u{n}@there.test"}]) for n in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["results"]["id"] for answer in answers}) == 50
    assert timedelta(0) < timedelta(hours=72) == (lambda entry: entry.expires_at - entry.due_at)(door.queue.chunks[0].entries[0])
    assert json.loads(door.queue.chunks[0].events[0].detail)["recv_method"] == "rest"
