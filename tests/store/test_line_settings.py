"""The carriers' file says what is wrong with it; `homing line` says what to enter at the carrier."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from typer.testing import CliRunner

from homing.cli.app import app
from homing.ground.errors import Misuse
from homing.support.line.carriers import read_settings

GOOD = """
fallback = ["+15550100001"]
[carriers.main]
family = "twilio"
account = "AC1"
api = "https://api.twilio.com/2010-04-01/"
api_secret = "s"
secrets = ["a", "b"]
numbers = ["+18005550100"]
"""


def written(folder: Path, text: str, mode: int = 0o600) -> Path:
    file = folder / "carriers.toml"
    file.write_text(text)
    file.chmod(mode)
    return file


def test_a_good_file_is_read(tmp_path: Path):
    found = read_settings(written(tmp_path, GOOD), allow_plain=False)
    carrier = found.carriers["main"]
    assert (carrier.name, carrier.api) == ("main", "https://api.twilio.com/2010-04-01")
    assert carrier.recording_hosts == ("https://api.twilio.com",)
    assert carrier.keys.secrets == ("a", "b")
    assert found.keep_days == 400


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("https://api", "http://api", "https://"),
        ('secrets = ["a", "b"]', "", "could be known"),
        ('secrets = ["a", "b"]', 'secrets = [""]', "could be known"),
        ('"+18005550100"', '"18005550100"', "numbers"),
        ('numbers = ["+18005550100"]', "numbers = []", "numbers"),
        ("carriers.main", "carriers.Main", "small letters"),
        ("carriers.main", "carriers.form", "small letters"),
        ('"+15550100001"', '"911"', "fallback"),
        ('family = "twilio"', 'family = "pigeon"', "pigeon"),
        ("api_secret", "api_sekret", "api_s"),
        ("account = ", "account ", "TOML|toml|Expected|expected"),
        ('family = "twilio"', 'family = "telnyx"', "could be known"),
    ],
)
def test_a_bad_file_says_what_to_mend(tmp_path: Path, old, new, why):
    with pytest.raises(Misuse, match=why):
        read_settings(written(tmp_path, GOOD.replace(old, new)), allow_plain=False)


def test_a_file_that_others_can_read_or_that_is_not_there(tmp_path: Path):
    with pytest.raises(Misuse, match="chmod 600"):
        read_settings(written(tmp_path, GOOD, 0o644), allow_plain=False)
    with pytest.raises(Misuse, match="cannot be read"):
        read_settings(tmp_path / "none.toml", allow_plain=False)


def test_the_static_document_is_printed_and_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOMING_SEV1_CARRIERS", str(written(tmp_path, GOOD)))
    monkeypatch.setenv("HOMING_SEV1_URL", "https://sev1.example.com/")
    monkeypatch.setenv("HOMING_DATA", str(tmp_path))
    result = CliRunner().invoke(app, ["line", "fallback", "main"])
    assert result.exit_code == 0, result.output
    root = ET.fromstring(result.output.encode())
    assert [one.tag for one in root] == ["Say", "Say", "Dial", "Say", "Record", "Say", "Hangup"]
    assert [one.text for one in root[2]] == ["+15550100001"]
    assert root[4].get("action") == "https://sev1.example.com/telephony/v1/main/calls/offline?n=0"
    listed = CliRunner().invoke(app, ["line", "carriers", "--json"])
    assert "https://sev1.example.com/telephony/v1/main/calls/inbound" in listed.output
    assert "AC1" not in listed.output
    unknown = CliRunner().invoke(app, ["line", "fallback", "other"])
    assert isinstance(unknown.exception, Misuse)
