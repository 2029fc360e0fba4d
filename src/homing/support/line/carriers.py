"""Asks carriers, over their REST APIs: to call somebody, to say which calls there were, to hand over or delete a recording.

Requests go out by `ground.http`, to the base address that the carriers' file names; recordings are fetched from the origins
that it names, and from nowhere else.
"""

import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urljoin, urlsplit

import msgspec
from msgspec import structs

from homing.ground.errors import Misuse
from homing.ground.http import Answered, OutboundHttp, Unanswered
from homing.support.line.rules.heard import clean, members, read
from homing.support.line.rules.numbers import parse
from homing.support.line.types import Carrier, Family, Happened, LineSettings

TIMEOUT_S = 8.0
RECORDING_TIMEOUT_S = 60.0
MOST_RECORDING = 16 * 1024 * 1024  # bytes; three minutes of 8 kHz are under 3 MiB
MOST_REDIRECTS = 2
LISTED = 50  # calls of a page
MOST_PAGES = 100
MOST_DAYS = 30  # that jambonz looks back
_KEPT_NAMES = frozenset({"form", "api"})
NO_CARRIER = "there is no carrier"


class NotPlaced(Exception):
    """The carrier did not take a call; the text says why, for the representative."""


class ForeignHost(Exception):
    """A recording that does not lie at its carrier."""


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A call that the carrier knows."""

    happened: Happened
    started_at: datetime


def read_settings(path: Path, *, allow_plain: bool) -> LineSettings:
    """Read the file of HOMING_SEV1_CARRIERS.

    allow_plain   http:// is possible, for tests and networks of one's own
    raises        Misuse saying what to mend
    """
    try:
        mode = path.stat().st_mode
        raw = path.read_bytes()
    except OSError as trouble:
        raise Misuse(f"HOMING_SEV1_CARRIERS: {path} cannot be read: {trouble.strerror}") from trouble
    if mode & 0o077:
        raise Misuse(f"{path} holds secrets and can be read by others; run: chmod 600 {path}")
    try:
        settings = msgspec.toml.decode(raw, type=LineSettings)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as trouble:
        raise Misuse(f"HOMING_SEV1_CARRIERS: {path}: {trouble}") from trouble
    named = {}
    for name, carrier in settings.carriers.items():
        if not (name.isascii() and name.replace("-", "").isalnum() and name.islower()) or name in _KEPT_NAMES:
            raise Misuse(f"{path}: a carrier's name is of small letters, digits and hyphens, and not 'form' or 'api': {name!r}")
        named[name] = _checked(structs.replace(carrier, name=name), path, allow_plain=allow_plain)
    for number in settings.fallback:
        if parse(number, near="") != number:
            raise Misuse(f"{path}: fallback: {number!r} is no number; write +<country code><number>")
    return structs.replace(settings, carriers=named)


def _checked(carrier: Carrier, path: Path, *, allow_plain: bool) -> Carrier:
    where = f"{path}: [carriers.{carrier.name}]"
    if not carrier.numbers or any(parse(number, near="") != number for number in carrier.numbers):
        raise Misuse(f"{where}: numbers must be one or more of the form +18005550100")
    hosts = carrier.recording_hosts or (_origin(carrier.api),)
    for url in (carrier.api, *hosts):
        if _origin(url) == "" or not (url.startswith("https://") or allow_plain):
            raise Misuse(f"{where}: {url!r} must begin with https://")
    keys = {
        Family.TWILIO: carrier.secrets + carrier.shared,
        Family.SIGNALWIRE: carrier.secrets,
        Family.TELNYX: carrier.public_keys,
        Family.JAMBONZ: carrier.secrets + carrier.basic,
    }[carrier.family]
    if not keys or not all(keys):
        raise Misuse(f"{where}: nothing is there by which its requests could be known (secrets, shared, public_keys or basic)")
    return structs.replace(carrier, recording_hosts=tuple(_origin(one) for one in hosts), api=carrier.api.rstrip("/"))


class Carriers:
    """Asks carriers. One for a worker."""

    def __init__(self, http: OutboundHttp, settings: LineSettings) -> None:
        self._http = http
        self.all = settings.carriers

    def of(self, called: str) -> Carrier | None:
        """Return the carrier that a number of ours is at, else the first one."""
        at = next((one for one in self.all.values() if called in one.numbers), None)
        return at or next(iter(self.all.values()), None)

    async def by_any(self, work: Callable[[Carrier], Awaitable[None]]) -> str:
        """Have something done by the first carrier that does it: the second is there for when the first is down.

        work      raises NotPlaced where its carrier does not do it
        returns   '', or why none did
        """
        trouble = NO_CARRIER
        for carrier in self.all.values():
            try:
                await work(carrier)
            except NotPlaced as refused:
                trouble = str(refused)
                continue
            return ""
        return trouble

    async def text_by_any(self, to: str, words: str) -> str:
        """Have a short message sent by the first carrier that takes it; return '', or why none did."""

        async def send(carrier: Carrier) -> None:
            await self.text(carrier, to=to, sender=carrier.numbers[0], words=words)

        return await self.by_any(send)

    async def call(
        self, carrier: Carrier, *, to: str, sender: str, url: str, status: str, detect: str = "", ring_s: int = 30
    ) -> str:
        """Have somebody called, and return the call's id: the carrier has taken it (HTTP 201).

        url      is asked when he answers
        status   is told how it goes
        detect   is told whether a machine answered; '': nobody asks
        raises   NotPlaced
        """
        if carrier.family is Family.JAMBONZ:
            wanted: dict[str, Any] = {
                "from": sender,
                "to": {"type": "phone", "number": to},
                "call_hook": {"url": url, "method": "POST"},
                "call_status_hook": {"url": status, "method": "POST"},
                "timeout": ring_s,
            }
            body, kind = msgspec.json.encode(wanted), "application/json"
        else:
            fields = [("To", to), ("From", sender), ("Url", url), ("Method", "POST"), ("StatusCallback", status)]
            fields += [("StatusCallbackEvent", event) for event in ("initiated", "ringing", "answered", "completed")]
            fields += [("StatusCallbackMethod", "POST"), ("Timeout", str(ring_s))]
            if detect:
                fields += [("MachineDetection", "DetectMessageEnd"), ("AsyncAmd", "true"), ("AsyncAmdStatusCallback", detect)]
            body, kind = urlencode(fields).encode(), "application/x-www-form-urlencoded"
        answer = await self._http.send(
            "POST", self._at(carrier, "Calls"), body, headers=self._headers(carrier, kind), timeout_s=TIMEOUT_S
        )
        if isinstance(answer, Unanswered):
            raise NotPlaced(f"the carrier did not answer: {answer.why}")
        given = members(answer.whole)
        inner = given.get("data")
        given = inner if isinstance(inner, dict) else given
        call_id = clean(given.get("sid") or given.get("call_sid"))
        if answer.status not in (200, 201) or not call_id:
            raise NotPlaced(f"the carrier answered {answer.status}: {clean(given.get('message') or answer.body)[:200]}")
        return call_id

    async def text(self, carrier: Carrier, *, to: str, sender: str, words: str) -> None:
        """Have a short message sent; the carrier has taken it when this returns.

        raises   NotPlaced
        """
        if carrier.family in (Family.JAMBONZ, Family.TELNYX):
            body, kind = msgspec.json.encode({"from": sender, "to": to, "text": words}), "application/json"
        else:
            body, kind = urlencode({"To": to, "From": sender, "Body": words}).encode(), "application/x-www-form-urlencoded"
        # Telnyx takes messages at its own API, beside that of TeXML.
        apart = carrier.family is Family.TELNYX
        at = f"{carrier.api.removesuffix('/texml')}/messages" if apart else self._at(carrier, "Messages")
        answer = await self._http.send("POST", at, body, headers=self._headers(carrier, kind), timeout_s=TIMEOUT_S)
        if isinstance(answer, Unanswered):
            raise NotPlaced(f"the carrier did not answer: {answer.why}")
        if answer.status not in (200, 201, 202):
            given = members(answer.whole)
            raise NotPlaced(f"the carrier answered {answer.status}: {clean(given.get('message') or answer.body)[:200]}")

    async def look(self, carrier: Carrier, call_id: str) -> Happened | None:
        """Return how a call of ours stands; None: the carrier knows it no more.

        raises   NotPlaced where the carrier does not say
        """
        at = self._at(carrier, f"Calls/{quote(call_id, safe='')}")
        answer = await self._http.send("GET", at, headers=self._headers(carrier), timeout_s=TIMEOUT_S)
        if isinstance(answer, Unanswered):
            raise NotPlaced(answer.why)
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise NotPlaced(f"the carrier answered {answer.status}")
        row = members(answer.whole)
        inner = row.get("data")
        row = inner if isinstance(inner, dict) else row
        if carrier.family is Family.JAMBONZ:
            return read(carrier.family, {"call_sid": call_id, "call_status": row.get("call_status")})
        return read(carrier.family, {"CallSid": call_id, "CallStatus": row.get("status")})

    async def redirect(self, carrier: Carrier, call_id: str, url: str) -> bool:
        """Let a call that is under way go on with another document; return whether the carrier did."""
        at = self._at(carrier, f"Calls/{quote(call_id, safe='')}")
        if carrier.family is Family.JAMBONZ:
            body, kind = msgspec.json.encode({"call_hook": {"url": url, "method": "POST"}}), "application/json"
        else:
            body, kind = urlencode({"Url": url, "Method": "POST"}).encode(), "application/x-www-form-urlencoded"
        method = "PUT" if carrier.family is Family.JAMBONZ else "POST"
        answer = await self._http.send(method, at, body, headers=self._headers(carrier, kind), timeout_s=TIMEOUT_S)
        return isinstance(answer, Answered) and answer.status in (200, 201, 202, 204)

    async def recent(self, carrier: Carrier, number: str, *, since: datetime, now: datetime) -> AsyncIterator[list[Listed]]:
        """Give the calls to a number of ours that began since a moment, page by page, as carriers list them: the latest first.

        raises   NotPlaced where the carrier does not say, or has more pages than anybody would read
        """
        for number_of_page in range(1, MOST_PAGES + 1):
            if carrier.family is Family.JAMBONZ:
                days = min((now - since).days + 2, MOST_DAYS)  # it counts days of its own zone
                query: dict[str, Any] = {"page": number_of_page, "count": LISTED, "days": days}
                url = self._at(carrier, "RecentCalls") + "?" + urlencode(query)
            elif number_of_page == 1:  # a day earlier: 'after' may not mean the day itself
                query = {"To": number, "StartTime>": f"{since - timedelta(days=1):%Y-%m-%d}", "PageSize": LISTED}
                url = self._at(carrier, "Calls") + "?" + urlencode(query)
            answer = await self._http.send("GET", url, headers=self._headers(carrier), timeout_s=TIMEOUT_S, most=1_048_576)
            if isinstance(answer, Unanswered):
                raise NotPlaced(answer.why)
            if answer.status != 200:
                raise NotPlaced(f"the carrier answered {answer.status}")
            given = members(answer.whole)
            rows = given.get("data" if carrier.family is Family.JAMBONZ else "calls")
            if not isinstance(rows, list):
                raise NotPlaced("the carrier's list of calls cannot be read")
            listed = [_listed(carrier, row) for row in rows if isinstance(row, dict)]
            yield [one for one in listed if one is not None and one.happened.called == number and one.started_at >= since]
            began = [_began(carrier, row) for row in rows if isinstance(row, dict)]
            if not rows or all(moment is not None and moment < since for moment in began):
                return
            if carrier.family is Family.JAMBONZ:
                if len(rows) < LISTED:
                    return
                continue
            following = clean(given.get("next_page_uri"))
            if not following:
                return
            url = urljoin(url, following)
            if _origin(url) != _origin(carrier.api):  # it is asked with our secret
                raise NotPlaced("the carrier's list of calls goes on at another host")
        raise NotPlaced(f"the carrier's list of calls has more than {MOST_PAGES} pages")

    async def recordings_of(self, carrier: Carrier, call_id: str) -> list[tuple[str, str, int | None]]:
        """Return the recordings of a call as (id, address, seconds); jambonz has none to show.

        raises   NotPlaced where the carrier does not say
        """
        if carrier.family is Family.JAMBONZ:
            return []
        url = self._at(carrier, f"Calls/{quote(call_id, safe='')}/Recordings")
        answer = await self._http.send("GET", url, headers=self._headers(carrier), timeout_s=TIMEOUT_S, most=262_144)
        if isinstance(answer, Unanswered):
            raise NotPlaced(answer.why)
        if answer.status == 404:
            return []
        if answer.status != 200:
            raise NotPlaced(f"the carrier answered {answer.status}")
        rows = members(answer.whole).get("recordings") or []
        found = []
        for row in rows if isinstance(rows, list) else []:
            sid = clean(row.get("sid")) if isinstance(row, dict) else ""
            if sid:
                seconds = clean(row.get("duration"))
                at = self._at(carrier, f"Recordings/{quote(sid, safe='')}").removesuffix(".json")
                found.append((sid, at, int(seconds) if seconds.isascii() and seconds.isdigit() else None))
        return found

    async def fetch(self, carrier: Carrier, url: str) -> bytes | None:
        """Return a recording; None where it is not there (yet).

        raises   ForeignHost; NotPlaced where it cannot be had now
        """
        target = url if urlsplit(url).path.endswith((".wav", ".mp3")) else f"{url}.wav"
        for _ in range(MOST_REDIRECTS + 1):
            if _origin(target) not in carrier.recording_hosts:
                raise ForeignHost(f"{_origin(target) or 'no address'} is no host of {carrier.name}'s recordings")
            answer = await self._http.send(
                "GET", target, headers=self._headers(carrier), timeout_s=RECORDING_TIMEOUT_S, most=MOST_RECORDING + 1
            )
            if isinstance(answer, Unanswered):
                raise NotPlaced(answer.why)
            if answer.status in (301, 302, 303, 307, 308):
                target = urljoin(target, _header(answer, "location"))
                continue
            if answer.status == 404:
                return None
            if answer.status != 200:
                raise NotPlaced(f"the carrier answered {answer.status}")
            return answer.whole
        raise ForeignHost("it leads from one place to the next")

    async def delete_recording(self, carrier: Carrier, url: str) -> bool:
        """Have a recording deleted at the carrier; return whether it is gone."""
        if _origin(url) not in carrier.recording_hosts:
            return True
        bare = url.removesuffix(".wav").removesuffix(".mp3")
        answer = await self._http.send("DELETE", bare, headers=self._headers(carrier), timeout_s=TIMEOUT_S)
        return isinstance(answer, Answered) and answer.status in (200, 202, 204, 404)

    def _at(self, carrier: Carrier, what: str) -> str:
        ending = ".json" if carrier.family in (Family.TWILIO, Family.SIGNALWIRE) else ""
        return f"{carrier.api}/Accounts/{quote(carrier.account, safe='')}/{what}{ending}"

    def _headers(self, carrier: Carrier, kind: str = "") -> Mapping[str, str]:
        if carrier.family in (Family.TELNYX, Family.JAMBONZ):
            authorization = f"Bearer {carrier.api_secret}"
        else:
            pair = f"{carrier.api_user or carrier.account}:{carrier.api_secret}".encode()
            authorization = "Basic " + base64.b64encode(pair).decode("ascii")
        return {"Authorization": authorization} | ({"Content-Type": kind} if kind else {})


def _listed(carrier: Carrier, row: dict[str, Any]) -> Listed | None:
    """Return a row of a carrier's list, if it is a call that came in."""
    direction = clean(row.get("direction"))
    if direction != "inbound":
        return None
    started = _began(carrier, row)
    if carrier.family is Family.JAMBONZ:
        given = {"call_sid": row.get("call_sid"), "from": row.get("from"), "to": row.get("to")}
        given["call_status"] = "completed" if row.get("terminated_at") else "in-progress"
    else:
        given = {"CallSid": row.get("sid"), "From": row.get("from"), "To": row.get("to"), "CallStatus": row.get("status")}
    happened = read(carrier.family, given)
    if not happened.call_id or started is None:
        return None
    return Listed(happened=happened, started_at=started)


def _began(carrier: Carrier, row: dict[str, Any]) -> datetime | None:
    """Return when a call of a carrier's list began."""
    if carrier.family is Family.JAMBONZ:
        return _moment(clean(row.get("attempted_at")))
    return _moment(clean(row.get("start_time") or row.get("date_created")))


def _moment(text: str) -> datetime | None:
    """Return a moment as carriers write it (RFC 2822, or ISO 8601)."""
    try:
        found = parsedate_to_datetime(text) if "," in text else datetime.fromisoformat(text)
    except (ValueError, TypeError):
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _origin(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    if parts.scheme not in ("https", "http") or not host or parts.username is not None:
        return ""
    usual = {"https": 443, "http": 80}[parts.scheme]
    return f"{parts.scheme}://{host}" + ("" if port in (None, usual) else f":{port}")


def _header(answer: Answered, name: str) -> str:
    return next((value for key, value in answer.headers.items() if key.lower() == name), "")
