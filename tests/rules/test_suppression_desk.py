"""Many who ask at once become one question."""

import asyncio

import pytest

from homing.ground.errors import StoreUnavailable
from homing.ingress.suppression import SuppressionDesk


class Book:
    """Remembers what it was asked; answers when told to."""

    def __init__(self) -> None:
        self.asked: list[set[str]] = []
        self.open = asyncio.Event()
        self.trouble: Exception | None = None

    async def ask(
        self, account_id: int, subaccount_id: int, recipients: list[str], transactional: bool, list_id: str
    ) -> dict[str, str]:
        self.asked.append(set(recipients))
        await self.open.wait()
        if self.trouble is not None:
            raise self.trouble
        return {recipient: "Bounce Rule" for recipient in recipients if recipient.startswith("bad")}


async def test_callers_of_one_moment_share_a_question_and_later_ones_the_next():
    book = Book()
    desk = SuppressionDesk(book.ask)
    first = [asyncio.create_task(desk.suppressed(1, 0, [name], False)) for name in ("a@x", "bad@x")]
    await asyncio.sleep(0.01)
    later = [asyncio.create_task(desk.suppressed(1, 0, [f"{n}@x"], False)) for n in range(50)]
    await asyncio.sleep(0.01)
    assert book.asked == [{"a@x", "bad@x"}]
    book.open.set()
    assert "bad@x" in (await asyncio.gather(*first))[0]
    await asyncio.gather(*later)
    assert len(book.asked) == 2
    assert book.asked[1] == {f"{n}@x" for n in range(50)}


async def test_different_kinds_of_mail_are_asked_apart():
    book = Book()
    book.open.set()
    desk = SuppressionDesk(book.ask)
    await asyncio.gather(
        desk.suppressed(1, 0, ["a@x"], False), desk.suppressed(1, 0, ["b@x"], True), desk.suppressed(2, 0, ["c@x"], False)
    )
    assert sorted(map(sorted, book.asked)) == [["a@x"], ["b@x"], ["c@x"]]


async def test_trouble_reaches_everybody_and_the_next_question_works():
    book = Book()
    book.trouble = StoreUnavailable("away")
    book.open.set()
    desk = SuppressionDesk(book.ask)
    answers = await asyncio.gather(*(desk.suppressed(1, 0, ["a@x"], False) for _ in range(3)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [StoreUnavailable] * 3
    book.trouble = None
    assert await desk.suppressed(1, 0, ["bad@x"], False) == {"bad@x": "Bounce Rule"}


async def test_one_who_leaves_does_not_take_the_answer_from_the_others():
    book = Book()
    desk = SuppressionDesk(book.ask)
    leaver = asyncio.create_task(desk.suppressed(1, 0, ["a@x"], False))
    stayer = asyncio.create_task(desk.suppressed(1, 0, ["bad@x"], False))
    await asyncio.sleep(0.01)
    leaver.cancel()
    book.open.set()
    with pytest.raises(asyncio.CancelledError):
        await leaver
    assert await stayer == {"bad@x": "Bounce Rule"}
