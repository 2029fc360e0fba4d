"""The suppression list and the strikes that lead to it, in PostgreSQL. Searching it is in search.py."""

from collections.abc import Sequence
from datetime import date, datetime

from homing.ground.db import Executor, Pool, Record, queries, trouble_is_temporary
from homing.message.addresses import BadAddress, parse_address
from homing.message.list_ids import list_of
from homing.recipients.rules.repeats import LONGEST_WINDOW, window_start
from homing.recipients.types import Source, Strike, Suppression, SuppressionRow, SuppressionType

_sql = queries("homing.recipients")


async def suppressed(
    executor: Executor,
    account_id: int,
    subaccount_id: int,
    recipients: Sequence[str],
    transactional: bool,
    list_id: str = "",
) -> dict[str, str]:
    """Return who of these is suppressed for such a message, and by what, in one question.

    recipients   addresses in any case, up to 50,000
    list_id      the message's List-Id: the rows of that list count besides the account's own; '' for none
    returns      lower-case address -> source, for example 'Bounce Rule'; a subaccount's mail is never checked
                 against the primary account's list (SparkPost reference, section 1.4)
    raises       StoreUnavailable
    """
    if not recipients:
        return {}
    named = list_of(list_id)
    spelled: dict[str, str] = {}  # as stored -> as asked
    for recipient in recipients:
        lowered = recipient.lower()
        spelled[lowered if lowered.isascii() else canonical(lowered)] = lowered
    found: dict[str, str] = {}
    with trouble_is_temporary():
        async for row in _sql.suppressed_among(
            executor,
            account_id=account_id,
            subaccount_id=subaccount_id,
            recipients=sorted(spelled),
            type=SuppressionType.of(transactional).value,
            list_ids=["", named, named.lower()] if named else [""],  # RFC 2919 section 6: the case of a list's id says nothing
        ):
            found.setdefault(spelled[row["recipient"]], row["source"])  # the account's own row comes first
    return found


async def suppress(connection: Executor, rows: Sequence[SuppressionRow]) -> None:
    """Put addresses on the list, or renew what stands there, in one statement of the caller's transaction.

    Of rows with one key the last wins. Rows of compliance are never changed. The keys are locked in sorted order.
    """
    if not rows:
        return
    by_key = {(row.account_id, row.subaccount_id, canonical(row.recipient), row.type, row.list_id): row for row in rows}
    keys = sorted(by_key)
    ordered = [by_key[key] for key in keys]
    await _sql.upsert_suppressions(
        connection,
        account_ids=[key[0] for key in keys],
        subaccount_ids=[key[1] for key in keys],
        recipients=[key[2] for key in keys],
        types=[key[3] for key in keys],
        list_ids=[key[4] for key in keys],
        sources=[row.source for row in ordered],
        descriptions=[_storable(row.description) for row in ordered],
        provenances=[row.provenance for row in ordered],
    )


async def strike(connection: Executor, account_id: int, subaccount_id: int, recipient: str, subclass: str, day: date) -> int:
    """Write one refusal down and return on how many different days it came within its window, this day included."""
    only = Strike(account_id=account_id, subaccount_id=subaccount_id, recipient=recipient, subclass=subclass, day=day)
    return (await strike_all(connection, [only]))[0]


async def strike_all(connection: Executor, strikes: Sequence[Strike]) -> list[int]:
    """Write refusals down in one statement of the caller's transaction; return the days of each, in their order."""
    if not strikes:
        return []
    rows = _sql.add_strikes(
        connection,
        account_ids=[strike.account_id for strike in strikes],
        subaccount_ids=[strike.subaccount_id for strike in strikes],
        recipients=[canonical(strike.recipient) for strike in strikes],
        subclasses=[strike.subclass for strike in strikes],
        days=[strike.day for strike in strikes],
        starts=[window_start(strike.subclass, strike.day) for strike in strikes],
    )
    return [row["days"] async for row in rows]


async def forget_old_strikes(executor: Executor, *, today: date) -> None:
    """Remove refusals that no window reaches any more; once a day is enough."""
    with trouble_is_temporary():
        await _sql.forget_strikes(executor, before=today - LONGEST_WINDOW)


async def forget_person(
    connection: Executor,
    account_id: int,
    subaccount_id: int | None,
    recipients: Sequence[str],
    *,
    markers: Sequence[str],
    provenance: str,
    now: datetime,
) -> None:
    """Forget what is known of persons who asked for it, in the caller's transaction.

    Rows that keep them from being written to, because they or an operator said so, stay without description; those that only
    say that their address does not work go.
    subaccount_id   None: of all lists of the account
    markers         of these persons; they stay (recall.py)
    provenance      of the rows that stay: what they named before leads to the messages of these persons
    """
    await _sql.forget_person(
        connection,
        account_id=account_id,
        subaccount_id=subaccount_id,
        recipients=sorted({canonical(recipient) for recipient in recipients}),
        bounce_rule=Source.BOUNCE_RULE.value,
        provenance=provenance,
    )
    await _sql.note_forgotten(
        connection, account_id=account_id, subaccount_id=subaccount_id, markers=sorted(set(markers)), now=now
    )


async def forgotten_at(executor: Executor, people: Sequence[tuple[int, int, str]]) -> list[datetime | None]:
    """Return when each person was forgotten last, or None. people: account, subaccount, marker. raises StoreUnavailable"""
    with trouble_is_temporary():
        rows = _sql.forgotten_at(
            executor,
            account_ids=[one[0] for one in people],
            subaccount_ids=[one[1] for one in people],
            markers=[one[2] for one in people],
        )
        found: dict[int, datetime] = {row["place"]: row["forgotten_at"] async for row in rows}
    return [found.get(place) for place in range(1, len(people) + 1)]


async def rows_of(
    executor: Executor,
    account_id: int,
    recipient: str,
    *,
    subaccount_id: int | None = None,
    types: Sequence[str] | None = None,
) -> list[Suppression]:
    """Return every row of one recipient; of all lists of the account where no subaccount is named."""
    with trouble_is_temporary():
        rows = _sql.rows_of_recipient(
            executor,
            account_id=account_id,
            subaccount_id=subaccount_id,
            recipient=canonical(recipient),
            types=list(types) if types else None,
        )
        return [suppression(row) async for row in rows]


async def bad_among(
    executor: Executor, account_id: int, recipients: Sequence[str], *, subaccount_id: int | None
) -> dict[str, str]:
    """Return who of these (lower case) bounced or complained before, by the list, and which."""
    with trouble_is_temporary():
        rows = _sql.bad_among(executor, account_id=account_id, recipients=list(recipients), subaccount_id=subaccount_id)
        return {row["recipient"]: row["source"] async for row in rows}


async def remove(
    pool: Pool,
    account_id: int,
    subaccount_id: int,
    recipient: str,
    *,
    type: str | None = None,
    list_id: str | None = None,
) -> bool | None:
    """Take a recipient off one list; rows of compliance stay.

    type      only this type; None: both
    list_id   only this list; '': only the account's own rows; None: everything
    returns   True if something was removed, False if only compliance holds it, None if nothing is there
    """
    which = {
        "account_id": account_id,
        "subaccount_id": subaccount_id,
        "recipient": canonical(recipient),
        "type": type,
        "list_id": list_id,
    }
    with trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            if await _sql.has_compliance_row(connection, **which):
                return False
            removed = [row async for row in _sql.delete_rows(connection, **which)]
    return True if removed else None


async def take_off(connection: Executor, account_id: int, subaccount_id: int, removals: Sequence[tuple[str, str, str]]) -> None:
    """Take (recipient, type, list) off one list in one statement of the caller's transaction; rows of compliance stay."""
    if not removals:
        return
    await _sql.delete_many(
        connection,
        account_id=account_id,
        subaccount_id=subaccount_id,
        recipients=[canonical(recipient) for recipient, _, _ in removals],
        types=[kind for _, kind, _ in removals],
        list_ids=[list_id for _, _, list_id in removals],
    )


async def summary(executor: Executor, account_id: int, *, subaccount_id: int | None = None) -> dict[str, int]:
    """Return how many rows there are by source; sources without rows are 0."""
    counts = {source.value: 0 for source in Source}
    with trouble_is_temporary():
        async for row in _sql.count_by_source(executor, account_id=account_id, subaccount_id=subaccount_id):
            counts[row["source"]] = row["rows"]
    return counts


def canonical(recipient: str) -> str:
    """Return an address as the list spells it: lower case, the domain in A-labels. What is no address stays as it is."""
    lowered = recipient.lower()
    if lowered.isascii():
        return lowered
    try:
        return parse_address(lowered).text.lower()
    except BadAddress:
        return lowered


def suppression(row: Record) -> Suppression:
    """Return a row as its type."""
    return Suppression(**dict(row))


def _storable(text: str) -> str:
    """Return text that PostgreSQL takes: remote hosts write what they like, and a NUL would refuse the whole batch."""
    return text.replace("\0", "")
