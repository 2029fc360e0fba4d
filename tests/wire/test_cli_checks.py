"""What doctor says of ports, disks, certificates and addresses."""

import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from homing.cli import checks_machine as machine
from homing.cli import checks_world
from homing.cli.findings import Finding, Level
from homing.ground.config import HostPort, Settings, SourceIP
from homing.ground.secrets import load_or_make
from homing.ground.tls import self_signed

NOW = datetime.now(UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    return Settings(data=data, hostname="mail.y.test")


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield HostPort("127.0.0.1", made.getsockname()[1])


def levels(found: list[Finding]) -> list[str]:
    return [one.level.value for one in found]


def test_a_port_that_another_program_has_is_a_failure_before_the_start_and_right_afterwards(settings, listener):
    taken = replace(settings, http=listener, smtp=HostPort("127.0.0.1", 0))
    http, smtp = machine.ports(taken, running=False)
    assert (http.level, smtp.level) == (Level.FAIL, Level.OK)
    assert "HOMING_HTTP" in http.advice
    assert machine.ports(taken, running=True)[0].level is Level.OK


def test_a_door_that_does_not_answer_while_homing_runs_is_a_failure(settings, listener):
    with socket.create_server(("127.0.0.1", 0)) as gone:
        where = HostPort("127.0.0.1", gone.getsockname()[1])
    assert levels(machine.ports(replace(settings, http=where, smtp=listener), running=True)) == ["fail", "ok"]


def test_the_data_folder_must_be_private_and_there(settings):
    assert levels(machine.data_folder(settings)) == ["ok"]
    settings.data.chmod(0o711)  # others may pass through, as an unprivileged PostgreSQL must
    assert levels(machine.data_folder(settings)) == ["ok"]
    settings.data.chmod(0o755)
    assert levels(machine.data_folder(settings)) == ["warn"]
    assert levels(machine.data_folder(replace(settings, data=settings.data / "none"))) == ["warn"]
    (settings.data / "file").touch()
    assert levels(machine.data_folder(replace(settings, data=settings.data / "file"))) == ["fail"]


def test_the_master_key_must_be_private_and_whole(settings):
    assert levels(machine.master_key(settings)) == ["fail"]
    load_or_make(settings.master_key_path)
    (found,) = machine.master_key(settings)
    assert found.level is Level.OK
    assert "copy" in found.advice
    settings.master_key_path.chmod(0o640)
    assert levels(machine.master_key(settings)) == ["fail"]
    settings.master_key_path.chmod(0o600)
    settings.master_key_path.write_bytes(b"short")
    assert levels(machine.master_key(settings)) == ["fail"]


def test_a_full_disk_is_a_failure_that_names_the_way_out(settings):
    found = machine.disk(replace(settings, min_free_bytes=1 << 60))[0]
    assert found.level is Level.FAIL
    assert "--free" in found.advice
    assert machine.disk(replace(settings, min_free_bytes=1, min_free_share=0.0, ballast_bytes=0))[0].level is Level.OK


def test_a_certificate_is_judged_by_key_date_and_name(settings, tmp_path):
    path = self_signed(tmp_path, hostname="mail.y.test", now=NOW)
    with_tls = replace(settings, tls_cert=path, tls_key=path)
    assert levels(machine.certificate(with_tls)) == ["ok"]
    assert levels(machine.certificate(replace(with_tls, hostname="other.y.test"))) == ["ok", "warn"]
    assert levels(machine.certificate(with_tls, now=NOW + timedelta(days=820))) == ["warn"]
    assert levels(machine.certificate(with_tls, now=NOW + timedelta(days=900))) == ["fail"]
    (tmp_path / "broken.pem").write_text("nothing")
    assert levels(machine.certificate(replace(with_tls, tls_cert=tmp_path / "broken.pem"))) == ["fail"]
    assert levels(machine.certificate(settings)) == ["ok"]


def test_certificates_of_tracking_domains_are_judged_one_by_one(settings, tmp_path):
    assert machine.tracking_certificates(settings) == []
    assert levels(machine.tracking_certificates(replace(settings, tracking_certs=tmp_path / "nowhere"))) == ["fail"]
    with_certs = replace(settings, tracking_certs=tmp_path)
    pair = self_signed(tmp_path, hostname="click.y.test", now=NOW)
    pair.chmod(0o640)
    assert levels(machine.tracking_certificates(with_certs, now=NOW)) == ["ok"]
    pair.chmod(0o644)
    (open_to_all,) = machine.tracking_certificates(with_certs, now=NOW)
    assert (open_to_all.level, open_to_all.advice) == (Level.WARN, f"chmod o-rwx {pair}")
    pair.chmod(0o600)
    assert levels(machine.tracking_certificates(with_certs, now=NOW + timedelta(days=820))) == ["warn"]
    (tmp_path / "broken.pem").write_text("nothing")
    assert levels(machine.tracking_certificates(with_certs, now=NOW)) == ["fail"]


def test_a_source_address_must_belong_to_this_machine(settings):
    sources = (SourceIP("127.0.0.1", "mail.y.test"), SourceIP("192.0.2.1", "mail.y.test"))
    assert levels(machine.source_ips(replace(settings, source_ips=sources))) == ["ok", "fail", "ok"]
    assert levels(machine.source_ips(replace(settings, hostname="short"))) == ["warn"]


def test_keys_in_the_clear_are_a_warning_where_others_can_come(settings):
    clear = replace(settings, smtp_auth_in_clear=True)
    assert machine.clear_auth(settings) == machine.clear_auth(clear) == []
    assert levels(machine.clear_auth(replace(clear, smtp=HostPort("0.0.0.0", 587)))) == ["warn"]


def test_limits_name_what_a_worker_may_need(settings):
    assert levels(machine.limits(replace(settings, smtp_max_connections=10**9, workers=1)))[0] == "fail"
    assert levels(machine.limits(replace(settings, workers=64)))[1] == "warn"


def test_the_way_out_is_judged_by_a_greeting(listener):
    (found,) = checks_world.port_25("127.0.0.1", port=1, timeout_s=0.5)
    assert found.level is Level.FAIL
    assert "HOMING_SMARTHOST" in found.advice
