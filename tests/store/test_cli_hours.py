"""`homing hours` on a real database: what it prints, what it records, and how it refuses."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from homing.hours.rules.holidays import holidays_of
from homing.hours.types import HolidaySet
from tests.store.test_cli_views import Shell


@pytest.fixture
def shell(database: str, capsys, monkeypatch) -> Shell:
    monkeypatch.setenv("HOMING_DATABASE_URL", database)
    return Shell(capsys, monkeypatch)


RECORD = ("hours", "record", "--zone", "ET", "--by", "kim", "--reason", "the office party")


def test_due_shows_local_time_with_its_offset_and_utc(shell: Shell):
    said = shell("hours", "due", "2026-12-24T16:29Z", "1h", "--zone", "UK")
    assert "Tue 2026-12-29 09:29 GMT (UTC+00:00)" in said
    assert "2026-12-29T09:29:00Z" in said


def test_due_as_json(shell: Shell):
    assert shell.json("hours", "due", "2027-12-23 16:00", "2h", "--zone", "ET", "--holidays", "us-fed") == {
        "calendar": "ET/US-FED",
        "seconds": 7200,
        "start": "2027-12-23T21:00:00Z",
        "start_local": "Thu 2027-12-23 16:00 EST (UTC-05:00)",
        "due": "2027-12-27T15:00:00Z",
        "due_local": "Mon 2027-12-27 10:00 EST (UTC-05:00)",
        "moves": [],
    }


def test_explain_lists_every_stretch_and_adds_up(shell: Shell):
    said = shell("hours", "explain", "2026-10-30 16:30", "--until", "2026-11-02 10:30", "--zone", "ET")
    assert "2 h 00 min counted + 65 h 00 min skipped = 67 h 00 min (7,200 + 234,000 s)" in said
    assert "clocks change from EDT to EST" in said
    found = shell.json("hours", "explain", "2026-12-24T16:29Z", "--for", "1h", "--zone", "uk")
    assert sum(one["seconds"] for one in found["stretches"]) == found["counted_s"] + found["skipped_s"] == 406_800
    assert [one["holiday"] for one in found["stretches"] if one["holiday"]] == ["Christmas Day", "Boxing Day"]


def test_show_lists_the_three_zones_and_the_days_of_one(shell: Shell):
    said = shell("hours", "show", "--at", "2026-07-03T14:00Z")
    assert all(word in said for word in ("US-FRB", "GB-EAW", "mon-fri 08:30-16:30"))
    states = {one["calendar"]: one["open"] for one in shell.json("hours", "show", "--at", "2026-07-03T14:00Z")}
    assert states == {"ET/US-FRB": True, "PT/US-FRB": False, "UK/GB-EAW": True}
    found = shell.json("hours", "show", "--zone", "ET", "--holidays", "US-FED", "--at", "2026-07-03T14:00Z", "--days", "4")
    assert (found["open"], found["holiday"], found["opens_at"]) == (False, "Independence Day", "2026-07-06T13:00:00Z")
    assert [(one["date"], one["seconds"]) for one in found["days"]] == [
        ("2026-07-03", 0),
        ("2026-07-04", 0),
        ("2026-07-05", 0),
        ("2026-07-06", 28_800),
    ]
    assert "bank holiday: Independence Day" in shell(
        "hours", "show", "--zone", "ET", "--holidays", "US-FED", "--at", "2026-07-03T14:00Z"
    )


def test_holidays_of_a_year(shell: Shell):
    said = shell("hours", "holidays", "--zone", "UK", "--holidays", "GB-SCT", "--year", "2026")
    assert "World Cup Bank Holiday" in said
    found = shell.json("hours", "holidays", "--zone", "UK", "--year", "2026")
    assert found["holidays"][-1] == {"day": "2026-12-28", "name": "Boxing Day", "substitute_for": "2026-12-26"}


def test_the_contract_alone_needs_no_database(shell: Shell, monkeypatch, tmp_path):
    monkeypatch.delenv("HOMING_DATABASE_URL")
    monkeypatch.setenv("HOMING_DATA", str(tmp_path))
    assert "Tue 2026-12-29 09:29" in shell("hours", "due", "2026-12-24T16:29Z", "1h", "--zone", "UK", "--contract")
    shell("hours", "due", "2026-12-24T16:29Z", "1h", "--zone", "UK", code=1)
    assert "is `homing up` running?" in shell.err


def test_a_recorded_day_moves_what_is_due_and_the_old_answer_can_still_be_asked_for(shell: Shell):
    ask = ("hours", "due", "2086-12-23 16:00", "4h", "--zone", "ET")
    assert shell.json(*ask)["due"] == "2086-12-24T17:00:00Z"
    said = shell(*RECORD, "--on", "2086-12-24=09:00-11:00")
    assert "version 1 of ET is recorded" in said
    assert "it follows the contract" in said
    assert shell.json(*ask)["due"] == "2086-12-26T15:00:00Z"
    assert shell.json(*ask, "--known-at", "2026-01-01")["due"] == "2086-12-24T17:00:00Z"
    listed = shell.json("hours", "show", "--zone", "ET")
    (version,) = listed["versions"]
    assert version["exceptions"] == {"2086-12-24": "09:00-11:00"}
    assert (version["author"], version["reason"]) == ("kim", "the office party")
    assert "the office party" in shell("hours", "show", "--zone", "ET")


def test_a_clock_that_runs_is_told_what_moved_it_and_why(shell: Shell):
    ask = ("hours", "due", "now", "2000h", "--zone", "ET", "--contract")
    before = shell.json(*ask)["due"]
    started = shell.json(*ask)["start"]
    shell(*RECORD, "--week", "mon-fri 09:00-18:00")
    found = shell.json("hours", "due", started, "2000h", "--zone", "ET")
    (move,) = found["moves"]
    assert (move["before"], move["after"]) == (before, found["due"])
    assert move["after"] < move["before"]
    assert move["record"]["reason"] == "the office party"
    said = shell("hours", "due", started, "2000h", "--zone", "ET")
    assert "moved earlier by version 1" in said
    assert "the office party" in said


def test_the_next_version_keeps_the_days_of_the_last_unless_it_takes_them_back(shell: Shell):
    shell(*RECORD, "--on", "2086-12-24=09:00-11:00", "--on", "2086-12-28=10:00-12:00")
    made = shell.json(*RECORD, "--week", "mon-fri 08:00-18:00", "--on", "2086-12-28=usual")
    assert (made["version"], made["based_on"], made["week"]) == (2, 1, "mon-fri 08:00-18:00")
    assert made["exceptions"] == {"2086-12-24": "09:00-11:00"}


def test_a_dry_run_shows_what_would_change_and_records_nothing(shell: Shell):
    today = shell.json("hours", "show", "--zone", "ET", "--days", "14")["days"]
    day = next(one["date"] for one in today[1:] if one["seconds"])
    said = shell(*RECORD, "--on", f"{day}=closed", "--dry-run")
    assert "would be recorded" in said
    assert day in said
    found = shell.json(*RECORD, "--on", f"{day}=closed", "--dry-run")
    assert (found["recorded"], found["days"]) == (False, [{"date": day, "before_s": 28_800, "after_s": 0}])
    assert shell.json("hours", "show", "--zone", "ET")["versions"] == []


def test_a_version_that_would_hide_another_is_refused_unless_that_is_meant(shell: Shell):
    shell(*RECORD, "--week", "mon-fri 08:00-18:00", "--from", "2086-06-01", "--until", "2086-07-01")
    shell(*RECORD, "--on", "2086-03-05=closed", code=2)
    assert "Sat 2086-06-01 00:00 EDT (UTC-04:00)" in shell.err
    shell(*RECORD, "--on", "2086-03-05=closed", "--until", "2086-06-01")
    shell(*RECORD, "--on", "2086-03-05=closed", "--override")


def test_a_proclaimed_holiday_is_recorded_and_taken_back(shell: Shell):
    words = ("hours", "holiday", "2086-06-17", "--holidays", "GB-EAW", "--name", "Jubilee", "--source", "a proclamation")
    said = shell(*words, "--by", "kim", "--reason", "proclaimed today")
    assert "Mon 2086-06-17 (Jubilee) is a holiday of GB-EAW" in said
    assert "Jubilee" in shell("hours", "holidays", "--zone", "UK", "--year", "2086")
    assert shell.json("hours", "due", "2086-06-14T15:00Z", "2h", "--zone", "UK")["due"] == "2086-06-18T09:00:00Z"
    made = shell.json(*words, "--by", "kim", "--reason", "called off", "--remove")
    assert (made["number"], made["active"]) == (2, False)
    assert shell.json("hours", "due", "2086-06-14T15:00Z", "2h", "--zone", "UK")["due"] == "2086-06-17T09:00:00Z"
    assert "taken out" in shell("hours", "show", "--zone", "UK")


def test_the_published_list_is_compared_and_recorded_only_when_approved(shell: Shell, tmp_path):
    year = datetime.now(UTC).year + 1
    monday = next(one.day for one in holidays_of(HolidaySet.GB_EAW, year).values() if one.name == "May Day")
    fourth = monday + timedelta(days=4)
    listed = {day for known in range(year - 1, year + 2) for day in holidays_of(HolidaySet.GB_EAW, known)} - {monday} | {fourth}
    events = [{"title": "A day", "date": day.isoformat(), "notes": "", "bunting": True} for day in sorted(listed)]
    file = tmp_path / "bank-holidays.json"
    file.write_text(json.dumps({"england-and-wales": {"division": "england-and-wales", "events": events}}))
    may, friday = monday.isoformat(), fourth.isoformat()
    said = shell("hours", "import", str(file), code=1)
    assert may in said
    assert friday in said
    assert "--approve" in shell.err
    assert shell.json("hours", "show", "--zone", "UK")["holiday_changes"] == []
    shell("hours", "import", str(file), "--approve", code=2)
    assert "--by" in shell.err
    found = shell.json("hours", "import", str(file), "--approve", "--by", "kim")
    assert [one["day"] for one in found["differences"]] == [may, friday]
    changes = shell.json("hours", "show", "--zone", "UK")["holiday_changes"]
    assert [(one["day"], one["active"], one["author"], one["source_version"]) for one in changes] == [
        (may, False, "kim", found["source_version"]),
        (friday, True, "kim", found["source_version"]),
    ]
    assert "agree" in shell("hours", "import", str(file))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("due", "soon", "4h", "--zone", "ET"), "START: 'soon' is no time"),
        (("due", "now", "4 days", "--zone", "ET"), "DURATION: '4 days' is no duration"),
        (("due", "now", "4h", "--zone", "UK", "--holidays", "US-FRB"), "does not fit zone UK"),
        (("due", "2019-01-01T12:00Z", "4h", "--zone", "UK"), "calendars know the years 2023 to 2099"),
        (("due", "2026-03-08 02:30", "4h", "--zone", "ET"), "write it with its offset"),
        (("due", "now", "9999h", "--zone", "ET"), "400 days"),
        (("due", "now", "4h", "--zone", "ET", "--known-at", "x"), "--known-at: 'x' is no time"),
        (("explain", "now", "--zone", "ET"), "--until TIME, or --for DURATION"),
        (("explain", "2026-01-02", "--until", "2026-01-01", "--zone", "ET"), "is before the start"),
        (("show", "--holidays", "US-FED"), "--holidays needs --zone"),
        (("show", "--zone", "ET", "--at", "2099-12-30", "--days", "10"), "2023 to 2099"),
        (("record", "--zone", "ET", "--by", "kim", "--reason", "x"), "say what changes"),
        ((*RECORD[1:], "--on", "2086-12-24"), "write for example 2026-12-24=09:00-11:00"),
        ((*RECORD[1:], "--on", "2024-12-24=closed"), "2024-12-24 is over"),
        ((*RECORD[1:], "--week", "mon-fri 17:00-09:00"), "ends before it begins"),
        ((*RECORD[1:], "--week", "mon-fri 09:00-17:00", "--until", "2024-01-01"), "--until must be later"),
        (("record", "--zone", "ET", "--by", " ", "--reason", "x", "--week", "mon 09:00-10:00"), "--by needs a text"),
        (("record", "--zone", "ET", "--by", "k\udcff", "--reason", "x", "--week", "mon 09:00-10:00"), "--by needs a text"),
        (("record", "--zone", "ET", "--by", "k", "--reason", "x" * 1001, "--week", "mon 09:00-10:00"), "--reason needs a text"),
        (
            ("holiday", "2024-06-17", "--holidays", "GB-EAW", "--name", "x", "--source", "x", "--by", "k", "--reason", "x"),
            "2024-06-17 is over",
        ),
        (
            ("holiday", "17.6.2030", "--holidays", "GB-EAW", "--name", "x", "--source", "x", "--by", "k", "--reason", "x"),
            "DATE: '17.6.2030' is no date",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_is_refused_with_a_sentence(shell: Shell, words: tuple[str, ...], says: str):
    shell("hours", *words, code=2)
    assert says in shell.err.replace("\n", " ")


def test_another_file_is_not_imported(shell: Shell, tmp_path):
    file = tmp_path / "other.json"
    file.write_text(json.dumps({"holidays": []}))
    shell("hours", "import", str(file), code=2)
    assert "this is not the list" in shell.err
