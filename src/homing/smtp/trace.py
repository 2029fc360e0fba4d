"""The trace header that every server adds to a message that it takes (RFC 5321 section 4.4)."""

import re

from homing.smtp.types import Mail, Peer

_NOT_A_NAME = re.compile(r"[^A-Za-z0-9._:\[\]-]")


class Arrival:
    """What the trace header tells besides the message: from where, by whom, when.

    token   unique for the connection; with the message's number it is the id of the trace header
    """

    __slots__ = ("hostname", "peer", "token")

    def __init__(self, *, hostname: str, peer: Peer, token: str) -> None:
        self.hostname = hostname
        self.peer = peer
        self.token = token


def received(mail: Mail, arrival: Arrival, date: str) -> str:
    """Return the trace header of RFC 5321 section 4.4; recipients are named only where there is nobody to hide."""
    peer = arrival.peer.address
    literal = f"[IPv6:{peer}]" if ":" in peer else f"[{peer}]"
    name = _NOT_A_NAME.sub("?", mail.helo)
    only = mail.recipients[0].email if len(mail.recipients) == 1 else ""
    shown = f"\r\n\tfor <{only}>" if only and only.isascii() else ""
    return (
        f"Received: from {name} ({literal})\r\n"
        f"\tby {arrival.hostname} with {mail.protocol} id {arrival.token}.{mail.number}{shown};\r\n"
        f"\t{date}\r\n"
    )
