"""Notes about trends: written by staff or drawn from our own figures, and sent to the accounts that they concern (clause B8).

Each account is told what holds across all, and its own figures; never another's.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import msgspec

from homing.accounts import store as accounts
from homing.accounts.types import Account
from homing.contracts import store as contracts
from homing.ground import db
from homing.support.cases.rules.decision import Bar, No
from homing.support.cases.rules.reading import clean
from homing.support.cases.types import Actor, Side
from homing.support.clocks.store import LegalClock
from homing.support.tam import letter_store
from homing.support.tam.desk import authorised
from homing.support.tam.letter_store import Letter
from homing.support.tam.ports import Figures
from homing.support.tam.rules import trends
from homing.support.tam.rules.letters import LONGEST_SUBJECT, Text
from homing.support.tam.rules.trends import Trend
from homing.support.tam.types import Counts, Purpose

_sql = db.queries("homing.support.tam")
_encode = msgspec.json.Encoder().encode
_trends = msgspec.json.Decoder(tuple[Trend, ...]).decode
_figures = msgspec.json.Decoder(dict[str, Counts]).decode


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """A note. provider: that it is about; '': none, or several. first, last: days that its figures are of."""

    note_id: int
    title: str
    body: str
    provider: str
    trends: tuple[Trend, ...]
    first: date | None
    last: date | None
    made_at: datetime
    made_by: str
    sent_at: datetime | None


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A note as it was sent to one account, with its own figures."""

    note: Note
    account_id: int
    figures: dict[str, Counts]
    added_at: datetime
    sent_at: datetime | None


async def write(
    pool: db.Pool,
    legal: LegalClock,
    figures: Figures,
    by: Actor,
    *,
    title: str,
    body: str,
    provider: str = "",
    first: date | None = None,
    last: date | None = None,
) -> Note | No:
    """Keep a note; with days, what holds across accounts is drawn from our figures (of one provider, or of all).

    raises   StoreUnavailable, TooSlow
    """
    drawn: tuple[Trend, ...] = ()
    if first is not None and last is not None:
        drawn = await _draw(figures, provider, first, last)
        if not drawn:
            text = (
                f"nothing can be told: a figure across accounts needs {trends.LEAST_ACCOUNTS} accounts behind it, "
                f"{trends.LEAST_MESSAGES} messages, and none with more than half of them"
            )
            return No(Bar.STATE, text)
    elif not body:
        return No(Bar.WHAT, "write a text, or say since and until, and figures are drawn")
    with db.trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            now = await legal.now(connection)
            number = await _sql.add_note(
                connection,
                title=title,
                body=body,
                provider=provider,
                trends=_encode(drawn).decode(),
                first_on=first,
                last_on=last,
                now=now,
                made_by=by.name,
            )
            await contracts.note(
                connection, actor=by.name, action="trend note written", account_id=None, subject=f"trend note {number}"
            )
    found = await one(pool, number)
    if found is None:
        raise LookupError(number)
    return found


async def _draw(figures: Figures, provider: str, first: date, last: date) -> tuple[Trend, ...]:
    length = last - first + timedelta(days=1)
    now = await figures.everywhere(first=first, last=last)
    before = await figures.everywhere(first=first - length, last=first - timedelta(days=1))
    drawn = trends.draw(now, before)
    return tuple(one for one in drawn if not provider or one.provider == provider)


async def send(
    pool: db.Pool,
    legal: LegalClock,
    figures: Figures,
    by: Actor,
    note_id: int,
    *,
    wanted: Sequence[int],
    may: frozenset[int] | None,
    names_checked: bool = False,
) -> list[int] | No | None:
    """Send a note to accounts; return those that had not been sent it before. None: there is no such note.

    wanted          accounts; empty: those that it concerns, because they send mail to its providers
    may             accounts that the sender may write to (he is their TAM); None: all
    names_checked   a person has seen that a name of an account in the text is no account's
    """
    note = await one(pool, note_id)
    if note is None:
        return None
    every = {account.account_id: account for account in await accounts.all_accounts(pool)}
    providers = [each.provider for each in note.trends] or ([note.provider] if note.provider else [])
    chosen = await _chosen(figures, note, providers, wanted, legal, pool)
    if isinstance(chosen, No):
        return chosen
    outside = sorted(set(wanted) - set(every)) or ([] if may is None else sorted(set(wanted) - may))
    if outside:
        return No(Bar.WHO, f"you are not the TAM of account {outside[0]}, or there is none")
    readers = sorted(chosen & set(every) if may is None else chosen & set(every) & may)
    if not readers:
        return No(Bar.STATE, "it concerns none of your accounts; name some in account_ids")
    others = {number: account for number, account in every.items() if readers != [number]}
    named = [] if names_checked else trends.names_in(f"{note.title}\n{note.body}", _names(others))
    if named:
        text = f"the text names '{named[0][:60]}', an account; if the word means something else, send it with names_checked"
        return No(Bar.WHAT, text)
    told = []
    for account_id in readers:
        own = await _own(figures, note, providers, account_id)
        if await _tell(pool, legal, by, note, every[account_id], own):
            told.append(account_id)
    return told


async def _chosen(
    figures: Figures, note: Note, providers: Sequence[str], wanted: Sequence[int], legal: LegalClock, pool: db.Pool
) -> set[int] | No:
    if wanted:
        return set(wanted)
    if not providers:
        return No(Bar.WHAT, "the note is about no mailbox provider; name accounts in account_ids")
    last = note.last or (await legal.now(pool)).date()
    first = note.first or last - timedelta(days=29)
    return trends.concerned(await figures.everywhere(first=first, last=last), providers)


async def _own(figures: Figures, note: Note, providers: Sequence[str], account_id: int) -> dict[str, Counts]:
    if note.first is None or note.last is None:
        return {}
    mine = await figures.by_provider(account_id, first=note.first, last=note.last)
    return {name: counts for name, counts in mine.items() if name in providers}


async def _tell(pool: db.Pool, legal: LegalClock, by: Actor, note: Note, account: Account, own: Mapping[str, Counts]) -> bool:
    with db.trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            await _sql.lock_note(connection, note_id=note.note_id)
            now = await legal.now(connection)
            figures = _encode(own).decode()
            added = await _sql.add_note_account(
                connection, note_id=note.note_id, account_id=account.account_id, figures=figures, now=now
            )
            if added is None:
                return False
            await _sql.note_sent(connection, note_id=note.note_id, now=now)
            tam = await contracts.tam_at(connection, account.account_id, now)
            for person_id, name, email in await authorised(connection, account.account_id):
                await letter_store.add(
                    connection,
                    _text(note, own, name, "" if tam is None else tam.acting.name),
                    account_id=account.account_id,
                    purpose=Purpose.TREND,
                    side=Side.CUSTOMER,
                    person_id=person_id,
                    email=email,
                    now=now,
                    note_id=note.note_id,
                )
            await contracts.note(
                connection,
                actor=by.name,
                action="trend note sent",
                account_id=account.account_id,
                subject=f"trend note {note.note_id}",
            )
    return True


def _text(note: Note, own: Mapping[str, Counts], reader: str, tam: str) -> Text:
    lines = [f"Hello {reader},", "", *([note.body, ""] if note.body else []), *trends.sentences(note.trends)]
    if note.first is not None and note.last is not None:
        lines += ["", f"Your own figures, {trends.stretch_words(note.first, note.last)}:"]
        lines += [f"- {line}" for line in trends.own_words(own)] or ["- you sent nothing there"]
    lines += ["", "Answers to this mail are read by a person.", ""]
    lines += [*([tam, "Technical Account Manager"] if tam else ["Your Customer Success Team"]), ""]
    return Text(clean(note.title, LONGEST_SUBJECT), "\n".join(lines))


async def sent(pool: db.Pool, letter: Letter, *, at: datetime, message_id: str) -> None:
    """Note that a letter about a note was accepted for delivery."""
    with db.trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            if await letter_store.sent(connection, letter, at=at, message_id=message_id):
                await _sql.note_account_sent(connection, note_id=letter.note_id, account_id=letter.account_id, at=at)


def _names(every: Mapping[int, Account]) -> list[str]:
    return [name for account in every.values() for name in (account.name, account.company_name) if name]


async def one(executor: db.Executor, note_id: int) -> Note | None:
    """Return one note."""
    with db.trouble_is_temporary():
        row = await _sql.note(executor, note_id=note_id)
    return None if row is None else _note(row)


async def latest(executor: db.Executor, *, before: int | None = None, limit: int = 50) -> list[Note]:
    """Return notes, the latest first."""
    with db.trouble_is_temporary():
        return [_note(row) async for row in _sql.notes(executor, before=before, limit=limit)]


async def readers_of(executor: db.Executor, note_id: int) -> list[tuple[int, datetime | None]]:
    """Return the accounts that a note was sent to, and when its first mail was accepted."""
    with db.trouble_is_temporary():
        return [(row["account_id"], row["sent_at"]) async for row in _sql.note_accounts(executor, note_id=note_id)]


async def of_account(executor: db.Executor, account_id: int, *, before: int | None = None, limit: int = 50) -> list[Told]:
    """Return the notes that an account was sent, the latest first."""
    with db.trouble_is_temporary():
        rows = _sql.notes_of_account(executor, account_id=account_id, before=before, limit=limit)
        return [_told(row, account_id) async for row in rows]


async def one_of_account(executor: db.Executor, account_id: int, note_id: int) -> Told | None:
    """Return one note that an account was sent."""
    with db.trouble_is_temporary():
        row = await _sql.note_of_account(executor, account_id=account_id, note_id=note_id)
    return None if row is None else _told(row, account_id)


def _told(row: Any, account_id: int) -> Told:
    return Told(
        note=_note(row),
        account_id=account_id,
        figures=_figures(row["figures"]),
        added_at=row["added_at"],
        sent_at=row["told_at"],
    )


def _note(row: Any) -> Note:
    return Note(
        note_id=row["note_id"],
        title=row["title"],
        body=row["body"],
        provider=row["provider"],
        trends=_trends(row["trends"]),
        first=row["first_on"],
        last=row["last_on"],
        made_at=row["made_at"],
        made_by=row["made_by"],
        sent_at=row["sent_at"],
    )
