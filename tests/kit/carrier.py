"""A telephone carrier on loopback: signs what it asks, interprets our documents, presses keys, records, hangs up, calls people.

It speaks TwiML, TeXML and jambonz JSON. What its callers and the people whom it rings do is a list of deeds:
`"123456"` keys, `SILENT` nothing, `Says("...")` words, `Tape(seconds)` a recording, `HANGS_UP` the end of the call.
"""

import asyncio
import base64
import hmac
import io
import itertools
import json
import math
import struct
import wave
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from homing.support.line.rules.signatures import classic
from homing.support.line.types import Family

SILENT = "silent"
HANGS_UP = "hangs up"
PUBLIC = "https://sev1.example.com"  # the address that the world knows us by; a proxy before us leads to loopback


class Says(NamedTuple):
    words: str


class Tape(NamedTuple):
    """A recording. finish: the key that ended it; hung_up: the call ended it."""

    seconds: float = 1.0
    finish: str = "#"
    hung_up: bool = False


Deed = str | Says | Tape


class Person(NamedTuple):
    """What somebody does when he is called: busy, failed, no-answer, or answers and presses keys. rings: the carrier tells it."""

    keys: tuple[str, ...] = ()
    outcome: str = "answers"
    rings: bool = True
    machine: str = "human"


NOBODY = Person(outcome="no-answer")


def sound(seconds: float = 1.0, *, rate: int = 8_000) -> bytes:
    """Return a WAV of a tone."""
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        frames = (int(8_000 * math.sin(2 * math.pi * 440 * n / rate)) for n in range(int(seconds * rate)))
        file.writeframes(b"".join(struct.pack("<h", frame) for frame in frames))
    return made.getvalue()


class Asked(NamedTuple):
    """One request that the carrier made: where to, what it said, what it got."""

    path: str
    fields: dict[str, Any]
    status: int
    body: bytes


class Call:
    """One leg of a call."""

    def __init__(
        self, carrier: "FakeCarrier", call_id: str, caller: str, called: str, deeds: Sequence[Deed] = (), folder: str = "calls"
    ) -> None:
        self.folder = folder  # of our addresses that are configured for the number called
        self.carrier = carrier
        self.id = call_id
        self.caller = caller
        self.called = called
        self.deeds = list(deeds)
        self.heard: list[str] = []  # what was spoken to it
        self.room = ""
        self.status = "ringing"
        self.over = False
        self.started_at = carrier.now()
        self.direction = "inbound"
        self.status_url = f"{PUBLIC}/telephony/v1/{carrier.name}/{folder}/status"
        self._sequence = itertools.count()
        self.last: Asked | None = None

    @property
    def said(self) -> str:
        return " ".join(self.heard)

    def fields(self, **more: Any) -> dict[str, Any]:
        """Return what every request about this call says."""
        if self.carrier.family is Family.JAMBONZ:
            return {
                "call_sid": self.id,
                "from": self.caller or "anonymous",
                "to": self.called,
                "call_status": self.status,
                **more,
            }
        return {
            "AccountSid": self.carrier.account,
            "ApiVersion": "2010-04-01",
            "CallSid": self.id,
            "CallStatus": self.status,
            "Direction": self.direction,
            "From": self.caller or "anonymous",
            "To": self.called,
            **more,
        }

    async def ask(self, url: str, **more: Any) -> list[dict[str, Any]]:
        """Ask for a document, and return its verbs."""
        self.last = await self.carrier.post(url, self.fields(**more))
        if self.last.status != 200:
            return []
        return parse(self.last.body)

    async def tell(self, status: str, **more: Any) -> Asked:
        """Send a status callback."""
        self.status = status
        number = (
            {"sequence_number": next(self._sequence)}
            if self.carrier.family is Family.JAMBONZ
            else {"SequenceNumber": str(next(self._sequence))}
        )
        return await self.carrier.post(self.status_url, self.fields(**number, **more))

    async def ring(self) -> None:
        """Make the first request, and go on as the deeds say, to the end."""
        verbs = await self.ask(f"{PUBLIC}/telephony/v1/{self.carrier.name}/{self.folder}/inbound")
        self.status = "in-progress"
        await self.play(verbs)

    async def play(self, verbs: list[dict[str, Any]]) -> None:
        """Carry out a document, and those that follow it."""
        while verbs is not None:
            following = None
            for verb in verbs:
                following = await self._do(verb)
                if self.over or self.room:
                    return
                if following is not None:
                    break
            if following is None:
                await self.hang_up()
                return
            verbs = following

    async def hang_up(self) -> None:
        """End the call; the carrier says so."""
        if not self.over:
            self.over = True
            if self.carrier.tells_the_end:
                await self.tell("completed", CallDuration="20")

    def next_deed(self) -> Deed:
        return self.deeds.pop(0) if self.deeds else SILENT

    async def _do(self, verb: dict[str, Any]) -> list[dict[str, Any]] | None:
        """Carry out a verb; return the document that follows, None: the next verb does."""
        match verb["verb"]:
            case "say":
                self.heard.append(verb["text"])
            case "gather":
                return await self._gather(verb)
            case "record":
                return await self._record(verb)
            case "dial":
                return await self._dial(verb)
            case "conference":
                self.room = verb["room"]
                self.carrier.rooms.setdefault(self.room, []).append(self)
                self.carrier.joined.set()
            case "redirect":
                return await self.ask(verb["to"])
            case "hangup" | "reject":
                await self.hang_up()
        return None

    async def _gather(self, verb: dict[str, Any]) -> list[dict[str, Any]] | None:
        self.heard += verb["prompt"]
        deed = self.next_deed()
        if deed == HANGS_UP:
            await self.hang_up()
            return None
        if isinstance(deed, Says) and verb["speech"]:
            if self.carrier.family is Family.JAMBONZ:
                return await self.ask(verb["action"], speech={"alternatives": [{"transcript": deed.words}]})
            return await self.ask(verb["action"], SpeechResult=deed.words, Confidence="0.9")
        if not isinstance(deed, str) or deed == SILENT:
            if verb["empty"]:
                return await self.ask(verb["action"], Digits="")
            return None
        digits = deed.removesuffix("#")
        digits = digits[: verb["digits"]] if verb["digits"] else digits
        return await self.ask(
            verb["action"], **({"digits": digits} if self.carrier.family is Family.JAMBONZ else {"Digits": digits})
        )

    async def _record(self, verb: dict[str, Any]) -> list[dict[str, Any]] | None:
        deed = self.next_deed()
        if deed == HANGS_UP:
            await self.hang_up()
            return None
        if isinstance(deed, str) and deed != SILENT and deed in verb["finish"]:
            return await self.ask(verb["action"], Digits=deed)
        if not isinstance(deed, Tape):
            return None  # no sound: the action is not asked, the next verb follows
        sid = self.carrier.keep(sound(min(deed.seconds, verb["most"])))
        self.carrier.recorded.setdefault(self.id, []).append((sid, deed.seconds))
        url = self.carrier.recording_url(sid)
        about = {"RecordingSid": sid, "RecordingUrl": url, "RecordingDuration": str(math.ceil(deed.seconds))}
        if deed.hung_up:
            self.over = True
            await self.tell("completed")
            await self.ask(verb["action"], Digits="hangup", **about)
            await self.carrier.post(verb["status"], self.fields(RecordingStatus="completed", **about))
            return None
        following = await self.ask(verb["action"], Digits=deed.finish, **about)
        self.carrier.pending.append((verb["status"], self.fields(RecordingStatus="completed", **about)))
        if self.carrier.tells_recordings:
            await self.carrier.tell_pending()
        return following

    async def _dial(self, verb: dict[str, Any]) -> list[dict[str, Any]] | None:
        bridged = False
        for number, whisper in verb["legs"]:
            person = self.carrier.people.get(number, NOBODY)
            self.carrier.rung.append(number)
            if person.outcome != "answers" or bridged:
                continue
            leg = Call(self.carrier, self.carrier.new_id(), self.called, number, person.keys)
            leg.direction, leg.status = "outbound-dial", "in-progress"
            leg.over = False
            if whisper:
                bridged = await leg.accepts(whisper)
            else:
                bridged = True
            self.carrier.legs.append(leg)
        if bridged and self.carrier.converses is not None:
            await self.carrier.converses()
        if not verb["action"] or self.over:
            return None
        status = "completed" if bridged else "no-answer"
        if self.carrier.family is Family.JAMBONZ:
            return await self.ask(verb["action"], dial_call_status=status)
        told = {} if self.carrier.family is Family.TELNYX else {"DialBridged": str(bridged).lower()}
        return await self.ask(verb["action"], DialCallStatus=status, **told)

    async def accepts(self, whisper: str) -> bool:
        """Return whether a callee accepts what is whispered to him."""
        verbs = await self.ask(whisper)
        for verb in verbs:
            if verb["verb"] == "gather":
                self.heard += verb["prompt"]
                deed = self.next_deed()
                if isinstance(deed, str) and deed.isdigit():
                    after = await self.ask(
                        verb["action"], **({"digits": deed} if self.carrier.family is Family.JAMBONZ else {"Digits": deed})
                    )
                    return not any(one["verb"] == "hangup" for one in after)
        return False


class FakeCarrier:
    """One carrier. `people` says what those do whom it rings; the others do not answer.

    tells_the_end, tells_recordings   send those callbacks of its own accord
    """

    def __init__(self, family: Family = Family.TWILIO, *, name: str = "tel", now: Callable[[], datetime] | None = None) -> None:
        self.family = family
        self.name = name
        self.account = "AC" + "0" * 32
        self.secret = "sev1-test-token"
        self.api_secret = "api-secret"
        self.private = Ed25519PrivateKey.generate()
        self.numbers = ["+18005550100"]
        self.people: dict[str, Person] = {}
        self.calls: dict[str, Call] = {}
        self.legs: list[Call] = []
        self.rung: list[str] = []
        self.rooms: dict[str, list[Call]] = {}
        self.joined = asyncio.Event()
        self.recordings: dict[str, bytes] = {}
        self.recorded: dict[str, list[tuple[str, float]]] = {}  # call -> its recordings
        self.unheard: Callable[[str], bool] = lambda path: False  # requests that find nobody: a worker has died
        self.deleted: list[str] = []
        self.asked: list[Asked] = []
        self.pending: list[tuple[str, dict[str, Any]]] = []
        self.tells_the_end = True
        self.tells_recordings = True
        self.events_before_answer = False
        self.texts: list[tuple[str, str]] = []  # short messages: to whom, what
        self.loses: tuple[str, ...] = ()  # what it never tells, by a part of the address
        self.refuses = 0  # status with which it refuses calls
        self.refused: set[str] = set()  # numbers that it does not call, whatever `refuses` says
        self.media: Callable[[str], bytes] | None = None  # answers for recordings instead
        self.converses: Callable[[], Awaitable[None]] | None = None  # what happens while two talk who were connected live
        self.lists: Callable[[], bytes] | None = None  # answers for lists of calls instead
        self.gates: dict[str, asyncio.Event] = {}  # number -> its telephone rings when this is set
        self.port = 0
        self.app_port = 0
        self.now = now or (lambda: datetime.now(UTC))
        self._numbers = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self._client = httpx.AsyncClient(timeout=20.0)

    @property
    def public_key(self) -> str:
        return base64.b64encode(self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.port}/2010-04-01"

    def toml(self, **more: Any) -> str:
        """Return its table of the carriers' file."""
        keys = {"public_keys": [self.public_key]} if self.family is Family.TELNYX else {"secrets": [self.secret]}
        table = {
            "family": self.family.value,
            "account": self.account,
            "api": self.api,
            "api_secret": self.api_secret,
            "numbers": self.numbers,
            **keys,
            **more,
        }
        return f"[carriers.{self.name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())

    def new_id(self) -> str:
        return f"{'v3:' if self.family is Family.TELNYX else 'CA'}{next(self._numbers):032}"

    def call(self, *deeds: Deed, caller: str = "+442071838750", called: str = "", folder: str = "calls") -> Call:
        """Return a call of somebody who will do these deeds; `ring` begins it."""
        made = Call(self, self.new_id(), caller, called or self.numbers[0], deeds, folder)
        self.calls[made.id] = made
        return made

    def keep(self, content: bytes) -> str:
        sid = f"RE{next(self._numbers):032}"
        self.recordings[sid] = content
        return sid

    def recording_url(self, sid: str) -> str:
        return f"{self.api}/Accounts/{self.account}/Recordings/{sid}"

    async def tell_pending(self) -> None:
        """Send the callbacks that wait."""
        while self.pending:
            url, fields = self.pending.pop(0)
            await self.post(url, fields)

    async def post(self, url: str, fields: dict[str, Any], *, secret: str = "", stamp: int | None = None) -> Asked:
        """Ask an address of ours, signed as the family does; the proxy before us leads to loopback."""
        assert url.startswith(PUBLIC), url
        if self.unheard(url.removeprefix(PUBLIC)):
            self.asked.append(Asked(url.removeprefix(PUBLIC), fields, 502, b""))
            return self.asked[-1]
        if any(part in url for part in self.loses):
            return Asked(url.removeprefix(PUBLIC), fields, 0, b"")
        headers, body = self.signed(url, fields, secret=secret or self.secret, stamp=stamp)
        try:
            answer = await self._client.post(
                f"http://127.0.0.1:{self.app_port}{url.removeprefix(PUBLIC)}",
                content=body,
                headers={**headers, "Host": "inside.example", "X-Forwarded-Host": "forged.example"},
            )
        except httpx.TransportError:  # whoever should have answered has died
            self.asked.append(Asked(url.removeprefix(PUBLIC), fields, 502, b""))
            return self.asked[-1]
        self.asked.append(Asked(url.removeprefix(PUBLIC), fields, answer.status_code, answer.content))
        return self.asked[-1]

    def signed(self, url: str, fields: dict[str, Any], *, secret: str, stamp: int | None = None) -> tuple[dict[str, str], bytes]:
        """Return headers and body of a request."""
        now = int(self.now().timestamp()) if stamp is None else stamp
        if self.family is Family.JAMBONZ:
            body = json.dumps(fields).encode()
            made = hmac.digest(secret.encode(), f"{now}.".encode() + body, "sha256").hex()
            return {"Content-Type": "application/json", "Jambonz-Signature": f"t={now},v1={made}"}, body
        body = urlencode(fields).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if self.family is Family.TELNYX:
            signature = self.private.sign(f"{now}|".encode() + body)
            headers |= {"telnyx-timestamp": str(now), "telnyx-signature-ed25519": base64.b64encode(signature).decode()}
        else:
            name = "X-SignalWire-Signature" if self.family is Family.SIGNALWIRE else "X-Twilio-Signature"
            headers[name] = classic(url, [(key, str(value)) for key, value in fields.items()], secret)
        return headers, body

    # what we ask of it ----------------------------------------------------------------------------------------------------

    async def settle(self) -> None:
        """Wait until everything that it began of itself is done."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def _outbound(self, call: Call, url: str, person: Person, detect: str) -> None:
        if not person.rings:
            return
        await call.tell("initiated")
        if call.called in self.gates:
            await self.gates[call.called].wait()
        if person.outcome in ("busy", "failed"):
            await call.tell(person.outcome)
            return
        await call.tell("ringing")
        if person.outcome != "answers":
            await call.tell("no-answer")
            return
        await call.tell("in-progress")
        if detect:
            await self.post(detect, call.fields(AnsweredBy=person.machine))
        if not call.over:
            await call.play(await call.ask(url))

    def _begin(self, given: dict[str, list[str]] | dict[str, Any]) -> tuple[Call, asyncio.Task[None] | None]:
        if self.family is Family.JAMBONZ:
            to, sender = given["to"]["number"], given["from"]
            url, status, detect = given["call_hook"]["url"], given["call_status_hook"]["url"], ""
        else:
            to, sender, url, status = (given[name][0] for name in ("To", "From", "Url", "StatusCallback"))
            detect = given.get("AsyncAmdStatusCallback", [""])[0]
        if to in self.numbers:  # a call to ourselves: it comes in again
            inside = self.call(caller=sender, called=to)
            task = asyncio.ensure_future(inside.ring())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return inside, task
        person = self.people.get(to, NOBODY)
        call = Call(self, self.new_id(), sender, to, person.keys)
        call.direction, call.status, call.status_url = "outbound-api", "queued", status
        self.calls[call.id] = call
        task = asyncio.ensure_future(self._outbound(call, url, person, detect))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return call, task

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, target, _ = head[0].split()
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            answer = await self._answer(method, target, headers, body)
            writer.write(answer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> bytes:
        path = urlsplit(target).path.removesuffix(".json")
        scheme, _, given = headers.get("authorization", "").partition(" ")
        pair = base64.b64decode(given).decode() if scheme == "Basic" else f":{given}"
        if pair.rpartition(":")[2] != self.api_secret:
            return http(401, b'{"message":"who are you?"}')
        if method == "GET" and path.endswith("/Recordings"):
            kept = self.recorded.get(path.split("/")[-2], [])
            return http(
                200, json.dumps({"recordings": [{"sid": sid, "duration": str(math.ceil(s))} for sid, s in kept]}).encode()
            )
        if method == "POST" and path.endswith("/Calls"):
            if self.refuses:
                return http(self.refuses, b'{"code":21211,"message":"not a valid number"}')
            given = json.loads(body) if self.family is Family.JAMBONZ else parse_qs(body.decode())
            to = given["to"]["number"] if self.family is Family.JAMBONZ else given["To"][0]
            if to in self.refused:
                return http(503, b'{"message":"this carrier is down"}')
            call, task = self._begin(given)
            if self.events_before_answer and task is not None:
                await asyncio.wait({task}, timeout=1.0)
            return http(201, json.dumps({"sid": call.id, "status": "queued"}).encode())
        if method == "POST" and path.rpartition("/")[2].lower() == "messages":
            if self.refuses:
                return http(self.refuses, b'{"code":21211,"message":"not a valid number"}')
            if headers.get("content-type", "").startswith("application/json"):
                told = json.loads(body)
                self.texts.append((told["to"], told["text"]))
            else:
                form = parse_qs(body.decode())
                self.texts.append((form["To"][0], form["Body"][0]))
            return http(201, b'{"sid":"SM1","status":"queued"}')
        if method == "GET" and "/Calls/" in path:
            one = self.calls.get(path.rpartition("/")[2])
            if one is None:
                return http(404, b"{}")
            shown = {"sid": one.id, "status": "completed" if one.over else one.status, "call_status": one.status}
            return http(200, json.dumps(shown).encode())
        if method in ("POST", "PUT") and "/Calls/" in path:
            call = self.calls[path.rpartition("/")[2]]
            url = json.loads(body)["call_hook"]["url"] if self.family is Family.JAMBONZ else parse_qs(body.decode())["Url"][0]
            call.room = ""
            await call.play(await call.ask(url))
            return http(200, b"{}")
        if method == "GET" and path.endswith("/Calls") and self.lists is not None:
            return self.lists()
        if method == "GET" and path.endswith("/Calls"):
            wanted = dict(parse_qsl(urlsplit(target).query))
            rows = [
                {
                    "sid": one.id,
                    "from": one.caller or "anonymous",
                    "to": one.called,
                    "status": "completed" if one.over else "in-progress",
                    "direction": one.direction,
                    "start_time": f"{one.started_at:%a, %d %b %Y %H:%M:%S} +0000",
                }
                for one in self.calls.values()
                if one.called == wanted.get("To") and f"{one.started_at:%Y-%m-%d}" >= wanted.get("StartTime>", "")
            ]
            rows.reverse()  # the latest first
            page, size = int(wanted.get("Page", 0)), int(wanted.get("PageSize", 50))
            following = {**wanted, "Page": str(page + 1), "PageToken": "t"} if len(rows) > (page + 1) * size else None
            given = {
                "calls": rows[page * size : (page + 1) * size],
                "next_page_uri": following and f"{urlsplit(target).path}?{urlencode(following)}",
            }
            return http(200, json.dumps(given).encode())
        if method == "GET" and path.endswith("/RecentCalls"):
            listed = [
                {
                    "call_sid": one.id,
                    "from": one.caller or "anonymous",
                    "to": one.called,
                    "direction": one.direction,
                    "attempted_at": one.started_at.isoformat(),
                    "terminated_at": one.started_at.isoformat() if one.over else None,
                }
                for one in reversed(self.calls.values())
            ]
            wanted = dict(parse_qsl(urlsplit(target).query))
            size = int(wanted["count"])
            begin = (int(wanted["page"]) - 1) * size
            return http(200, json.dumps({"total": len(listed), "data": listed[begin : begin + size]}).encode())
        sid = path.rpartition("/")[2].removesuffix(".wav")
        if method == "DELETE" and "/Recordings/" in path:
            self.deleted.append(sid)
            return http(204 if self.recordings.pop(sid, None) is not None else 404, b"")
        if method == "GET" and "/Recordings/" in path:
            if self.media is not None:
                return self.media(sid)
            return http(200, self.recordings[sid], "audio/wav") if sid in self.recordings else http(404, b"")
        return http(404, b"")


def http(status: int, body: bytes, kind: str = "application/json", **more: str) -> bytes:
    """Return an answer of HTTP."""
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in more.items())
    head = f"HTTP/1.1 {status} Said\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{lines}Connection: close\r\n\r\n"
    return head.encode() + body


def parse(body: bytes) -> list[dict[str, Any]]:
    """Return the verbs of a document of any family."""
    if body.lstrip().startswith(b"["):
        return [_json_verb(one) for one in json.loads(body)]
    return [verb for one in ET.fromstring(body) for verb in _xml_verb(one)]


def _xml_verb(one: ET.Element) -> list[dict[str, Any]]:
    get = one.get
    match one.tag:
        case "Say":
            return [{"verb": "say", "text": one.text or ""}]
        case "Pause":
            return [{"verb": "pause"}]
        case "Gather":
            return [
                {
                    "verb": "gather",
                    "action": get("action"),
                    "prompt": [inner.text or "" for inner in one if inner.tag == "Say"],
                    "digits": int(get("numDigits") or 0),
                    "speech": "speech" in (get("input") or ""),
                    "empty": get("actionOnEmptyResult") == "true",
                }
            ]
        case "Record":
            shown = {"action": get("action"), "status": get("recordingStatusCallback"), "finish": get("finishOnKey") or ""}
            return [{"verb": "record", "most": int(get("maxLength") or 3600), **shown}]
        case "Dial" if one.find("Conference") is not None:
            return [{"verb": "conference", "room": one.findtext("Conference")}]
        case "Dial":
            legs = [(inner.text, inner.get("url") or "") for inner in one if inner.tag == "Number"]
            return [{"verb": "dial", "legs": legs, "action": get("action") or ""}]
        case "Redirect":
            return [{"verb": "redirect", "to": one.text}]
        case _:
            return [{"verb": one.tag.lower()}]


def _json_verb(one: dict[str, Any]) -> dict[str, Any]:
    match one["verb"]:
        case "gather":
            return {
                "verb": "gather",
                "action": one["actionHook"],
                "prompt": [one["say"]["text"]] if "say" in one else [],
                "digits": one.get("numDigits", 0),
                "speech": "speech" in one["input"],
                "empty": True,
            }
        case "dial":
            legs = [(target["number"], target.get("confirmHook", "")) for target in one["target"]]
            return {"verb": "dial", "legs": legs, "action": one.get("actionHook", "")}
        case "conference":
            return {"verb": "conference", "room": one["name"]}
        case "redirect":
            return {"verb": "redirect", "to": one["actionHook"]}
        case "sip:decline":
            return {"verb": "reject"}
        case _:
            return one


@asynccontextmanager
async def carrier(family: Family = Family.TWILIO, **how: Any) -> AsyncIterator[FakeCarrier]:
    """Serve a carrier on a free port of loopback."""
    made = FakeCarrier(family, **how)
    server = await asyncio.start_server(made._serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    async with server:
        try:
            yield made
        finally:
            for task in list(made._tasks):
                task.cancel()
            await made._client.aclose()
