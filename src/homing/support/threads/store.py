"""Ways to a TAM, threads, their letters and what waits in quarantine, in PostgreSQL."""

from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from homing.accounts import store as accounts
from homing.contracts import store as contracts
from homing.contracts.types import Contact
from homing.ground import db
from homing.support.cases.types import Attachment, Channel, Incoming, Side, Verified
from homing.support.clocks.types import Promise
from homing.support.threads.types import Letter, Message, Quarantined, Sort, Void, Way, WayKind

_sql = db.queries("homing.support.threads", "queries.sql")
_encode = msgspec.json.Encoder().encode
QUARANTINED = timedelta(days=30)
MOST_MAILS = 1_000
MOST_OCTETS = 268_435_456


# ways -------------------------------------------------------------------------------------------------------------------


async def add_way(
    pool: db.Pool,
    kind: WayKind,
    address: str,
    *,
    carrier: str = "",
    person_id: int | None = None,
    account_id: int | None = None,
    actor: str,
) -> bool:
    """Let a number or address lead to a TAM, or to whoever is an account's; False: it leads somewhere already."""
    with db.trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            made = await _sql.add_way(
                connection,
                kind=kind.value,
                address=address,
                carrier=carrier,
                person_id=person_id,
                account_id=account_id,
                recorded_by=actor,
            )
            if made is None:
                return False
            subject = f"staff {person_id}" if person_id is not None else f"account {account_id}"
            await contracts.note(
                connection,
                actor=actor,
                action=f"TAM {kind.value} added",
                account_id=account_id,
                subject=subject,
                detail={"address": address},
            )
    return True


async def remove_way(pool: db.Pool, address: str, *, actor: str) -> bool:
    """Let a number or address lead nowhere; False: it does already."""
    with db.trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            row = await _sql.remove_way(connection, address=address)
            if row is None:
                return False
            await contracts.note(
                connection,
                actor=actor,
                action=f"TAM {row['kind']} removed",
                account_id=row["account_id"],
                subject=f"way {row['way_id']}",
                detail={"address": address},
            )
    return True


async def ways(executor: db.Executor) -> list[Way]:
    """Return every number and address."""
    with db.trouble_is_temporary():
        return [_way(row) async for row in _sql.ways(executor)]


async def way(executor: db.Executor, address: str) -> Way | None:
    """Return where a number or address leads."""
    with db.trouble_is_temporary():
        row = await _sql.way(executor, address=address)
    return None if row is None else _way(row)


async def ways_of(executor: db.Executor, account_id: int, people: Sequence[int]) -> list[Way]:
    """Return the numbers and addresses that lead to the TAM of an account, the best first. people: the TAM, and who acts."""
    with db.trouble_is_temporary():
        return [_way(row) async for row in _sql.ways_of(executor, account_id=account_id, people=list(people))]


async def served(executor: db.Executor, one: Way | None, at: datetime) -> list[int]:
    """Return the accounts that a way is for."""
    if one is None:
        return []
    if one.account_id is not None:
        return [one.account_id]
    return [] if one.person_id is None else await contracts.accounts_of_tam(executor, one.person_id, at)


async def names_of(executor: db.Executor, found: Sequence[Contact], served: Collection[int]) -> dict[int, str]:
    """Return the names of those accounts of a way that somebody is a contact of, where they are several; else nothing."""
    mine = sorted({one.account_id for one in found} & set(served))
    known = [await accounts.account_by_id(executor, one) for one in mine] if len(mine) > 1 else []
    return {one.account_id: one.name for one in known if one is not None}


# messages ---------------------------------------------------------------------------------------------------------------


async def take_thread(executor: db.Executor, account_id: int) -> int:
    """Take a thread until the transaction ends; returns the number of its next message."""
    number: int = await _sql.take_thread(executor, account_id=account_id)
    return number


async def hold_thread(executor: db.Executor, account_id: int) -> bool:
    """Take a thread until the transaction ends, and add nothing; False: there is none."""
    return await _sql.hold_thread(executor, account_id=account_id) is not None


async def add_message(
    executor: db.Executor,
    account_id: int,
    number: int,
    incoming: Incoming,
    *,
    sort: Sort,
    contact_id: int | None,
    received_at: datetime,
    sent_at: datetime | None = None,
    call_ref: int | None = None,
    promise: Promise | None = None,
) -> Message:
    """Keep a message of a thread that is taken."""
    message_id: int = await _sql.add_message(
        executor,
        account_id=account_id,
        number=number,
        sort=sort.value,
        side=incoming.side.value,
        actor=incoming.actor,
        author=incoming.author,
        contact_id=contact_id,
        channel=incoming.channel.value,
        verified=incoming.verified.value,
        automatic=incoming.automatic,
        sender=incoming.sender,
        subject=incoming.subject,
        body=incoming.body,
        remark=incoming.remark,
        mail_id=incoming.message_id,
        in_reply_to=incoming.in_reply_to,
        received_at=received_at,
        sent_at=sent_at,
        dedupe=incoming.dedupe,
        call_ref=call_ref,
        promise=_promise_text(promise),
    )
    for one in incoming.attachments:
        await _sql.add_file(
            executor,
            message_id=message_id,
            number=one.number,
            name=one.name,
            kind=one.kind,
            size_bytes=one.size_bytes,
            sha256=one.sha256,
            data=one.data,
        )
    return _message(await _sql.message_by_id(executor, message_id=message_id), incoming.attachments)


async def messages_of(executor: db.Executor, account_id: int, *, before: int | None = None, limit: int) -> list[Message]:
    """Return messages of a thread, the latest first; files without their content."""
    with db.trouble_is_temporary():
        rows = [row async for row in _sql.messages_of(executor, account_id=account_id, before=before, limit=limit)]
        files: dict[int, list[Attachment]] = {}
        async for one in _sql.files_of(executor, message_ids=[row["message_id"] for row in rows]):
            files.setdefault(one["message_id"], []).append(_file(one))
    return [_message(row, files.get(row["message_id"], ())) for row in rows]


async def message(executor: db.Executor, account_id: int, number: int) -> Message | None:
    """Return one message, files with their content."""
    with db.trouble_is_temporary():
        row = await _sql.message(executor, account_id=account_id, number=number)
        return None if row is None else await _whole(executor, row)


async def message_by_id(executor: db.Executor, message_id: int) -> Message | None:
    """Return one message by its own id, files with their content."""
    with db.trouble_is_temporary():
        row = await _sql.message_by_id(executor, message_id=message_id)
        return None if row is None else await _whole(executor, row)


async def attached_bytes(executor: db.Executor, account_id: int) -> int:
    """Return how much the files of a thread are together."""
    size: int = await _sql.attached_bytes(executor, account_id=account_id)
    return size


async def last_writer(executor: db.Executor, account_id: int) -> int | None:
    """Return the contact whose message came last."""
    found: int | None = await _sql.last_writer(executor, account_id=account_id)
    return found


async def owed_before(executor: db.Executor, account_id: int, number: int) -> list[Message]:
    """Return what an answer answers; it is the caller's until his transaction ends."""
    return [_message(row) async for row in _sql.owed_before(executor, account_id=account_id, number=number)]


async def answered(executor: db.Executor, message_id: int, *, at: datetime, answered_by: int) -> None:
    """Note that a person has answered."""
    await _sql.answered(executor, message_id=message_id, at=at, answered_by=answered_by)


async def put_voids(executor: db.Executor, message_id: int, voids: Sequence[Void]) -> None:
    """Note who says that no answer was ever owed."""
    await _sql.put_voids(executor, message_id=message_id, voids=_encode(voids).decode())


async def counted(executor: db.Executor, message_id: int, promise: Promise) -> None:
    """Note that a machine's message is somebody's word after all."""
    await _sql.counted(executor, message_id=message_id, promise=_promise_text(promise))


async def message_sent(executor: db.Executor, message_id: int, at: datetime) -> bool:
    """Note that what we wrote was accepted for delivery; False: that is known."""
    return await _sql.message_sent(executor, message_id=message_id, at=at) is not None


async def promised_after(executor: db.Executor, after: int, limit: int) -> list[int]:
    """Return the next messages that were promised an answer."""
    return [row["message_id"] async for row in _sql.promised_after(executor, after=after, limit=limit)]


async def lock_mail(executor: db.Executor, dedupe: bytes) -> bool:
    """Let the copies of one mail in one after the other; returns whether one was taken before."""
    await _sql.lock_mail(executor, dedupe=dedupe)
    return bool(await _sql.seen_before(executor, dedupe=dedupe))


async def mails_from(executor: db.Executor, sender: str, since: datetime) -> int:
    """Return how many mails of a sender were taken since a moment."""
    count: int = await _sql.mails_from(executor, sender=sender, since=since)
    return count


async def written_since(executor: db.Executor, account_id: int, since: datetime) -> int:
    """Return how often the customer wrote over the API since a moment."""
    count: int = await _sql.written_since(executor, account_id=account_id, since=since)
    return count


async def account_of_mail_ids(executor: db.Executor, ids: Sequence[str]) -> int | None:
    """Return the account that one of these mails is about."""
    found: int | None = await _sql.account_of_mail_ids(executor, ids=list(ids)) if ids else None
    return found


# letters ----------------------------------------------------------------------------------------------------------------


async def owe(executor: db.Executor, message_id: int, *, side: Side, person_id: int, email: str, now: datetime) -> None:
    """Owe somebody a mail."""
    await _sql.add_letter(executor, message_id=message_id, side=side.value, person_id=person_id, email=email, now=now)


async def claim_letters(executor: db.Executor, *, now: datetime, until: datetime, limit: int) -> list[Letter]:
    """Return letters that are due; they are the caller's until then."""
    with db.trouble_is_temporary():
        return [_letter(row) async for row in _sql.claim_letters(executor, now=now, until=until, limit=limit)]


async def letter(executor: db.Executor, letter_id: int) -> Letter | None:
    """Return one letter."""
    with db.trouble_is_temporary():
        row = await _sql.letter(executor, letter_id=letter_id)
    return None if row is None else _letter(row)


async def letters_of(executor: db.Executor, message_ids: Sequence[int]) -> list[Letter]:
    """Return the letters of some messages, in order."""
    with db.trouble_is_temporary():
        return [_letter(row) async for row in _sql.letters_of(executor, message_ids=list(message_ids))]


async def name_letter(executor: db.Executor, letter_id: int, mail_id: str) -> None:
    """Give a letter its Message-ID, before it leaves."""
    with db.trouble_is_temporary():
        await _sql.name_letter(executor, letter_id=letter_id, mail_id=mail_id)


async def letter_sent(executor: db.Executor, letter_id: int, at: datetime) -> bool:
    """Note that a letter was accepted for delivery; False: that is known."""
    return await _sql.letter_sent(executor, letter_id=letter_id, at=at) is not None


async def letter_failed(executor: db.Executor, letter_id: int, *, due_at: datetime, trouble: str) -> None:
    """Try a letter again later."""
    with db.trouble_is_temporary():
        await _sql.letter_failed(executor, letter_id=letter_id, due_at=due_at, trouble=trouble)


async def references(executor: db.Executor, one: Message, contact_id: int, *, limit: int = 10) -> list[str]:
    """Return Message-IDs of what was said before between a contact and us, the latest first."""
    with db.trouble_is_temporary():
        rows = _sql.last_mail_ids(executor, account_id=one.account_id, number=one.number, contact_id=contact_id, limit=limit)
        return [row["mail_id"] async for row in rows]


# quarantine -------------------------------------------------------------------------------------------------------------


async def is_full(executor: db.Executor) -> bool:
    """Return whether no more mail is taken until somebody has decided."""
    row = await _sql.quarantine_size(executor)
    return bool(row["mails"] >= MOST_MAILS or row["octets"] >= MOST_OCTETS)


async def quarantine(
    executor: db.Executor,
    *,
    received_at: datetime,
    way: Way | None,
    account_id: int | None,
    sender: str,
    subject: str,
    reason: str,
    automatic: bool = False,
    raw: bytes = b"",
    dedupe: bytes | None = None,
    call_ref: int | None = None,
    person_id: int | None = None,
) -> None:
    """Keep what nobody has vouched for."""
    await _sql.quarantine(
        executor,
        received_at=received_at,
        way_id=None if way is None else way.way_id,
        person_id=person_id if way is None else way.person_id,
        account_id=account_id,
        sender=sender,
        subject=subject,
        reason=reason,
        automatic=automatic,
        raw=raw,
        dedupe=dedupe,
        call_ref=call_ref,
    )


async def quarantined(
    executor: db.Executor, *, account_ids: Collection[int] | None, people: Collection[int] = (), limit: int = 200
) -> list[Quarantined]:
    """Return what waits for a decision, the latest first.

    account_ids   of these accounts; None: everything
    people        and what is for these people
    """
    with db.trouble_is_temporary():
        rows = _sql.quarantined(
            executor, everything=account_ids is None, account_ids=list(account_ids or ()), people=list(people), limit=limit
        )
        return [_quarantined(row, row["size_bytes"]) async for row in rows]


async def held(executor: db.Executor, quarantine_id: int) -> Quarantined | None:
    """Return what waits for a decision, by its number."""
    with db.trouble_is_temporary():
        row = await _sql.held(executor, quarantine_id=quarantine_id)
    return None if row is None else _quarantined(row, row["size_bytes"])


async def take_quarantined(executor: db.Executor, quarantine_id: int) -> tuple[Quarantined, bytes] | None:
    """Return what waits, with its octets; it is the caller's until his transaction ends."""
    row = await _sql.take_quarantined(executor, quarantine_id=quarantine_id)
    return None if row is None else (_quarantined(row, len(row["raw"])), bytes(row["raw"]))


async def decide(executor: db.Executor, quarantine_id: int, *, at: datetime, by: str, account_id: int | None) -> None:
    """Write down what became of it; account_id None: it was discarded."""
    await _sql.decide_quarantined(executor, quarantine_id=quarantine_id, at=at, by=by, account_id=account_id)


def held_untold(executor: db.Executor, **arguments: Any) -> AsyncIterator[Any]:
    """Return what nobody was told of, held until the transaction ends (cases.held_post)."""
    rows: AsyncIterator[Any] = _sql.held_untold(executor, **arguments)
    return rows


async def told_of_held(executor: db.Executor, *, numbers: list[int], at: datetime) -> None:
    """Note that somebody was told."""
    await _sql.told_of_held(executor, numbers=numbers, at=at)


async def forget_old(executor: db.Executor, now: datetime) -> None:
    """Drop mail that was decided on long ago, and machines' that nobody wanted. What a person wrote stays until it is decided."""
    with db.trouble_is_temporary():
        await _sql.forget_quarantined(executor, before=now - QUARANTINED)


def _promise_text(promise: Promise | None) -> str | None:
    return None if promise is None else _encode(promise).decode()


async def _whole(executor: db.Executor, row: Any) -> Message:
    return _message(row, [_file(one) async for one in _sql.files_with_data(executor, message_id=row["message_id"])])


def _message(row: Any, files: Iterable[Attachment] = ()) -> Message:
    return Message(
        message_id=row["message_id"],
        account_id=row["account_id"],
        number=row["number"],
        sort=Sort(row["sort"]),
        side=Side(row["side"]),
        actor=row["actor"],
        author=row["author"],
        contact_id=row["contact_id"],
        channel=Channel(row["channel"]),
        verified=Verified(row["verified"]),
        automatic=row["automatic"],
        sender=row["sender"],
        subject=row["subject"],
        body=row["body"],
        remark=row["remark"],
        mail_id=row["mail_id"],
        in_reply_to=row["in_reply_to"],
        received_at=row["received_at"],
        sent_at=row["sent_at"],
        call_ref=row["call_ref"],
        promise=None if row["promise"] is None else msgspec.json.decode(row["promise"], type=Promise),
        answered_at=row["answered_at"],
        answered_by=row["answered_by"],
        voids=msgspec.json.decode(row["voids"], type=tuple[Void, ...]),
        files=tuple(files),
    )


def _file(row: Any) -> Attachment:
    return Attachment(
        number=row["number"],
        name=row["name"],
        kind=row["kind"],
        size_bytes=row["size_bytes"],
        sha256=row["sha256"],
        data=row.get("data", b""),
    )


def _letter(row: Any) -> Letter:
    return Letter(
        letter_id=row["letter_id"],
        message_id=row["message_id"],
        side=Side(row["side"]),
        person_id=row["person_id"],
        email=row["email"],
        made_at=row["made_at"],
        attempts=row["attempts"],
        trouble=row["trouble"],
        sent_at=row["sent_at"],
        mail_id=row["mail_id"],
    )


def _way(row: Any) -> Way:
    return Way(
        way_id=row["way_id"],
        kind=WayKind(row["kind"]),
        address=row["address"],
        carrier=row["carrier"],
        person_id=row["person_id"],
        account_id=row["account_id"],
    )


def _quarantined(row: Any, size_bytes: int) -> Quarantined:
    return Quarantined(
        quarantine_id=row["quarantine_id"],
        received_at=row["received_at"],
        person_id=row["person_id"],
        account_id=row["account_id"],
        sender=row["sender"],
        subject=row["subject"],
        reason=row["reason"],
        automatic=row["automatic"],
        call_ref=row["call_ref"],
        size_bytes=size_bytes,
    )
