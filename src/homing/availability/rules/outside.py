"""What was seen from outside: reports of witnesses, and what they count for.

A witness asks the doors from elsewhere once a second and signs what it saw. One that belongs to a customer makes that
customer's attempts: where we were blind they are the evidence (the customer's, clause D1), and where we watched a person
decides. One of our own makes no attempts; where it was not answered and nobody else was seen, the second is unknown.
"""

import base64
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from homing.availability.rules.leaf import canonical
from homing.availability.types import Doors, Seen
from homing.evidence.rules.seconds import Seconds, pack, unpack

LONGEST_S = 3_600  # of one report
NOT_AFTER = timedelta(days=30)  # evidence about an older second is not taken
_EARLY = timedelta(seconds=5)  # a witness's clock may be ahead so far
_SIGNED = b"homing witness report\n"
FIRST = "0" * 64  # what the first report names as the one before it
_HASH = re.compile(r"[0-9a-f]{64}\Z")


class Unusable(Exception):
    """A report that cannot be taken; the text says why."""


class Asked(msgspec.Struct, frozen=True):
    """Seconds in which a door was asked, and those in which it answered well: base64 of run lengths, counted from `since`."""

    answered: str
    asked: str


class Report(msgspec.Struct, frozen=True):
    """What a witness saw from one Unix second up to and without another.

    number     1, 2, 3 ...: a gap shows
    previous   SHA-256 of the report before, in hex
    witness    its public key (Ed25519) in hex
    """

    api: Asked
    number: int
    previous: str
    since: int
    smtp: Asked
    until: int
    witness: str


class Saw(NamedTuple):
    """What one report says, over a stretch that its reader chose."""

    asked: Doors
    answered: Doors


class Attested(NamedTuple):
    """A report that was taken in.

    own        of a witness of ours; else it is the customer's
    accepted   a person said that it counts where we watched, too
    """

    saw: Saw
    own: bool
    accepted: bool
    name: str


def make(saw: Saw, *, since: int, until: int, number: int, previous: str, key: Ed25519PrivateKey) -> tuple[bytes, str]:
    """Return a report and its signature in hex. saw counts from `since`."""

    def asked(asked: Seconds, answered: Seconds) -> Asked:
        return Asked(base64.b64encode(pack(answered)).decode(), base64.b64encode(pack(asked)).decode())

    body = canonical(
        Report(
            api=asked(saw.asked.api, saw.answered.api),
            number=number,
            previous=previous,
            since=since,
            smtp=asked(saw.asked.smtp, saw.answered.smtp),
            until=until,
            witness=key.public_key().public_bytes_raw().hex(),
        )
    )
    return body, key.sign(_SIGNED + body).hex()


_decode = msgspec.json.Decoder(Report).decode


def kept(body: bytes) -> tuple[Report, Saw]:
    """Return a report that was taken in.

    raises   Unusable
    """
    report = _decode(body)
    return report, said(report)


def read(body: bytes, signature: str) -> tuple[Report, Saw]:
    """Return a report whose signature is that of the witness it names, and what it says, counted from its `since`.

    raises   Unusable
    """
    try:
        report = _decode(body)
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(report.witness))
        public.verify(bytes.fromhex(signature), _SIGNED + body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Unusable("this is no report of a witness") from None
    except (InvalidSignature, ValueError):
        raise Unusable("the signature is not that of the witness") from None
    return report, said(report)


def said(report: Report) -> Saw:
    """Return what a report says, counted from its `since`; its signature was looked at when it came.

    raises   Unusable
    """
    if not 0 < report.until - report.since <= LONGEST_S or report.since < 0 or not 0 < report.number < 2**31:
        raise Unusable(f"a report has a number, and is about 1 to {LONGEST_S} seconds")
    if not _HASH.match(report.previous) or not _HASH.match(report.witness):
        raise Unusable("a report names its witness and the report before it, in lower-case hex")
    length = report.until - report.since
    try:
        sets = [
            unpack(base64.b64decode(text, validate=True), most=length)
            for text in (report.api.asked, report.smtp.asked, report.api.answered, report.smtp.answered)
        ]
    except ValueError:
        raise Unusable("the seconds of a report are run lengths in base64, within its range") from None
    api, smtp, api_ok, smtp_ok = sets
    if api_ok & ~api or smtp_ok & ~smtp:
        raise Unusable("a door cannot answer in a second in which it was not asked")
    return Saw(Doors(api, smtp), Doors(api_ok, smtp_ok))


def check_age(report: Report, *, now: datetime) -> None:
    """See that a report comes neither too early nor too late.

    raises   Unusable
    """
    if report.until > (now + _EARLY).timestamp():
        raise Unusable("the report is about seconds that have not passed; set the witness's clock right")
    if report.since < (now - NOT_AFTER).timestamp():
        raise Unusable(f"evidence is taken for {NOT_AFTER.days} days")


def moved(saw: Saw, by: int, *, seconds: int) -> Saw:
    """Return what a report says, counted from another second; what lies outside the stretch is left out.

    by   the report's `since`, counted from the stretch's first second
    """
    return Saw(*(Doors(*(_moved(bits, by, seconds) for bits in doors)) for doors in saw))


def _moved(bits: Seconds, by: int, seconds: int) -> Seconds:
    bits = bits << by if by >= 0 else bits >> -by
    return bits & ((1 << seconds) - 1)


def weighed(seen: Seen, blind: Seconds, attested: Iterable[Attested]) -> tuple[Seen, Doors, Doors]:
    """Return the evidence with what witnesses add, where nobody sees at each door, and what a person has to decide.

    seen    from our journals
    blind   seconds in which a node that should have watched did not
    returns (attempts of the account, unseen seconds at each door, disputed seconds of the customer's witnesses)
    """
    attempted, answered, disputed = list(seen.attempted), list(seen.answered), [0, 0]
    ours, ours_ok = [0, 0], [0, 0]
    for one in attested:
        for door in (0, 1):
            asked, ok = one.saw.asked[door], one.saw.answered[door]
            if one.own:
                ours[door] |= asked
                ours_ok[door] |= ok
                continue
            counted = asked if one.accepted else asked & blind
            disputed[door] |= asked & ~ok & ~counted
            attempted[door] |= counted
            answered[door] |= ok & counted
    # What we saw ourselves to have failed needs nobody's decision.
    contested = Doors(*(bits & ~(tried & ~well) for bits, tried, well in zip(disputed, attempted, answered, strict=True)))
    unseen = Doors(*(blind | asked & ~ok for asked, ok in zip(ours, ours_ok, strict=True)))
    return Seen(Doors(*attempted), Doors(*answered)), unseen, contested
