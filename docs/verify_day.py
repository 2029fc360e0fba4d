"""Verify sealed days of availability: python verify_day.py PUBLIC_KEY DAY.json [DAY.json ...]; needs `cryptography`."""

import base64
import hashlib
import json
import sys
from datetime import date

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def seconds(text):  # a set: run lengths as varints, gap, length, gap, length ...
    numbers, number, shift = [], 0, 0
    for byte in base64.b64decode(text):
        number, shift = number | (byte & 127) << shift, shift + 7
        if byte < 128:
            numbers, number, shift = [*numbers, number], 0, 0
    found, at = set(), 0
    for gap, length in zip(numbers[::2], numbers[1::2], strict=True):
        found.update(range(at + gap, at := at + gap + length))
    return found


def root_of(node, place, size, proof):  # RFC 6962: what a leaf and its proof lead to
    if size == 1:
        return node
    split = 1 << (size - 1).bit_length() - 1
    if place < split:
        return sha(b"\1", root_of(node, place, split, proof[:-1]), proof[-1])
    return sha(b"\1", proof[-1], root_of(node, place - split, size - split, proof[:-1]))


trusted, links = Ed25519PublicKey.from_public_bytes(bytes.fromhex(sys.argv[1])), {}
for leaf in [leaf for name in sys.argv[2:] for leaf in json.load(open(name))["leaves"]]:
    if "proof" not in leaf:
        print("version", leaf["version"], "waits for the next day to be sealed")
        continue
    said = json.loads(leaf["entry"])
    proof = [bytes.fromhex(one) for one in leaf["proof"]]
    root = root_of(sha(b"\0", leaf["entry"].encode()), leaf["place"], leaf["leaves"], proof)
    link = sha(b"\2", bytes.fromhex(leaf["previous"]), leaf["root_day"].encode(), root)
    trusted.verify(bytes.fromhex(leaf["signature"]), b"homing ledger root\n" + link)  # raises if a byte was changed
    links[date.fromisoformat(leaf["root_day"]).toordinal()] = leaf["previous"], link.hex()
    failed = [seconds(said[door]["attempted"]) - seconds(said[door]["answered"]) for door in ("api", "smtp")]
    print(said["day"], "version", leaf["version"], "is genuine:", len(set.union(*failed)), "Unavailable seconds")
for day, (previous, _) in links.items():  # days that follow one another are chained
    if links.get(day - 1, ("", previous))[1] != previous:
        sys.exit(f"{date.fromordinal(day)} does not follow the day before")
