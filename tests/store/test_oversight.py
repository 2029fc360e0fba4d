"""News of many accounts: each once and in order, however their moments coincide and however quiet most of them are."""

import random
from datetime import UTC, datetime, timedelta

from homing.ground import db
from homing.support.clocks.store import ServerClock
from homing.support.threads.oversight import stream

START = datetime(2026, 5, 20, 9, tzinfo=UTC)


async def test_pages_of_many_accounts_give_everything_once_and_in_order_although_moments_coincide(pool: db.Pool):
    chance = random.Random(7)
    accounts = [
        row["account_id"]
        for row in await pool.fetch(
            "INSERT INTO accounts (name) SELECT 'a' || g FROM generate_series(1, 12) g RETURNING account_id"
        )
    ]
    expected: list[tuple[datetime, str, str]] = []
    for place, account in enumerate(accounts):
        await pool.execute("INSERT INTO threads VALUES ($1, 0)", account)
        for number in range(1, (0, 1, 2, 9)[place % 4] + 1):
            at = START + timedelta(minutes=chance.randrange(4))  # few moments, so most coincide
            message = await pool.fetchval(
                "INSERT INTO thread_messages (account_id, number, sort, side, actor, author, channel, verified, automatic, "
                "sender, subject, body, received_at) "
                "VALUES ($1, $2, 'note', 'provider', '', '', 'api', 'staff', false, '', '', 'x', $3) RETURNING message_id",
                account,
                number,
                at,
            )
            case = await pool.fetchval(
                "INSERT INTO cases (account_id, state, severity, kind, source, subject, opened_at, updated_at, seq, head) "
                "VALUES ($1, 'new', 'non_critical', 'bug', 'api', '', $2, $2, 1, '') RETURNING case_id",
                account,
                at,
            )
            await pool.execute(
                "INSERT INTO case_messages (account_id, case_id, number, side, actor, author, channel, purpose, verified, "
                "automatic, sender, subject, body, received_at) "
                "VALUES ($1, $2, 1, 'provider', '', '', 'api', 'note', 'staff', false, '', '', 'x', $3)",
                account,
                case,
                at,
            )
            expected += [(at, "thread", str(message)), (at, "case", str(case)), (at, "message", f"{case}/1")]
    expected.sort(key=lambda one: (-one[0].timestamp(), one[1], one[2]))
    for limit in (1, 2, 5, 200):
        seen: list[tuple[datetime, str, str]] = []
        cursor = None
        while True:
            found = await stream(pool, ServerClock(), [*accounts, accounts[0]], cursor=cursor, limit=limit)
            seen += [(one.at, one.kind.value, one.ident) for one in found.items]
            cursor = found.next
            if cursor is None:
                break
        assert seen == expected, limit
    some = await stream(pool, ServerClock(), accounts[:4], cursor=None, limit=200)
    assert {one.account_id for one in some.items} == set(accounts[1:4])
