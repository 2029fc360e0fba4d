"""An obligation exists after any beginning of a call, exactly one, whatever comes twice, late, or in another order."""

from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from homing.ground import db
from homing.support.line.desk import Replayed
from homing.support.line.types import CallStatus, Happened
from tests.kit.line import START, LineHouse, line_house

STEPS = ["pin", "live", "company", "name", "phone", "phone-check", "email", "description", "confirm"]
REQUESTS = st.one_of(
    st.just(("inbound", 0, "", None, False)),
    st.tuples(
        st.sampled_from(STEPS),
        st.integers(1, 12),
        st.sampled_from(["", "1", "0", "8", "#", "123456", "00442079460000", "*"]),
        st.sampled_from([None, "https://elsewhere.example/rec"]),
        st.booleans(),
    ),
    st.tuples(
        st.just("status"), st.integers(0, 9), st.sampled_from(["ringing", "answered", "completed"]), st.none(), st.just(False)
    ),
    st.tuples(st.just("recording"), st.integers(1, 12), st.sampled_from(STEPS), st.none(), st.just(False)),
    st.tuples(st.just("wait"), st.integers(1, 200), st.just(""), st.none(), st.just(False)),
)


async def play(house: LineHouse, call_id: str, requests) -> None:
    carrier = house.line.carriers.all["tel"]
    for what, number, text, url, empty in requests:
        about = {"call_id": call_id, "caller": "+442071838750", "called": "+18005550100"}
        try:
            if what == "wait":
                house.clock.forward(seconds=number)
            elif what == "inbound":
                await house.line.desk.inbound(carrier, Happened(**about))
            elif what == "status":
                await house.line.desk.status(carrier, Happened(**about, status=CallStatus(text), sequence=number))
            elif what == "recording":
                await house.line.desk.recording(
                    carrier, text, number, Happened(**about, recording_status="completed", recording_id="R")
                )
            else:
                happened = Happened(**about, digits=text, recording_url=url or "", recording_id="R" if url else "")
                await house.line.desk.step(carrier, what, number, happened, empty=empty)
        except Replayed:
            pass


async def test_an_obligation_exists_after_any_prefix_of_a_call(pool: db.Pool):
    async with line_house(pool) as house:
        numbers = iter(range(1_000_000))

        async def holds(requests) -> None:
            before = house.clock.now()
            call_id = f"CA{next(numbers)}"
            told = [one for one in requests if one[0] != "wait"]
            await play(house, call_id, requests)
            rows = await pool.fetch(
                "SELECT o.due_at, c.first_ring_at, c.paged_at FROM line_obligations o JOIN line_calls c USING (intake_id) "
                "WHERE c.call_id = $1",
                call_id,
            )
            assert len(rows) == (1 if told else 0)
            for row in rows:
                assert before <= row["first_ring_at"] <= house.clock.now()
                assert row["due_at"] <= row["first_ring_at"] + timedelta(minutes=15)
                assert row["paged_at"] is not None

        for requests in examples():
            await holds(requests)
        assert await pool.fetchval("SELECT count(*) FROM line_calls") == await pool.fetchval(
            "SELECT count(*) FROM line_obligations"
        )
        assert house.clock.now() >= START


def examples() -> list[list[tuple[str, int, str, str | None, bool]]]:
    """Return what hypothesis thinks of; it runs without a loop, the calls run in one."""
    found = []

    @settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(REQUESTS, max_size=8))
    def think(requests):
        found.append(requests)

    think()
    return found
