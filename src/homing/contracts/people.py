"""The staff in PostgreSQL, and the tokens by which its members are known to the API."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from homing.contracts import store
from homing.contracts.types import Role, StaffMember
from homing.ground import db

_sql = db.queries("homing.contracts")
PREFIX = "staff_"  # of a token, so that it is never taken for an API key


async def add(pool: db.Pool, member: StaffMember, *, actor: str) -> StaffMember | None:
    """Keep a new member of the staff (his number is ignored); None where the address is taken."""
    with db.trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            row = await _sql.add_person(
                connection, name=member.name, email=member.email, phone=member.phone, roles=sorted(member.roles)
            )
            if row is None:
                return None
            made = read_member(row)
            await store.note(
                connection,
                actor=actor,
                action="staff added",
                account_id=None,
                subject=f"staff {made.person_id}",
                detail={"name": made.name, "roles": sorted(made.roles)},
            )
    return made


class LastAdmin(Exception):
    """Nobody would be admin any more."""


class StillTam(Exception):
    """He is the TAM of accounts (clause B1): somebody else takes them first. accounts: number and name."""

    def __init__(self, accounts: Sequence[tuple[int, str]]) -> None:
        super().__init__(", ".join(name for _, name in accounts))
        self.accounts = tuple(accounts)


async def change(pool: db.Pool, member: StaffMember, *, actor: str, spares_last_admin: bool = False) -> StaffMember | None:
    """Put a member in the place of what was known of him; who has left loses his tokens. None: there is none.

    spares_last_admin   refuse to take that role from the last who has it, also where two take it from each other at once
    raises              LastAdmin; StillTam where he leaves, or gives the role up, and accounts would be without one
    """
    with db.trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            if spares_last_admin and not member.is_a(Role.ADMIN):
                admins = {found["person_id"] async for found in _sql.admins_held(connection)}
                if admins == {member.person_id}:
                    raise LastAdmin
            before = await _sql.person_locked(connection, person_id=member.person_id)
            if before is None:
                return None
            if not member.is_a(Role.TAM) and (member.left_at is not None or Role.TAM.value in before["roles"]):
                held = _sql.held_by(connection, person_id=member.person_id, at=member.left_at)
                accounts = [(one["account_id"], one["name"]) async for one in held]
                if accounts:
                    raise StillTam(accounts)
                await _unassign_ahead(connection, member, actor)
            row = await _sql.change_person(
                connection,
                person_id=member.person_id,
                name=member.name,
                phone=member.phone,
                roles=sorted(member.roles),
                left_at=member.left_at,
            )
            if member.left_at is not None:
                await _sql.revoke_tokens(connection, person_id=member.person_id)
                async for cover in _sql.end_covers_by(connection, person_id=member.person_id, at=member.left_at):
                    await store.note(
                        connection,
                        actor=actor,
                        action="cover ended",
                        account_id=None,
                        subject=f"staff {cover['person_id']}",
                        detail={"cover": cover["cover_id"]},
                    )
            await store.note(
                connection,
                actor=actor,
                action="staff left" if member.left_at else "staff changed",
                account_id=None,
                subject=f"staff {member.person_id}",
                detail={"roles": sorted(member.roles)},
            )
    return read_member(row)


async def _unassign_ahead(connection: db.Executor, member: StaffMember, actor: str) -> None:
    """Let somebody become TAM of nobody: whoever he was to follow goes on."""
    for gone in [row async for row in _sql.unassign_ahead(connection, person_id=member.person_id, at=member.left_at)]:
        await _sql.stay_tam(connection, account_id=gone["account_id"], begins_at=gone["begins_at"], ends_at=gone["ends_at"])
        await store.note(
            connection,
            actor=actor,
            action="TAM not assigned after all",
            account_id=gone["account_id"],
            subject=f"staff {member.person_id}",
            detail={"begins_at": gone["begins_at"].isoformat()},
        )


async def everybody(executor: db.Executor) -> list[StaffMember]:
    """Return the staff; who has left comes last."""
    with db.trouble_is_temporary():
        return [read_member(row) async for row in _sql.people(executor)]


async def one(executor: db.Executor, person_id: int) -> StaffMember | None:
    """Return a member of the staff, also one who has left."""
    with db.trouble_is_temporary():
        row = await _sql.person(executor, person_id=person_id)
    return None if row is None else read_member(row)


async def by_email(executor: db.Executor, email: str) -> StaffMember | None:
    """Return a member of the staff by his address."""
    with db.trouble_is_temporary():
        row = await _sql.person_by_email(executor, email=email.lower())
    return None if row is None else read_member(row)


async def new_token(pool: db.Pool, person_id: int, *, label: str, actor: str) -> str:
    """Return a new token of somebody. It is kept as a hash, and cannot be shown again."""
    token = PREFIX + secrets.token_hex(20)
    with db.trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            await _sql.add_token(connection, person_id=person_id, token_hash=_hash(token), label=label)
            await store.note(connection, actor=actor, action="token made", account_id=None, subject=f"staff {person_id}")
    return token


async def revoke_tokens(pool: db.Pool, person_id: int, *, actor: str) -> None:
    """Make every token of somebody void at once."""
    with db.trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            await _sql.revoke_tokens(connection, person_id=person_id)
            await store.note(connection, actor=actor, action="tokens revoked", account_id=None, subject=f"staff {person_id}")


async def by_token(executor: db.Executor, token: str) -> StaffMember | None:
    """Return whose token this is; None where it is nobody's, void, or he has left."""
    if not token.startswith(PREFIX):
        return None
    with db.trouble_is_temporary():
        row = await _sql.person_by_token(executor, token_hash=_hash(token))
    return None if row is None else read_member(row)


def left(member: StaffMember, at: datetime) -> StaffMember:
    """Return a member as of the day he leaves: he holds no role."""
    return StaffMember(
        person_id=member.person_id,
        name=member.name,
        email=member.email,
        phone=member.phone,
        roles=frozenset(),
        left_at=at,
    )


def _hash(token: str) -> bytes:
    # 160 random bits need no slow hash.
    return hashlib.sha256(b"homing-staff-token:" + token.encode("utf-8", "surrogateescape")).digest()


def read_member(row: Any) -> StaffMember:
    """Return the member of the staff that a row holds."""
    return StaffMember(
        person_id=row["person_id"],
        name=row["name"],
        email=row["email"],
        phone=row["phone"],
        roles=frozenset(Role(role) for role in row["roles"]),
        left_at=row["left_at"],
    )
