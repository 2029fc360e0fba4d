"""Postfix's load generator hands in from twenty sessions at once; what it was told is taken arrives once."""

import shutil
import subprocess
from collections import Counter

import pytest

from homing.events.types import EventType
from tests.compatibility.inbox import Letter
from tests.kit.house import DOMAIN

TOOL = shutil.which("smtp-source") or shutil.which("smtp-source", path="/usr/sbin:/usr/local/sbin")
MESSAGES = 500

pytestmark = pytest.mark.skipif(TOOL is None, reason="smtp-source is not installed (Debian: apt-get install postfix)")


@pytest.mark.parametrize("keep", [True, False], ids=["one connection for many", "a connection for each"])
def test_five_hundred_messages_from_twenty_sessions_arrive_once(house, inbox, keep):
    domain = f"{'kept' if keep else 'fresh'}.test"
    options = ["-s", "20", "-m", str(MESSAGES), "-l", "4096", "-N", "-M", "client.acme.test", *(["-d"] if keep else [])]
    done = subprocess.run(
        [str(TOOL), *options, "-f", f"news@{DOMAIN}", "-t", f"x@{domain}", f"127.0.0.1:{house.smtp_port}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")

    def came() -> list[Letter]:
        return inbox.letters(lambda letter: letter.recipient.endswith(f"@{domain}"))

    house.wait_until(lambda: len(came()) >= MESSAGES and house.waiting() == 0, 60, "everything has come")
    letters = came()
    assert Counter(letter.recipient for letter in letters) == Counter(f"{number}x@{domain}" for number in range(1, MESSAGES + 1))
    assert len({letter.sender for letter in letters}) == MESSAGES
    for letter in letters[::100]:
        assert letter.message["From"] == f"news@{DOMAIN}"
        assert len(letter.data) > 4096
    delivered = house.sql("SELECT count(*) FROM events WHERE recipient LIKE %s AND type = %s", f"%@{domain}", EventType.DELIVERY)
    assert delivered == [(MESSAGES,)]
