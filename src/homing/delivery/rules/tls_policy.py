"""When to encrypt an outgoing session: before the dialogue goes on, and after a handshake that failed."""

from enum import StrEnum


class TlsPolicy(StrEnum):
    """How much encryption a session must have. Certificates are not judged: without MTA-STS or DANE an
    attacker who can alter the path can also remove the offer (RFC 7435, RFC 8461 section 1).
    """

    NEVER = "never"
    OPPORTUNISTIC = "opportunistic"  # encrypt where it is offered and works, else send in the clear
    REQUIRED = "required"  # no encryption, no mail


class TlsStep(StrEnum):
    """What to do next about encryption."""

    START = "start"
    CLEAR = "clear"  # carry on unencrypted
    GIVE_UP = "give_up"


def next_step(policy: TlsPolicy, *, offered: bool, failed_before: bool) -> TlsStep:
    """Return what to do after EHLO.

    offered         the peer announced STARTTLS
    failed_before   a handshake with this peer failed a moment ago, and this is the second connection
    """
    if policy is TlsPolicy.REQUIRED:
        return TlsStep.START if offered and not failed_before else TlsStep.GIVE_UP
    if policy is TlsPolicy.OPPORTUNISTIC and offered and not failed_before:
        return TlsStep.START
    return TlsStep.CLEAR
