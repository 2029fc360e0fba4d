"""Whose fault an answer reports, and at which door."""

from enum import StrEnum


class FaultTag(StrEnum):
    """Every HTTP answer and SMTP reply carries one (clause D); the code path sets it, nobody guesses it later."""

    NONE = "none"
    CLIENT = "client"
    SERVER = "server"
    TIMEOUT = "timeout"


class Door(StrEnum):
    """Where an attempt was made (clause D1: API calls, SMTP injections)."""

    API = "api"
    SMTP = "smtp"
