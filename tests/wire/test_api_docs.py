"""/api/docs: every endpoint on a page that needs nothing from elsewhere, and no JavaScript."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from tests.kit.resources import ResourceDoor, resource_door

_EMPTY = {"meta", "link", "input", "br", "!doctype"}


@pytest.fixture
async def door(pool):
    async with resource_door(pool) as made:
        made.door.client.headers.pop("authorization")
        yield made


class Page(HTMLParser):
    """Reads a page; `open` names what was never closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag not in _EMPTY:
            self.open.append(tag)
        if tag == "a":
            self.links.append(given["href"] or "")
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action", "data", "poster")]
        assert not [name for name in given if name.startswith("on") or name == "style"], "scripts and styles stand in one place"
        if "id" in given:
            self.ids.append(given["id"] or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


async def page(door: ResourceDoor, path: str) -> Page:
    answer = await door.door.client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    found = Page(answer.text)
    assert not found.open
    assert len(set(found.ids)) == len(found.ids)
    return found


async def test_the_overview_leads_to_a_page_of_every_endpoint_without_a_key(door: ResourceDoor):
    document = (await door.door.client.get("/api/openapi.json")).json()
    overview = await page(door, "/api/docs")
    wanted = {operation["operationId"] for item in document["paths"].values() for operation in item.values()}
    assert wanted == {link.rpartition("/")[2] for link in overview.links if link.startswith("/api/docs/")}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            found = await page(door, f"/api/docs/{operation['operationId']}")
            assert f"{method.upper()} {path}" in found.text
            assert operation["summary"] in found.text
            for grant in operation["x-homing-grants"]:
                assert grant in found.text
            for parameter in operation.get("parameters", ()):
                assert parameter["name"] in found.text
            for error in operation["x-homing-errors"]:
                assert " ".join(error["message"].replace("`", "").split()) in found.text
            for limit in operation["x-homing-limits"]:
                assert f"{limit['most']:,} {limit['unit']}" in found.text


async def test_a_page_shows_the_body_with_an_example_and_the_errors_with_their_codes(door: ResourceDoor):
    found = (await page(door, "/api/docs/create_transmission")).text
    for words in (
        "recipients required",
        "recipients[].address.email required",
        "content.attachments[].data required",
        "list of objects or object",
        "campaign_id",
        "POST /api/v1/transmissions HTTP/1.1 Authorization: <API key>",
        '"email": "kim@there.test"',
        "400 7001 Invalid domain: Unconfigured or unverified sending domain.",
        "422 1400 required field is missing",
        "413 Request entity too large: the body must be at most 104857600 bytes",
        "recipients 50,000 recipients beyond: 422 (1300)",
        "time until the answer 300 seconds beyond: 504",
    ):
        assert words in found, words
    assert "None: everybody may call it" in (await page(door, "/api/docs/openapi")).text


async def test_pages_load_nothing_and_allow_exactly_their_own_style_and_script(door: ResourceDoor):
    for path in ("/api/docs", "/api/docs/create_transmission", "/api/docs/update_webhook"):
        answer = await door.door.client.get(path)
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; ")
        assert "unsafe" not in policy
        assert "http" not in policy
        for kind in ("style", "script"):
            for text in re.findall(f"<{kind}>(.*?)</{kind}>", answer.text, re.DOTALL):
                octets = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
                assert f"{kind}-src 'sha256-{octets}'" in policy
        assert "@import" not in answer.text
        assert "url(" not in answer.text
        addresses = Page(answer.text).addresses
        assert all(address.startswith(("/api/", "data:,")) for address in addresses)
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert "<script>" not in (await door.door.client.get("/api/docs/create_transmission")).text


async def test_every_link_of_a_page_leads_somewhere(door: ResourceDoor):
    overview = await page(door, "/api/docs")
    anchors = {f"/api/docs#{one}" for one in overview.ids}
    for path in ("/api/docs", "/api/docs/search_events", "/api/docs/live"):
        for link in (await page(door, path)).links:
            if "#" in link:
                assert link in anchors
            else:
                assert (await door.door.client.get(link)).status_code == 200


@pytest.mark.parametrize("name", ["nope", "..%2Fopenapi.json", "%00", "%3Cscript%3E", "openapi.json", "a" * 5_000])
async def test_a_page_that_does_not_exist_is_a_404(door: ResourceDoor, name: str):
    answer = await door.door.client.get(f"/api/docs/{name}")
    assert answer.status_code == 404
    assert "script" not in answer.text
