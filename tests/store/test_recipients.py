import asyncio
from datetime import UTC, date, datetime, timedelta

import pytest

from homing.recipients import store
from homing.recipients.search import INITIAL, BadCursor, Filters, search, search_numbered
from homing.recipients.types import Strike, SuppressionRow


def row(recipient, **differences):
    return SuppressionRow(
        **{
            "account_id": 1,
            "recipient": recipient,
            "type": "non_transactional",
            "source": "Bounce Rule",
            "description": "550 5.1.1 no such user",
            "provenance": "api",
            **differences,
        }
    )


async def test_a_suppressed_address_is_found_in_any_case(pool):
    await store.suppress(pool, [row("Kim@There.TEST")])
    assert await store.suppressed(pool, 1, 0, ["KIM@there.test", "lee@there.test"], False) == {"kim@there.test": "Bounce Rule"}


async def test_a_domain_in_unicode_and_its_a_labels_are_one(pool):
    await store.suppress(pool, [row("kim@xn--bcher-kva.test"), row("lee@BÜCHER.test")])
    asked = ["Kim@Bücher.test", "lee@xn--bcher-kva.test"]
    assert set(await store.suppressed(pool, 1, 0, asked, False)) == {"kim@bücher.test", "lee@xn--bcher-kva.test"}
    assert len(await store.rows_of(pool, 1, "kim@bücher.test")) == 1


async def test_each_kind_of_mail_each_subaccount_and_each_account_has_its_own_list(pool):
    await store.suppress(pool, [row("kim@there.test")])
    assert await store.suppressed(pool, 1, 0, ["kim@there.test"], True) == {}
    assert await store.suppressed(pool, 1, 7, ["kim@there.test"], False) == {}
    assert await store.suppressed(pool, 2, 0, ["kim@there.test"], False) == {}


async def test_rows_of_a_list_count_only_for_its_mail(pool):
    await store.suppress(pool, [row("kim@there.test", list_id="news", source="List Unsubscribe")])
    assert await store.suppressed(pool, 1, 0, ["kim@there.test"], False) == {}
    assert await store.suppressed(pool, 1, 0, ["kim@there.test"], False, "other") == {}
    for spelled in ("news", "My <NEWS>"):
        found = await store.suppressed(pool, 1, 0, ["kim@there.test"], False, spelled)
        assert found == {"kim@there.test": "List Unsubscribe"}


async def test_fifty_thousand_addresses_are_one_question(pool):
    await store.suppress(pool, [row(f"u{n}@there.test") for n in range(0, 50_000, 1000)])
    found = await store.suppressed(pool, 1, 0, [f"U{n}@there.test" for n in range(50_000)], False)
    assert len(found) == 50


async def test_suppressing_again_renews_and_never_weakens_compliance(pool):
    await store.suppress(pool, [row("kim@there.test", source="Compliance", description="court order"), row("lee@there.test")])
    await store.suppress(
        pool, [row(who, source="Manually Added", description="again") for who in ("kim@there.test", "lee@there.test")]
    )
    found = {
        row.recipient: (row.source, row.description)
        for who in ("kim@there.test", "lee@there.test")
        for row in await store.rows_of(pool, 1, who)
    }
    assert found == {"kim@there.test": ("Compliance", "court order"), "lee@there.test": ("Manually Added", "again")}


async def test_of_two_rows_with_one_key_the_last_wins(pool):
    await store.suppress(pool, [row("kim@there.test"), row("KIM@there.test", source="Spam Complaint", description="nul\0byte")])
    (kept,) = await store.rows_of(pool, 1, "kim@there.test")
    assert (kept.source, kept.description) == ("Spam Complaint", "nulbyte")


async def test_two_writers_in_opposite_order_do_not_lock_each_other_out(pool):
    rows = [row(f"u{n}@there.test") for n in range(300)]

    async def write(mine):
        async with pool.acquire() as connection, connection.transaction():
            await store.suppress(connection, mine)
            await asyncio.sleep(0.01)

    await asyncio.gather(write(rows), write(rows[::-1]), write(rows))
    assert (await store.summary(pool, 1))["Bounce Rule"] == 300


async def test_strikes_count_different_days_within_the_window(pool):
    async def on(day):
        return await store.strike(pool, 1, 0, "Kim@there.test", "dns.not_found", date(2026, 5, day))

    assert [await on(day) for day in (1, 1, 2, 9, 10)] == [1, 1, 2, 1, 2]  # 7 days: on the 9th the 2nd is out of reach


async def test_many_strikes_are_one_statement_and_answered_in_order(pool):
    def one(who, day):
        return Strike(account_id=1, subaccount_id=0, recipient=who, subclass="mailbox.full", day=date(2026, 5, day))

    assert await store.strike_all(pool, [one("b@x.test", 1), one("a@x.test", 1)]) == [1, 1]
    assert await store.strike_all(pool, [one("c@x.test", 2), one("b@x.test", 2), one("b@x.test", 1)]) == [1, 2, 1]
    await store.forget_old_strikes(pool, today=date(2026, 7, 1))
    assert await store.strike_all(pool, [one("b@x.test", 3)]) == [1]


async def test_removing_says_what_was_there(pool):
    await store.suppress(
        pool, [row("kim@there.test"), row("kim@there.test", list_id="news"), row("lee@there.test", source="Compliance")]
    )
    assert await store.remove(pool, 1, 0, "nobody@there.test") is None
    assert await store.remove(pool, 2, 0, "kim@there.test") is None
    assert await store.remove(pool, 1, 0, "lee@there.test") is False
    assert await store.remove(pool, 1, 0, "kim@there.test", type="transactional") is None
    assert await store.remove(pool, 1, 0, "KIM@there.test", list_id="") is True
    assert [row.list_id for row in await store.rows_of(pool, 1, "kim@there.test")] == ["news"]
    assert await store.remove(pool, 1, 0, "kim@there.test") is True


async def fill(pool, count=25):
    await store.suppress(pool, [row(f"u{n:02}@there.test", subaccount_id=n % 2) for n in range(count)])
    minute = "ascii(right(split_part(recipient, '@', 1), 1)) * interval '1 minute'"  # many share one moment
    await pool.execute(f"UPDATE suppressions SET updated_at = '2026-05-04T00:00:00Z'::timestamptz + {minute}")


@pytest.mark.parametrize("newest_first", [True, False])
async def test_pages_forward_hold_every_row_once_and_pages_back_are_the_same(pool, newest_first):
    await fill(pool)
    filters = Filters(account_id=1, newest_first=newest_first)
    page = await search(pool, filters, cursor=INITIAL, per_page=7)
    pages = [page]
    while "next" in page.cursors:
        page = await search(pool, filters, cursor=page.cursors["next"], per_page=7)
        pages.append(page)
    rows = [row for page in pages for row in page.rows]
    assert [len(page.rows) for page in pages] == [7, 7, 7, 4]
    assert len({row.recipient for row in rows}) == 25
    assert [row.updated_at for row in rows] == sorted((row.updated_at for row in rows), reverse=newest_first)
    assert all(page.total == 25 for page in pages)
    back = await search(pool, filters, cursor=pages[0].cursors["last"], per_page=7)
    assert "next" not in back.cursors
    for expected in reversed(pages):
        assert back.rows == expected.rows
        if "previous" in back.cursors:
            back = await search(pool, filters, cursor=back.cursors["previous"], per_page=7)
    assert "previous" not in back.cursors


async def test_a_single_page_has_no_cursors(pool):
    await fill(pool, 3)
    assert (await search(pool, Filters(account_id=1), cursor=INITIAL, per_page=7)).cursors == {}


async def test_a_numbered_page_reaches_into_the_search(pool):
    await fill(pool)
    page = await search_numbered(pool, Filters(account_id=1), page=4, per_page=7)
    assert (len(page.rows), page.total) == (4, 25)


@pytest.mark.parametrize("cursor", ["", "x", "!!!", "AAAA", "é", "k" * 500, "last2", "lsMAAAA="])
async def test_a_text_that_is_no_cursor_is_refused(pool, cursor):
    with pytest.raises(BadCursor):
        await search(pool, Filters(account_id=1), cursor=cursor, per_page=7)


@pytest.mark.parametrize(
    ("differences", "found"),
    [
        ({}, {"a@one.test", "b@two.test", "c@sub.one.test"}),
        ({"account_id": 2}, {"d@one.test"}),
        ({"subaccount_id": 0}, {"a@one.test", "c@sub.one.test"}),
        ({"recipient": "A@One.test"}, {"a@one.test"}),
        ({"domain": "one.test"}, {"a@one.test"}),
        ({"sources": ("Spam Complaint", "Compliance")}, {"b@two.test"}),
        ({"types": ("transactional",)}, {"c@sub.one.test"}),
        ({"list_id": ""}, {"b@two.test", "c@sub.one.test"}),
        ({"list_id": "news"}, {"a@one.test"}),
        ({"description": "USER unk%nown"}, set()),
        ({"description": "USER"}, {"a@one.test", "c@sub.one.test"}),
        ({"description_strict": "user unknown"}, {"a@one.test"}),
        ({"from_at": datetime.now(UTC) + timedelta(hours=1)}, set()),
        ({"to_at": datetime.now(UTC) - timedelta(hours=1)}, set()),
    ],
)
async def test_every_filter_narrows_the_search(pool, differences, found):
    await store.suppress(
        pool,
        [
            row("a@one.test", list_id="news", description="user unknown"),
            row("b@two.test", subaccount_id=3, source="Spam Complaint", description=""),
            row("c@sub.one.test", type="transactional", description="550 User gone"),
            row("d@one.test", account_id=2),
        ],
    )
    page = await search(pool, Filters(**{"account_id": 1, **differences}), cursor=INITIAL, per_page=10)
    assert {row.recipient for row in page.rows} == found
    assert page.total == len(found)


async def test_the_summary_counts_by_source(pool):
    await store.suppress(pool, [row("a@x.test"), row("b@x.test", subaccount_id=3), row("c@x.test", source="Compliance")])
    counts = await store.summary(pool, 1)
    assert (counts["Bounce Rule"], counts["Compliance"], counts["Spam Complaint"]) == (2, 1, 0)
    assert (await store.summary(pool, 1, subaccount_id=3))["Bounce Rule"] == 1
