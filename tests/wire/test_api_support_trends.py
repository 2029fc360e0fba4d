"""/api/v1/support/trend-notes: what holds across providers is told to whom it concerns, and nobody's figures to anybody else."""

from datetime import date, timedelta

import pytest

from homing.accounts import store as accounts
from homing.contracts import store as contracts
from tests.kit.tam import count
from tests.wire.test_api_support_tam import TODAY, Programme, tam  # noqa: F401 - a fixture

WEEK = {"since": "2026-05-14", "until": "2026-05-20"}


@pytest.fixture
async def crowd(tam: Programme) -> list[int]:  # noqa: F811
    """Six accounts send to Gmail, our own among them; one sends to Yahoo, too. Each has a volume that is a mark of it."""
    names = ("acme", "initech", "globex", "umbrella", "hooli", "vandelay")
    numbers = [(await accounts.get_or_create_account(tam.bench.pool, name)).account_id for name in names]
    for place, account_id in enumerate(numbers):
        volume = 1_001 + 10 * place
        await count(tam.bench.pool, account_id, TODAY - timedelta(days=2), delivered=volume, inband_bounce=10, block_bounce=10)
        await count(tam.bench.pool, account_id, date(2026, 5, 8), delivered=volume)
    await count(tam.bench.pool, numbers[1], TODAY, provider="Yahoo", delivered=7_654)
    return numbers


async def test_a_note_drawn_from_our_figures_has_rates_and_each_account_its_own_figures(tam: Programme, crowd: list[int]):  # noqa: F811
    note = await tam.call("POST", "trend-notes", title="Gmail blocks more", text="Look at your lists.", **WEEK)
    (trend,) = note["trends"]
    assert (trend["provider"], trend["rates"]["block_bounce_rate"], trend["before"]["block_bounce_rate"]) == (
        "Gmail",
        0.0097,
        0.0,
    )
    assert note["sent_at"] is None
    assert await tam.call("GET", "trend-notes", by="kim") == []
    path = f"trend-notes/{note['number']}"
    await tam.call("GET", path, by="kim", expect=404)

    assert (await tam.call("POST", f"{path}/send"))["told"] == [tam.bench.account_id], "a TAM writes to his own accounts"
    assert (await tam.call("POST", f"{path}/send", by="admin"))["told"] == crowd[1:]
    assert (await tam.call("POST", f"{path}/send", by="admin"))["told"] == [], "nobody is told twice"
    mails = await tam.post()
    assert {mail["To"] for mail in mails} == {"kim@acme.test", "pat@acme.test"}, "the others have no contacts"
    text = mails[0].get_content()
    assert "At Gmail, across our customers: bounce rate 0.970 % (before: 0.000 %)" in text
    assert "Your own figures, 2026-05-14 to 2026-05-20 (UTC):" in text
    assert "- Gmail: 1011 sent" in text

    seen = await tam.call("GET", path, by="kim")
    assert seen["your_figures"]["Gmail"]["count_sent"] == 1_011
    assert seen["sent_at"] == "2026-05-20T09:00:00Z"
    assert (await tam.call("GET", "trend-notes", by="kim"))[0]["number"] == note["number"]
    everything = text + str(seen)
    for place in range(1, 6):
        assert str(1_001 + 10 * place) not in everything.replace("1011", ""), "volumes of others"
        assert str(1_011 + 10 * place) not in everything
    for secret in ("initech", "globex", "Yahoo", "7654", "accounts"):
        assert secret not in everything
    readers = (await tam.call("GET", path))["accounts"]
    assert [one["account_id"] for one in readers] == crowd
    assert [one["sent_at"] is None for one in readers] == [False, True, True, True, True, True]
    noted = await contracts.audit_of(tam.bench.pool, tam.bench.account_id)
    assert noted[0].action == "trend note sent"


async def test_figures_across_accounts_are_those_of_each(tam: Programme, crowd: list[int]):  # noqa: F811
    figures, days = tam.door.tam.figures, {"first": date(2026, 5, 1), "last": TODAY}
    everywhere = await figures.everywhere(**days)
    assert set(everywhere) == {"Gmail", "Yahoo"}
    for account_id in crowd:
        own = await figures.by_provider(account_id, **days)
        assert own == {name: counts[account_id] for name, counts in everywhere.items() if account_id in counts}


async def test_a_figure_that_few_stand_behind_is_not_drawn(tam: Programme, crowd: list[int]):  # noqa: F811
    body = {"title": "t", **WEEK}
    assert "needs 5 accounts" in await tam.call("POST", "trend-notes", provider="Yahoo", expect=409, **body)
    await count(tam.bench.pool, crowd[2], TODAY, delivered=6_000)
    assert "none with more than half" in await tam.call("POST", "trend-notes", expect=409, **body)


async def test_a_note_in_words_goes_where_staff_says_and_names_no_account(tam: Programme, crowd: list[int]):  # noqa: F811
    note = await tam.call(
        "POST", "trend-notes", title="One-click unsubscribe", text="Globex and others lost mail.", provider="Gmail"
    )
    path = f"trend-notes/{note['number']}/send"
    assert "the text names 'globex'" in await tam.call("POST", path, expect=422)
    own = await tam.call("POST", "trend-notes", title="For acme", text="acme should look at its lists.")
    sent = await tam.call("POST", f"trend-notes/{own['number']}/send", account_ids=[tam.bench.account_id])
    assert sent["told"] == [tam.bench.account_id], "an account may be told its own name"
    assert "about no mailbox provider" in await tam.call("POST", f"trend-notes/{own['number']}/send", expect=422)
    assert f"TAM of account {crowd[1]}" in await tam.call("POST", path, account_ids=[crowd[1]], expect=403)
    assert (await tam.call("POST", path, names_checked=True))["told"] == [tam.bench.account_id]
    assert any("Globex and others" in mail.get_content() for mail in await tam.post())
    assert "none of your accounts" in await tam.call("POST", path, by="eve", expect=409)
    await tam.call("POST", path, account_ids=[0], expect=400)
    await tam.call("POST", path, by="admin", account_ids=[999], expect=403)


async def test_who_may_not_write_notes_and_what_makes_no_sense(tam: Programme):  # noqa: F811
    for by in ("kim", "stranger", "cst"):
        await tam.call("POST", "trend-notes", by=by, title="t", text="x", expect=403)
        await tam.call("POST", "trend-notes/1/send", by=by, expect=403)
    for body, said in (
        ({"text": "x"}, "title is a required field"),
        ({"title": "t"}, "write a text"),
        ({"title": "t", "since": "2026-05-01"}, "go together"),
        ({"title": "t", "since": "2026-01-01", "until": "2026-05-20"}, "at most 92 days"),
        ({"title": "t", "since": "2026-05-20", "until": "2026-05-19"}, "before since"),
        ({"title": "t", "since": "1026-05-20", "until": "2026-05-19"}, "since lies"),
    ):
        assert said in await tam.call("POST", "trend-notes", **body, expect=422)
    assert await tam.call("GET", "trend-notes", by="cst") == []
    await tam.call("GET", "trend-notes?per_page=0", expect=400)
