"""What is wrong with an API call, in the words and numbers of SparkPost's error table (reference, section 1.6)."""

import re
from typing import Any

import msgspec

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")  # all but the tab


class Problem(msgspec.Struct, frozen=True, gc=False):
    """One error of an answer. status is HTTP's; code is SparkPost's, '' where there is none.

    more   further members of the error object, where a resource has its own shape (reference, section 1.5)
    """

    status: int
    message: str
    description: str = ""
    code: str = ""
    more: dict[str, Any] = {}


class Wrong(Exception):
    """Raised inside the rules of this package to leave at the first problem; the top functions return the problem instead."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.description or problem.message)
        self.problem = problem


def missing(description: str) -> Problem:
    """A required member is absent."""
    return Problem(422, "required field is missing", description, "1400")


def bad_type(description: str) -> Problem:
    """A member has a wrong form, type or length."""
    return Problem(422, "invalid data format/type", description, "1300")


def bad_combination(description: str) -> Problem:
    """Members exclude each other."""
    return Problem(422, "invalid field combination", description, "1301")


def bad_header(description: str) -> Problem:
    """A value cannot stand in a message header."""
    return Problem(422, "invalid header", description, "3002")


def bad_params(description: str) -> Problem:
    """A value is not possible for this account."""
    return Problem(400, "invalid params", description, "1200")


def unknown_tracking_domain(name: str) -> Problem:
    """A tracking domain cannot be used: this (sub)account has none such, or none that is verified."""
    return bad_params(f"Tracking domain '{name[:253]}' is not a registered tracking domain")


def check_one_line(value: str | None, name: str) -> None:
    """Refuse line breaks and other control characters in what becomes part of a header or of an SMTP command.

    raises   Wrong
    """
    if value is not None and _CONTROL.search(value) is not None:
        raise Wrong(bad_header(f"{name} must not contain line breaks or control characters"))


def check_bytes(value: str | None, name: str, most: int) -> None:
    """Refuse a text longer than `most` bytes of UTF-8.

    raises   Wrong
    """
    if value is not None and len(value) * 4 > most and len(value.encode()) > most:
        raise Wrong(bad_type(f"{name} must be at most {most} bytes"))
