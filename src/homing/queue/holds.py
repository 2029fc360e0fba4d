"""Rows that stop a site, domain, campaign or customer; and whoever is suspended, whose mail waits as if such a row stood."""

from datetime import datetime

import msgspec

from homing.ground import db

_sql = db.queries("homing.queue")
SUSPENDED = "suspended"  # the scope of what is no row of ours, but how an account or subaccount stands


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """One hold.

    scope        site, domain, campaign, customer or SUSPENDED
    key          site key, domain, campaign id, account number, or number of the subaccount (0: the whole account)
    until        None: until somebody resumes
    placed_by    'delivery', 'suspension', or an operator's word
    source_ip    a site may refuse one address of ours only; '' : all
    """

    scope: str
    key: str
    account_id: int | None = None
    until: datetime | None = None
    reason: str
    last_reply: str = ""
    source_ip: str = ""
    placed_by: str
    placed_at: datetime | None = None

    @property
    def name(self) -> str:
        """Return the name that lanes are set aside under."""
        return name_of(self.scope, self.key, self.account_id, self.source_ip)


def name_of(scope: str, key: str, account_id: int | None, source_ip: str) -> str:
    """Return the one name of a hold."""
    return f"hold:{scope}:{account_id or 0}:{source_ip}:{key}"


def of_suspension(account_id: int, subaccount_id: int) -> str:
    """Return the name of what holds the mail of a suspended subaccount; 0: of the whole account."""
    return name_of(SUSPENDED, str(subaccount_id), account_id, "")


async def standing(executor: db.Executor) -> list[Hold]:
    """Return every row, ended ones included until they are dropped, and one for each who is suspended."""
    return [
        Hold(
            scope=row["scope"],
            key=row["key"],
            account_id=row["account_id"],
            until=row["until"],
            reason=row["reason"],
            last_reply=row["last_reply"] or (f"451 4.7.1 [internal] {row['reason']}" if row["scope"] == SUSPENDED else ""),
            source_ip=row["source_ip"],
            placed_by=row["placed_by"],
            placed_at=row["placed_at"],
        )
        async for row in _sql.all_holds(executor)
    ]


async def place(executor: db.Executor, hold: Hold) -> None:
    """Write a hold; one that a person placed is not shortened by delivery."""
    await _sql.place_hold(
        executor,
        scope=hold.scope,
        key=hold.key,
        account_id=hold.account_id,
        until=hold.until,
        reason=hold.reason,
        last_reply=hold.last_reply[:500] or None,
        source_ip=hold.source_ip,
        placed_by=hold.placed_by,
    )


async def lift(executor: db.Executor, *, scope: str, key: str, account_id: int | None, source_ip: str) -> bool:
    """Remove a hold; returns whether it stood."""
    gone = await _sql.lift_hold(executor, scope=scope, key=key, account_id=account_id or 0, source_ip=source_ip)
    return gone is not None


async def drop_ended(executor: db.Executor, *, before: datetime) -> None:
    """Forget holds of our own that ended before this moment."""
    await _sql.drop_ended_holds(executor, before=before)
