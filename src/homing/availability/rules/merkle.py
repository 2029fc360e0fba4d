"""The tree over a day's leaves and the chain of days (RFC 6962, section 2.1): what was sealed cannot be changed unseen."""

import hashlib
from collections.abc import Sequence

GENESIS = bytes(32)
_LEAF, _NODE, _DAY = b"\x00", b"\x01", b"\x02"


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of a leaf."""
    return hashlib.sha256(_LEAF + entry).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """Return the root over hashes of leaves; over none it is the hash of nothing."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = _split(len(leaves))
    return _node(root(leaves[:split]), root(leaves[split:]))


def proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the hashes that lead from one leaf to the root, the nearest first."""
    if len(leaves) <= 1:
        return []
    split = _split(len(leaves))
    if index < split:
        return [*proof(leaves[:split], index), root(leaves[split:])]
    return [*proof(leaves[split:], index - split), root(leaves[:split])]


def proofs(leaves: Sequence[bytes]) -> list[list[bytes]]:
    """Return the proofs of all leaves, in order, in one walk over the tree."""
    found: list[list[bytes]] = [[] for _ in leaves]

    def walk(start: int, end: int) -> bytes:
        if end - start == 1:
            return leaves[start]
        split = start + _split(end - start)
        left, right = walk(start, split), walk(split, end)
        for number in range(start, split):
            found[number].append(right)
        for number in range(split, end):
            found[number].append(left)
        return _node(left, right)

    if leaves:
        walk(0, len(leaves))
    return found


def root_of(leaf: bytes, *, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """Return the root that a leaf's hash and its proof come to.

    raises   ValueError where a proof for this place has another length
    """
    if not 0 <= index < size:
        raise ValueError("there is no such leaf")
    found, last = leaf, size - 1
    for sibling in proof:
        if last == 0:
            raise ValueError("the proof is too long")
        if index % 2 or index == last:
            found = _node(sibling, found)
            while index % 2 == 0 and index:
                index, last = index // 2, last // 2
        else:
            found = _node(found, sibling)
        index, last = index // 2, last // 2
    if last:
        raise ValueError("the proof is too short")
    return found


def chained(previous: bytes, day: str, root: bytes) -> bytes:
    """Return the link of a day to the one before; day as YYYY-MM-DD, the first one follows GENESIS."""
    return hashlib.sha256(_DAY + previous + day.encode() + root).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(_NODE + left + right).digest()


def _split(size: int) -> int:
    """Return the largest power of two below a size of 2 or more."""
    return 1 << ((size - 1).bit_length() - 1)
