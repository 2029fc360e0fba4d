"""Certificates of the doors."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from homing.ground.errors import Misuse
from homing.ground.tls import self_signed, server_context

NOW = datetime(2026, 5, 4, 10, 0, tzinfo=UTC)


def test_our_own_certificate_is_made_once_and_private(tmp_path: Path):
    path = self_signed(tmp_path / "data", hostname="mx.homing.test", now=NOW)
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.read_bytes()
    assert self_signed(tmp_path / "data", hostname="mx.homing.test", now=NOW).read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(("hostname", "later"), [("other.test", 0), ("mx.homing.test", 800)])
def test_it_is_made_anew_for_another_name_and_before_it_expires(tmp_path: Path, hostname: str, later: int):
    before = self_signed(tmp_path, hostname="mx.homing.test", now=NOW).read_bytes()
    assert self_signed(tmp_path, hostname=hostname, now=NOW + timedelta(days=later)).read_bytes() != before


def test_a_damaged_file_is_replaced(tmp_path: Path):
    path = self_signed(tmp_path, hostname="mx.homing.test", now=NOW)
    path.write_bytes(b"rubbish")
    assert b"CERTIFICATE" in self_signed(tmp_path, hostname="mx.homing.test", now=NOW).read_bytes()


def test_a_context_speaks_tls_1_2_or_later(tmp_path: Path):
    context = server_context(self_signed(tmp_path, hostname="mx.homing.test", now=NOW))
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_wrong_files_are_refused_by_name(tmp_path: Path):
    with pytest.raises(Misuse, match=r"missing\.pem does not exist"):
        server_context(tmp_path / "missing.pem")
    (tmp_path / "bad.pem").write_text("no certificate")
    with pytest.raises(Misuse, match=r"bad\.pem"):
        server_context(tmp_path / "bad.pem")
