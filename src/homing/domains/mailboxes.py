"""Asking a mailbox of a domain for its word: the token that is mailed, and the token that comes back."""

import hashlib
import secrets
from datetime import datetime

import msgspec

from homing.domains.rules.mailboxes import DAY, KEPT, Proof, Sent, Way, proves, why_not
from homing.domains.types import SendingDomain
from homing.ground.db import Executor, Pool, queries, trouble_is_temporary

_sql = queries("homing.domains", "mailboxes.sql")


class Asking(msgspec.Struct, frozen=True):
    """A mail that is to be sent now."""

    proof_id: int
    way: Way
    mailbox: str
    token: str

    def __repr__(self) -> str:
        return f"Asking({self.proof_id}, {self.way})"  # never the token


async def begin(pool: Pool, domain: SendingDomain, way: Way, mailbox: str, *, now: datetime) -> Asking | str:
    """Note that a mailbox (local part) is asked, with a fresh token that makes the ones before void.

    returns   or why it cannot be asked now, as a sentence for the customer
    """
    token = secrets.token_hex(16)
    with trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            await _sql.lock_proofs(connection)
            row = await _sql.sent_lately(
                connection, domain=domain.domain, account_id=domain.account_id, way=way.value, since=now - DAY
            )
            refused = why_not(Sent(**dict(row)), now=now)
            if refused is not None:
                return refused
            proof_id = await _sql.insert_proof(
                connection,
                domain=domain.domain,
                account_id=domain.account_id,
                way=way.value,
                mailbox=mailbox,
                token_hash=_hash(token),
                sent_at=now,
            )
    return Asking(proof_id, way, mailbox, token)


async def withdraw(executor: Executor, asking: Asking) -> None:
    """Forget a mail that could not be sent: it counts for nothing, and what was mailed before is good again."""
    with trouble_is_temporary():
        await _sql.delete_proof(executor, proof_id=asking.proof_id)


async def shown(executor: Executor, domain: SendingDomain, way: Way, token: str, *, now: datetime) -> str | None:
    """Return the mailbox (local part) whose word a token is; None: it is nobody's, too old, or void."""
    with trouble_is_temporary():
        row = await _sql.latest_proof(executor, domain=domain.domain, account_id=domain.account_id, way=way.value)
    proof = None if row is None else Proof(**dict(row))
    return proof.mailbox if proof is not None and proves(proof, _hash(token), now=now) else None


async def forget_old(executor: Executor, *, now: datetime) -> None:
    """Forget mails whose token has long been worth nothing."""
    with trouble_is_temporary():
        await _sql.forget_proofs(executor, before=now - KEPT)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.strip().encode("utf-8", "replace")).digest()
