"""`homing staff` and `homing contract` on a real database."""

import os
from pathlib import Path

from homing.ground.secrets import load_or_make
from tests.store.test_cli_views import House, Shell, dns, homing, house  # noqa: F401 - fixtures


def test_staff_come_get_tokens_change_and_leave(homing: Shell, house: House):  # noqa: F811
    assert "there is nobody yet" in homing("staff", "list")
    said = homing(
        "staff", "add", "--name", "Ann", "--email", "Ann@Provider.test", "--role", "tam", "--phone", "+44 (20) 7183-8750"
    )
    assert "Ann is number 1: tam" in said
    homing("staff", "add", "--name", "Ann", "--email", "ann@provider.test", "--role", "tam", code=2)
    assert "already" in homing.err
    for wrong, words in (
        (["--role", "boss"], "a role is one of"),
        (["--role", "cst", "--phone", "020 7183"], "country code"),
        (["--role", "cst", "--email", "nobody"], "no address"),
    ):
        homing("staff", "add", "--name", "Bob", "--email", "bob@provider.test", *wrong, code=2)
        assert words in homing.err
    token = homing("staff", "token", "ann@provider.test").strip()
    assert token.startswith("staff_")
    homing("staff", "change", "ann@provider.test", "--role", "tam", "--role", "admin")
    (shown,) = homing.json("staff", "list")
    assert (shown["email"], shown["phone"], shown["roles"]) == ("ann@provider.test", "+442071838750", ["admin", "tam"])
    assert "void" in homing("staff", "token", "ann@provider.test", "--revoke")
    homing("staff", "leave", "ann@provider.test")
    homing("staff", "token", "ann@provider.test", code=1)
    assert "nobody of ours" in homing.err


def test_a_customer_is_promised_something_by_somebody(homing: Shell, house: House):  # noqa: F811
    house.account("acme")
    of = ("--account", "acme")
    assert "has no Order Form" in homing("contract", "show", *of)
    assert (
        "uk/gb-eaw"
        in homing("contract", "add", *of, "--zone", "uk", "--plan", "Enterprise", "--from", "2026-01-01T00:00Z").lower()
    )
    homing("contract", "add", *of, "--zone", "UK", "--plan", "Enterprise", "--from", "2025-01-01T00:00Z", code=2)
    assert "begins at that time or later" in homing.err
    homing("contract", "add", *of, "--zone", "ET", "--plan", "x", "--holidays", "GB-SCT", code=2)
    assert "does not fit zone ET" in homing.err
    homing("contract", "add", *of, "--zone", "ET", "--plan", "x", "--from", "tomorrow", code=2)
    assert "is no time" in homing.err
    homing("contract", "add", *of, "--zone", "ET", "--plan", "x", "--uptime", "101", code=2)
    assert "percentage" in homing.err

    homing("staff", "add", "--name", "Ann", "--email", "ann@provider.test", "--role", "tam")
    homing("staff", "add", "--name", "Bob", "--email", "bob@provider.test", "--role", "cst")
    homing("contract", "tam", "bob@provider.test", *of, code=2)
    assert "does not hold the role tam" in homing.err
    homing("contract", "tam", "ann@provider.test", *of, "--from", "2026-01-01T00:00Z")
    homing(
        "contract", "cover", "ann@provider.test", "--by", "bob@provider.test", "--until", "2099-01-01T00:00Z", "--reason", "leave"
    )
    homing(
        "contract",
        "contact",
        *of,
        "--name",
        "Kim",
        "--email",
        "Kim@Acme.test",
        "--phone",
        "+1 202 555 0123",
        "--phone",
        "+12025550123",
    )
    homing("contract", "contact", *of, "--name", "Kim", "--email", "kim@acme.test", code=2)
    load_or_make(Path(os.environ["HOMING_DATA"]) / "master.key")
    pin = homing("contract", "pin", *of).strip()
    assert (len(pin), pin.isdigit()) == (8, True)

    said = homing("contract", "show", *of)
    assert "Ann <ann@provider.test>" in said
    assert "Bob stands in (leave)" in said
    assert "authorised contacts: 1 of the 2" in said
    shown = homing.json("contract", "show", *of)
    assert (shown["order_forms"][0]["zone"], shown["tam"]["acting"]["name"]) == ("UK", "Bob")
    (kim,) = shown["contacts"]
    assert ([phone["number"] for phone in kim["phones"]], kim["may_sign"]) == (["+12025550123"], True)
    assert pin not in str(shown)
    homing("staff", "leave", "ann@provider.test", code=2)
    assert "homing contract tam EMAIL --account acme" in homing.err
    homing("staff", "change", "ann@provider.test", "--role", "cst", code=2)
    actions = [entry["action"] for entry in homing.json("contract", "audit", *of)]
    assert actions == ["PIN set", "contact added", "TAM assigned", "order form added"]
    homing("contract", "verify", "kim@acme.test", *of, "--how", "wrote to us")
    homing("contract", "verify", "kim@acme.test", *of, "--how", "called him there", "--phone", "+1 202 555 0123")
    homing("contract", "verify", "kim@acme.test", *of, "--how", "x", "--phone", "+12025550199", code=2)
    assert "he has +12025550123" in homing.err
    homing("contract", "verify", "kim@acme.test", *of, code=2)
    homing("contract", "verify", "kim@acme.test", *of, "--code", "123456", code=2)
    homing("contract", "verify", "kim@acme.test", *of, "--phone", "+1 202 555 0123", "--code", "123456", code=2)
    assert "homing contract code" in homing.err
    homing("contract", "code", "kim@acme.test", *of, "--phone", "+12025550199", code=2)
    homing("contract", "code", "kim@acme.test", *of, "--phone", "+1 202 555 0123", "--by", "voice", code=2)
    assert "there is no carrier" in homing.err
    assert "not verified" not in homing("contract", "show", *of)
    assert "called him there" in homing("contract", "audit", *of)
    homing("contract", "remove", "KIM@acme.test", *of)
    homing("contract", "remove", "kim@acme.test", *of, code=1)
    assert homing.json("contract", "show", *of)["contacts"] == []
    assert "staff added" in homing("contract", "audit", "--all")
