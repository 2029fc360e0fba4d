"""Encoded-words (RFC 2047): text of any script inside header fields, and back."""

import binascii
import re

MAX_WORD = 75  # characters of one encoded-word, RFC 2047 section 2

_ENCODED = re.compile(r"=\?([!-)+->@-~]+)(?:\*[A-Za-z0-9-]*)?\?([bBqQ])\?([!->@-~]*)\?=", re.ASCII)
_BETWEEN = re.compile(r"(\?=)\s+(?==\?[!->@-~]+\?[bBqQ]\?[!->@-~]*\?=)", re.ASCII)
# What may stand unencoded in a phrase (RFC 2047 section 5, rule 3); used everywhere, it is safe everywhere.
_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_Q = tuple(chr(octet) if octet in _SAFE else "_" if octet == 0x20 else f"={octet:02X}" for octet in range(256))
_OVERHEAD = len("=?utf-8?q?") + len("?=")


def encode_words(text: str, *, room: int = MAX_WORD, base64: bool = False) -> list[str]:
    """Return a text as encoded-words of at most 75 characters, in UTF-8; no character is split between two words.

    room     characters that the first word may take (its line has begun already); too little room is not used
    base64   not the readable form, even where it would be shorter
    """
    octets = text.encode("utf-8", "replace")
    signs = [_Q[octet] for octet in octets]
    # The readable form, unless it is much longer.
    in_q = not base64 and sum(map(len, signs)) <= (len(octets) + 2) // 3 * 6
    words = []
    start, end = 0, len(octets)
    space = min(room, MAX_WORD) if room >= _OVERHEAD + 12 else MAX_WORD
    while start < end:
        budget = space - _OVERHEAD
        if in_q:
            stop, used = start, 0
            while stop < end and used + len(signs[stop]) <= budget:
                used += len(signs[stop])
                stop += 1
        else:
            stop = min(end, start + budget // 4 * 3)
        while stop < end and octets[stop] & 0xC0 == 0x80:
            stop -= 1
        if in_q:
            words.append(f"=?utf-8?q?{''.join(signs[start:stop])}?=")
        else:
            words.append(f"=?utf-8?b?{binascii.b2a_base64(octets[start:stop], newline=False).decode('ascii')}?=")
        start, space = stop, MAX_WORD
    return words


def decode_words(text: str) -> str:
    """Return a header's text with its encoded-words decoded; what cannot be decoded stays as it is.

    Neighbouring words of one charset are joined before they are decoded: many senders split characters.
    """
    if "=?" not in text:
        return text
    text = _BETWEEN.sub(r"\1", text)
    pieces: list[str] = []
    pending, charset, place = b"", "", 0
    for word in _ENCODED.finditer(text):
        octets = _octets(word[2], word[3])
        if word.start() != place or word[1].lower() != charset or octets is None:
            pieces.append(_text(pending, charset))
            pending = b""
        pieces.append(text[place : word.start()])
        place, charset = word.end(), word[1].lower()
        if octets is None:
            pieces.append(word[0])
        else:
            pending += octets
    pieces.append(_text(pending, charset))
    pieces.append(text[place:])
    return "".join(pieces)


def _octets(encoding: str, payload: str) -> bytes | None:
    if encoding in "qQ":
        return binascii.a2b_qp(payload, header=True)
    try:
        return binascii.a2b_base64(payload + "=" * (-len(payload) % 4))
    except binascii.Error:
        return None


def _text(octets: bytes, charset: str) -> str:
    if not octets:
        return ""
    try:
        return octets.decode(charset, "replace")
    except (LookupError, ValueError, TypeError):
        # An unknown charset, or the name of a codec that makes no text.
        return octets.decode("utf-8", "replace")
