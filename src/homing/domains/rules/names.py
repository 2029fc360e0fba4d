"""Is this a name that a customer can send from? Form, and the few names that nobody here can own."""

import re
from enum import StrEnum

import idna
import msgspec

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_LONGEST = 253  # RFC 1035 section 2.3.4: 255 octets on the wire, length bytes included

# Mailbox providers whose domains are nobody's to send from but their own; mail from elsewhere fails their DMARC.
# `sparkpostbox.com` is the platform's own sandbox (SparkPost reference, section 1.11).
_RESTRICTED = frozenset(
    """
    gmail.com googlemail.com yahoo.com ymail.com rocketmail.com aol.com outlook.com hotmail.com live.com msn.com icloud.com
    me.com mac.com gmx.de gmx.net gmx.com web.de t-online.de mail.ru yandex.ru yandex.com proton.me protonmail.com
    zoho.com comcast.net orange.fr free.fr laposte.net libero.it qq.com 163.com 126.com naver.com sparkpostbox.com
    """.split()  # noqa: SIM905 - a list of words is read as one
)


class NameTrouble(StrEnum):
    """What is wrong with a name."""

    NO_DOT = "no_dot"
    SYNTAX = "syntax"
    RESTRICTED = "restricted"


class BadName(msgspec.Struct, frozen=True):
    """A name that cannot be added, with the sentence of the reference (section 2.7)."""

    trouble: NameTrouble
    text: str


def domain_name(text: str) -> str | BadName:
    """Return a domain as we keep it (lower case, A-labels), or what is wrong with it.

    A final dot is a syntax error: mail has no absolute names (RFC 5321 section 2.3.5).
    """
    shown = text[:_LONGEST]
    if len(text) > 4 * _LONGEST:
        return BadName(NameTrouble.SYNTAX, f"Error validating domain name syntax for domain: '{shown}'")
    if "." not in text:
        return BadName(NameTrouble.NO_DOT, f"Error domain name contains no '.'(s) for domain: '{shown}'")
    name = a_labels(text)
    if name is None:
        return BadName(NameTrouble.SYNTAX, f"Error validating domain name syntax for domain: '{shown}'")
    if is_restricted(name):
        return BadName(NameTrouble.RESTRICTED, f"Restricted domain: '{name}'")
    return name


def a_labels(text: str) -> str | None:
    """Return a host name in lower-case A-labels, or None where it is none; an IP address is none."""
    name = text.lower()
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode("ascii").lower()
        except idna.IDNAError:
            return None
    labels = name.split(".")
    if len(name) > _LONGEST or len(labels) < 2 or not all(map(_LABEL.fullmatch, labels)):
        return None
    if labels[-1].isdigit():  # 192.0.2.1; no top-level domain is a number (RFC 3696 section 2)
        return None
    if any(label.startswith("xn--") for label in labels):
        try:
            idna.decode(name)
        except idna.IDNAError:
            return None
    return name


def is_restricted(name: str) -> bool:
    """Return whether a name, or a parent of it, is one that nobody here can own."""
    return any(parent in _RESTRICTED for parent in (name, *parents(name)))


def parents(name: str) -> list[str]:
    """Return the domains above a name that have a dot, nearest first: a.b.test -> b.test."""
    labels = name.split(".")
    return [".".join(labels[start:]) for start in range(1, len(labels) - 1)]


def is_selector(text: str) -> bool:
    """Return whether a text can be a DKIM selector: labels with dots (RFC 6376 section 3.1), short enough for DNS."""
    return len(text) <= 128 and all(map(_LABEL.fullmatch, text.lower().split(".")))
