"""Letters: what would hold up the event loop is made in a thread, everything else on the loop."""

import email
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import msgspec

from homing.delivery.letters import NO_MARKING, PARTS_APART, RAW_APART, TEXT_APART, Chunk, Letter, Letters
from homing.domains.facts import DomainBook
from homing.domains.keyring import KeyRing
from homing.egress.pools import PoolBook
from homing.ground import db
from homing.ground.clock import SystemClock
from homing.ground.secrets import MasterKey
from homing.message.tracked import Seal
from homing.queue.types import Entry
from homing.spool.marks import Marking
from homing.spool.types import ChunkFacts, Content, InlineContent, Part, RawContent, RecipientDetail, encode_detail
from homing.templates.book import SnippetBook

NOW = datetime(2026, 5, 4, 10, 0, tzinfo=UTC)
FACTS = ChunkFacts(
    account_id=1,
    transmission_id=bytes(10),
    accepted_at=NOW,
    recv_method="rest",
    sending_domain="acme.test",
    friendly_from="news@acme.test",
)
Make = Callable[[Content, int], "list[str]"]


def letters_of(pool: db.Pool, token: Callable[[bytes], bytes], marking: Marking = NO_MARKING) -> Letters:
    clock = SystemClock()
    return Letters(
        pool,
        clock,
        KeyRing(pool, MasterKey(b"k" * 32), clock),
        PoolBook(pool, source_ips=(), hostname="mta.test"),
        DomainBook(pool, clock),
        SnippetBook(pool, clock),
        marking=marking,
        hostname="mta.test",
        bounce_domain="bounce.test",
        token=token,
    )


@asynccontextmanager
async def making(dsn: str) -> AsyncIterator[Callable[..., object]]:
    """Give a function that makes so many messages of a content and tells the thread that made each."""
    threads: list[str] = []

    def token(message: bytes) -> bytes:
        threads.append(threading.current_thread().name.partition("_")[0])
        return message[:8]

    async with db.pool(dsn, name="test") as pool:
        letters = letters_of(pool, token)

        async def make(content: Content, count: int) -> list[str]:
            threads.clear()
            chunk = Chunk(FACTS, content)
            for number in range(count):
                entry = Entry(
                    shard=0,
                    entry_id=number.to_bytes(10, "big"),
                    lane=1,
                    due_at=NOW,
                    expires_at=NOW,
                    chunk_id=bytes(10),
                    recipient=f"kim{number}@there.test",
                    tries=0,
                    detail=None,
                )
                assert isinstance(await letters.make(entry, chunk), Letter)
            return list(threads)

        yield make


def inline(text: str, *parts: Part) -> InlineContent:
    return InlineContent(from_email="news@acme.test", subject="Hello", text=text, attachments=parts)


async def test_a_small_message_is_made_on_the_loop(database):
    async with making(database) as make:
        assert await make(inline("Hello {{name}}"), 2) == ["MainThread", "MainThread"]
        assert await make(RawContent(rfc822=b"From: news@acme.test\r\n\r\nHello\r\n"), 1) == ["MainThread"]


async def test_the_first_message_of_a_large_content_is_made_apart(database):
    raw = RawContent(rfc822=b"From: news@acme.test\r\n\r\n" + b"x" * 70 + b"\r\n" * RAW_APART)
    async with making(database) as make:
        assert await make(inline("long text " * (TEXT_APART // 10 + 1)), 1) == ["letters"]
        assert await make(inline("see there", Part("terms.pdf", "application/pdf", bytes(PARTS_APART))), 1) == ["letters"]
        assert await make(raw, 1) == ["letters"]


async def test_what_turned_out_to_be_quick_is_made_on_the_loop_again(database):
    async with making(database) as make:
        assert (await make(inline("long text " * (TEXT_APART // 10 + 1)), 4))[-1] == "MainThread"


async def test_what_turned_out_to_be_slow_goes_on_apart(database):
    lines = "Dear {{name or 'customer'}}, this is a line with an expression, of some length\n" * 15_000
    async with making(database) as make:
        assert await make(inline(lines), 2) == ["letters", "letters"]


async def test_an_archive_copy_differs_from_the_first_recipients_in_its_own_fields_alone(database):
    raw = (
        b"From: news@acme.test\r\nDate: Mon, 4 May 2026 10:00:00 +0000\r\nMessage-ID: <1@acme.test>\r\nTo: kim@there.test\r\n"
        b'Content-Type: text/html\r\n\r\n<html><body><a href="https://acme.test/">a</a></body></html>\r\n'
    )
    facts = msgspec.structs.replace(FACTS, recv_method="esmtp", click_tracking=True, open_tracking=True, initial_open=True)

    def entry(number: int, detail: RecipientDetail | None = None) -> Entry:
        return Entry(
            shard=0,
            entry_id=number.to_bytes(10, "big"),
            lane=1,
            due_at=NOW,
            expires_at=NOW,
            chunk_id=bytes(10),
            recipient=f"r{number}@there.test",
            tries=0,
            detail=None if detail is None else encode_detail(detail),
        )

    async with db.pool(database, name="test") as pool:
        marking = Marking(
            seal=Seal(b"s" * 32),
            base="https://t.test",
            mail_domain="bounce.test",
            unsubscribe_token=_token,
            msfbl_token=_token,
        )
        letters = letters_of(pool, _token, marking)
        chunk = Chunk(facts, RawContent(rfc822=raw))
        first = entry(1)
        others = [
            entry(2, RecipientDetail(rcpt_type="archive", links_of=(first.entry_id, first.recipient))),
            entry(3, RecipientDetail(rcpt_type="cc")),
        ]
        made = [await letters.make(one, chunk) for one in (first, *others)]
    data = [letter.data if isinstance(letter, Letter) else b"" for letter in made]
    to, archive, cc = (email.message_from_bytes(one) for one in data)
    assert {name for name in to if to[name] != archive[name]} == {"X-MSFBL", "List-Unsubscribe"}
    assert to.get_payload() == archive.get_payload()
    assert to.get_payload() != cc.get_payload()


def _token(message: bytes) -> bytes:
    return message[:8]
