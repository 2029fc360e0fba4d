"""What a mail shows of the message that it is about: the copy, or the header, that a host sent back with it."""

import re
from collections.abc import Iterable

from homing.inbound.types import Returned
from homing.message.keepsake import words_in
from homing.message.lines import normalise_line_ends
from homing.message.mime import Part
from homing.message.scan import Scan

COPIES = ("message/rfc822", "message/global", "text/rfc822-headers", "message/rfc822-headers", "message/global-headers")
MAX_COPY = 262_144  # octets of a returned copy that are looked at
_MAX_EACH = 20  # values of one sort that are kept

_PATH = re.compile(r"b-[0-9a-f]{20}-[0-9a-f]{8,32}@[a-z0-9.-]{1,253}", re.IGNORECASE | re.ASCII)
_IDENT = re.compile(r"<([^<>\s]{3,250})>")
_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,253}")
# Where the copy of the message begins in bounces that are one text.
_MARKER = re.compile(
    r"^[ \t>]*(?:-{2,80}[ \t]*)?(?:"
    r"below this line is a copy of the message|"
    r"this is a copy of the message(?:, including all the headers)?|"
    r"(?:the )?(?:original|returned|unsent|undelivered) message (?:follows|headers?|below)|"
    r"(?:the )?(?:headers? of the |header of )?(?:original|returned|your) (?:message|mail)(?: was| is)?[ \t]*[:\-.]|"
    r"(?:original|returned|unsent) (?:message|mail)\b|"
    r"original message headers?|"
    r"message headers? follow|"
    r"(?:kopie|header) der (?:e-?mail|nachricht)|"
    r"urspr(?:ü|ue)ngliche nachricht|"
    r"en-t[êe]tes? du message|"
    r"included is a copy of the message header|"
    r"your (?:original )?message(?: follows| reads)?(?: \(in part\))?:"
    r").*$",
    re.IGNORECASE | re.MULTILINE,
)
_FIRST_FIELD = re.compile(
    r"^[ \t>]*(?:Return-Path|Received|DKIM-Signature|Message-ID|X-MSFBL|MIME-Version): ?\S.*$", re.IGNORECASE | re.MULTILINE
)


def split_copy(text: str) -> tuple[str, str]:
    """Split a bounce that is one text into its explanation and the copy of the message; either may be ''."""
    places = [found.start() for found in (_MARKER.search(text), _FIRST_FIELD.search(text)) if found is not None]
    place = min(places, default=len(text))
    return text[:place], text[place:]


def seen_in(parts: Iterable[Part], copy: str, *, addressed: Iterable[str] = ()) -> Returned:
    """Gather what names the message.

    parts       leaves of the mail
    copy        the copy inside a text, '' if there is none
    addressed   further texts that may name a return path (To and Delivered-To of the mail, fields of a report)
    """
    heads = [Scan(normalise_line_ends(part.octets(MAX_COPY)).lstrip(b"\r\n")) for part in parts if part.kind in COPIES]
    if copy:
        heads.append(_head_in_text(copy))
    idents: list[str] = []
    msfbl: list[str] = []
    recipients: list[str] = []
    paths: list[str] = []
    keepsakes: list[str] = []
    for head in heads:
        for value in head.values(b"message-id"):
            idents += _IDENT.findall(value[:1000]) or [value.strip()[:250]]
        msfbl += ["".join(value.split())[:4000] for value in head.values(b"x-msfbl")]
        keepsakes += [word for value in head.values(b"list-unsubscribe") for word in words_in("".join(value.split())[:4000])]
        for name in (b"x-hmxmroriginalrecipient", b"x-original-to", b"delivered-to", b"to"):
            for value in head.values(name):
                recipients += addresses_in(value)
        for name in (b"return-path", b"x-envelope-from", b"errors-to", b"sender", b"received-spf", b"authentication-results"):
            paths += [found for value in head.values(name) for found in _PATH.findall(value[:2000])]
    for text in addressed:
        paths += _PATH.findall(text[:MAX_COPY])
    if copy:
        paths += _PATH.findall(copy[:MAX_COPY])
    return Returned(
        message_ids=_few(idents),
        msfbl=_few(msfbl),
        paths=_few(each.lower() for each in paths),
        recipients=_few(recipients),
        keepsakes=_few(keepsakes),
    )


def addresses_in(text: str) -> list[str]:
    """Return what looks like addresses in a text, lower case; only its first 4,000 characters are searched."""
    return [each.strip(".").lower() for each in _ADDRESS.findall(text[:4000])]


def _head_in_text(copy: str) -> Scan:
    """Read the header of a copy that stands in a text: marker and blank lines before it, quote signs, indentation."""
    found = _FIRST_FIELD.search(copy)
    if found is None:
        return Scan(b"")
    lines = copy[found.start() : found.start() + MAX_COPY].split("\n")
    first = lines[0]
    prefix = first[: len(first) - len(first.lstrip(" \t>"))]
    block = []
    for line in lines:
        line = line.removeprefix(prefix)
        if not line.strip():
            break
        block.append(line)
    return Scan("\r\n".join(block).encode("utf-8", "replace") + b"\r\n\r\n")


def _few(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each for each in values if each))[:_MAX_EACH]
