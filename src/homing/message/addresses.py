"""Addresses: read, checked, and brought into the form that SMTP carries.

Sources: RFC 5321 sections 4.1.2 and 4.5.3.1 (grammar, lengths), RFC 5322 section 3.4 (mailboxes), RFC 6531 (UTF-8 local
parts), UTS 46 and IDNA 2008 (domains).
"""

import ipaddress
import re
import unicodedata

import idna
import msgspec

from homing.ground.errors import Permanent

MAX_LOCAL = 64  # octets, RFC 5321 section 4.5.3.1.1
MAX_DOMAIN = 255  # octets, section 4.5.3.1.2
MAX_ADDRESS = 320  # octets: local part, @ and domain

_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_PLAIN = re.compile(rf"({_ATEXT}+(?:\.{_ATEXT}+)*)@({_LABEL}(?:\.{_LABEL})*)", re.ASCII)
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)
_UATEXT = rf"(?:{_ATEXT}|[^\x00-\x7f])"
_DOT_ATOM = re.compile(rf"{_UATEXT}+(?:\.{_UATEXT}+)*")
_QUOTED = re.compile(r'"(?:[ !#-\[\]-~]|[^\x00-\x7f]|\\[ -~])*"')
# A quoted string, a comment without another inside, an angle, plain text, a separator. Anything that opens and never
# closes matches nothing, so the reader stops at once instead of searching again from each next character.
_PIECE = re.compile(r'("(?:[^"\\]|\\.)*")|(\((?:[^()\\]|\\.)*\))|<([^<>]*)>|([^"()<>,;:]+)|(,)', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


class BadAddress(Permanent):
    """A text that is no address; the message is a sentence for whoever wrote it."""


class Address(msgspec.Struct, frozen=True, gc=False):
    """One address.

    local    as given (RFC 5321 section 2.4: nobody but the receiving host may change it)
    domain   A-labels, lower case; an address literal keeps its brackets
    utf8     the local part needs SMTPUTF8 (RFC 6531)
    """

    local: str
    domain: str
    utf8: bool = False

    @property
    def text(self) -> str:
        """Return `local@domain`, as SMTP commands carry it."""
        return f"{self.local}@{self.domain}"


def parse_address(text: str, *, literals: bool = False) -> Address:
    """Read `local@domain`.

    literals  whether `a@[192.0.2.1]` may pass; nobody buys a bounce from such a recipient
    raises    BadAddress with what is wrong
    """
    plain = _PLAIN.fullmatch(text)
    if plain is not None:
        local, domain = plain.groups()
        if len(local) <= MAX_LOCAL and len(domain) <= MAX_DOMAIN - 2 and not domain.rpartition(".")[2].isdigit():
            return Address(local, domain.lower())
    return _parse_carefully(text, literals)


def _parse_carefully(text: str, literals: bool) -> Address:
    if not text:
        raise BadAddress("the address is empty")
    if len(text) > MAX_ADDRESS:
        raise BadAddress(f"the address is longer than {MAX_ADDRESS} characters")
    if any(unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") for sign in text):
        raise BadAddress("the address holds a control character")
    local, at, domain = text.rpartition("@")
    if not at:
        raise BadAddress("the address has no @")
    if not local:
        raise BadAddress("the address has nothing before the @")
    if not domain:
        raise BadAddress("the address has no domain after the @")
    try:
        octets = len(local.encode())
    except UnicodeEncodeError as trouble:
        raise BadAddress("the address is not Unicode text") from trouble
    if octets > MAX_LOCAL:
        raise BadAddress(f"the part before the @ is longer than {MAX_LOCAL} octets")
    if local.startswith('"'):
        if _QUOTED.fullmatch(local) is None:
            raise BadAddress("the quoted part before the @ is not well formed")
    elif _DOT_ATOM.fullmatch(local) is None:
        raise BadAddress(_why_no_dot_atom(local))
    elif not local.isascii() and any(unicodedata.category(sign) == "Zs" for sign in local):
        raise BadAddress("the part before the @ holds a space")
    domain = _literal(domain, literals) if domain.startswith("[") else parse_domain(domain)
    return Address(local, domain, not local.isascii())


def _why_no_dot_atom(local: str) -> str:
    if local.startswith(".") or local.endswith(".") or ".." in local:
        return "the part before the @ has a dot too many"
    if "@" in local:
        return "the address has more than one @"
    if any(sign.isspace() for sign in local):
        return "the part before the @ holds a space"
    return "the part before the @ holds a character that must be quoted"


def _literal(domain: str, allowed: bool) -> str:
    if not allowed:
        raise BadAddress("an IP address cannot be used as the domain")
    inner = domain[1:-1] if domain.endswith("]") else ""
    try:
        if inner[:5].lower() == "ipv6:":
            return f"[IPv6:{ipaddress.IPv6Address(inner[5:])}]"
        return f"[{ipaddress.IPv4Address(inner)}]"
    except ValueError as trouble:
        raise BadAddress("the address literal holds no IP address") from trouble


def parse_domain(text: str) -> str:
    """Return a domain as A-labels in lower case; `Bücher.example` gives `xn--bcher-kva.example`.

    raises   BadAddress with what is wrong
    source   UTS 46 without transitional forms; A-labels that are given stay as they are, since the DNS knows them
    """
    domain = text
    if not domain.isascii():
        if len(domain) > MAX_DOMAIN:
            raise BadAddress("the domain is too long")
        try:
            domain = idna.encode(domain, uts46=True, std3_rules=True, transitional=False).decode("ascii")
        except (idna.IDNAError, UnicodeError, ValueError, IndexError) as trouble:
            raise BadAddress("the domain is no valid internationalised name") from trouble
    if len(domain) > MAX_DOMAIN - 2:
        raise BadAddress("the domain is too long")
    if _DOMAIN.fullmatch(domain) is None:
        raise BadAddress("the domain is not a valid name")
    if domain.rpartition(".")[2].isdigit():
        raise BadAddress("an IP address cannot be used as the domain")
    return domain.lower()


def routing_domain(email: str) -> str:
    """Return the domain that mail for an address is routed by: A-labels, lower case.

    raises   BadAddress
    """
    return parse_address(email).domain


def split_mailbox(text: str) -> tuple[str | None, str]:
    """Split `Name <a@b>`, `"Name" <a@b>` or `a@b` into name and address, and check neither.

    For texts that may hold the template language, where only the rendered address can be checked. A name may hold
    commas and dots without quotes: callers write `Acme, Inc. <news@acme.test>`.
    """
    stripped = text.strip(" \t")
    if not stripped.endswith(">") or "<" not in stripped:
        return None, stripped
    name, _, email = stripped[:-1].rpartition("<")
    name = name.strip(" \t")
    if len(name) >= 2 and name[0] == name[-1] == '"':
        name = _ESCAPED.sub(r"\1", name[1:-1])
    return name or None, email.strip(" \t")


def parse_mailbox(text: str) -> tuple[str | None, str]:
    """Read `Name <a@b>` or `a@b`; the address comes back in the form that SMTP carries.

    raises   BadAddress with what is wrong
    """
    name, email = split_mailbox(text)
    if name is not None:
        check_name(name)
    return name, parse_address(email).text


def check_name(name: str) -> None:
    """Refuse a display name that could end its header.

    raises   BadAddress
    """
    if not name.isprintable() and any(unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") for sign in name):
        raise BadAddress("the name holds a control character")


def split_mailboxes(value: str) -> list[tuple[str, str]]:
    """Split the value of an address header into (name, address) pairs; the name is '' where there is none.

    The addresses are not checked. Comments are dropped. Names lose their quotes, not their encoded-words.
    raises   BadAddress for groups, and for quotes, comments or angles that do not close
    """
    found: list[tuple[str, str]] = []
    words: list[str] = []
    angle: str | None = None
    place, end = 0, len(value)
    while place < end:
        piece = _PIECE.match(value, place)
        if piece is None:
            raise BadAddress("the list of addresses is not well formed")
        place = piece.end()
        quoted, comment, inner, plain, _comma = piece.groups()
        if quoted is not None:
            # A quoted local part stays as it is; whether this is one shows what comes next.
            words.append(quoted if value.startswith("@", place) else _ESCAPED.sub(r"\1", quoted[1:-1]))
        elif inner is not None:
            if angle is not None:
                raise BadAddress("a comma is missing in the list of addresses")
            angle = inner.strip()
        elif plain is not None:
            words.append(plain)
        elif comment is None:
            _close(found, words, angle)
            words, angle = [], None
    _close(found, words, angle)
    return found


def _close(found: list[tuple[str, str]], words: list[str], angle: str | None) -> None:
    text = "".join(words).strip()
    if angle is not None:
        found.append((text, angle))
    elif text:
        found.append(("", text))
