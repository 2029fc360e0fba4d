"""What a customer can verify without us: one day of an account with its proof (docs/verify_day.py), and our own audit."""

from datetime import date
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from homing.accounts.types import Account
from homing.availability import store
from homing.availability.rules import leaf, merkle
from homing.availability.seal import signed_bytes
from homing.availability.statement import link_of, proof_of
from homing.availability.store import figures_of
from homing.ground import db


class NotSealed(Exception):
    """A day that is not sealed yet; the text says when it will be."""


class Flaw(NamedTuple):
    """Something that does not agree with what was sealed."""

    day: date
    what: str


async def exported(executor: db.Executor, account: Account, day: date) -> dict[str, Any]:
    """Return an account's day as it was sealed: each leaf as text, and how it leads to a signed root.

    raises   NotSealed; StoreUnavailable
    """
    versions = await store.versions(executor, account.account_id, day)
    if not versions:
        raise NotSealed(f"{day.isoformat()} is not sealed; a day is sealed about an hour after its end (UTC)")
    leaves: list[dict[str, Any]] = []
    for one in versions:
        found: dict[str, Any] = {"version": one.version, "entry": one.entry.decode(), "leaf": one.leaf_hash.hex()}
        if one.root_day is not None and one.place is not None:
            (root,) = await store.roots(executor, one.root_day, one.root_day)
            found["place"] = one.place
            found["proof"] = [sibling.hex() for sibling in await proof_of(executor, one.root_day, one.place)]
            shown = link_of(root)
            found |= {
                "root_day": shown.day,
                "leaves": shown.leaves,
                "root": shown.root,
                "previous": shown.previous,
                "link": shown.link,
                "signature": shown.signature,
                "public_key": shown.public_key,
            }
        leaves.append(found)
    return {"day": day.isoformat(), "leaves": leaves}


async def audit(executor: db.Executor, since: date, until: date) -> tuple[int, list[Flaw]]:
    """Compute everything that was sealed anew: leaves, figures, trees, chain, signatures. Returns how many days, and flaws.

    raises   StoreUnavailable
    """
    flaws: list[Flaw] = []
    roots = await store.roots(executor, since, until)
    previous: bytes | None = None
    for root in roots:
        hashes: list[bytes] = []
        async for planted in store.tree_in_full(executor, root.day):
            if merkle.leaf_hash(planted.entry) != planted.leaf_hash:
                flaws.append(Flaw(root.day, f"leaf {planted.place} does not have its hash"))
            _, seen = leaf.read(planted.entry)
            if figures_of(seen, classifier=planted.figures.classifier) != planted.figures:
                flaws.append(Flaw(root.day, f"the figures beside leaf {planted.place} do not follow from it"))
            hashes.append(planted.leaf_hash)
        if merkle.root(hashes) != root.root or len(hashes) != root.leaves:
            flaws.append(Flaw(root.day, "the leaves do not come to the root"))
        if previous is not None and root.previous != previous:
            flaws.append(Flaw(root.day, "it does not follow the day before"))
        if merkle.chained(root.previous, root.day.isoformat(), root.root) != root.link:
            flaws.append(Flaw(root.day, "the link does not come from day and root"))
        try:
            Ed25519PublicKey.from_public_bytes(root.public_key).verify(root.signature, signed_bytes(root.link))
        except (InvalidSignature, ValueError):
            flaws.append(Flaw(root.day, "the signature is not that of the link"))
        previous = root.link
    return len(roots), flaws
