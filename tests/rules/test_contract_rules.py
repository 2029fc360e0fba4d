"""How people, numbers and roles are written down."""

import pytest

from homing.contracts.rules import read_email, read_phone, read_pin, read_roles
from homing.contracts.types import Role
from homing.ground.errors import Misuse


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("+44 (20) 7183-8750", "+442071838750"),
        ("+1 202.555.0123", "+12025550123"),
        ("+4930/901820", "+4930901820"),
    ],
)
def test_a_number_is_kept_as_e164(text, number):
    assert read_phone(text) == number


@pytest.mark.parametrize("text", ["", "020 7183 8750", "+0 20", "+44 call me", "+1234567890123456", "+44", "\u0661\u0662\u0663"])
def test_what_is_no_number_with_country_code_is_refused(text):
    with pytest.raises(Misuse, match="country code"):
        read_phone(text)


def test_addresses_are_lower_case_and_roles_are_known():
    assert read_email(" Kim@Acme.test ") == "kim@acme.test"
    with pytest.raises(Misuse, match="no address"):
        read_email("kim")
    assert read_roles(["tam", "admin"]) == {Role.TAM, Role.ADMIN}
    for wrong in ([], ["boss"]):
        with pytest.raises(Misuse):
            read_roles(wrong)


@pytest.mark.parametrize("text", ["12345", "1" * 13, "12345a", "\u0661\u0662\u0663\u0664\u0665\u0666"])
def test_a_pin_has_six_digits_or_more(text):
    with pytest.raises(Misuse, match="digits"):
        read_pin(text)
