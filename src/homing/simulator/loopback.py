"""The one gate to a listening socket: loopback or nothing."""

import ipaddress
import socket

from homing.ground.errors import Misuse


def check_loopback(host: str) -> None:
    """Refuse an address outside 127.0.0.0/8 and ::1.

    raises   Misuse; a simulated internet must never be reachable from the real one
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise Misuse(f"the simulator listens on loopback addresses only, written as numbers; {host!r} is none") from None
    if not address.is_loopback:
        raise Misuse(f"the simulator listens on loopback addresses only; {host} is none")


def listen(host: str, port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    """Return a bound (and for TCP listening) socket on a loopback address; port 0 takes a free one.

    raises   Misuse for another address, OSError where the port is taken
    """
    check_loopback(host)
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind)
    try:
        made.setblocking(False)
        if kind == socket.SOCK_STREAM:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        if kind == socket.SOCK_STREAM:
            made.listen(1024)
    except OSError:
        made.close()
        raise
    return made


def port_of(listening: socket.socket) -> int:
    """Return the port that a socket is bound to."""
    return int(listening.getsockname()[1])


def listen_on_all(hosts: list[str], port: int) -> list[socket.socket]:
    """Listen on one common port of several addresses; port 0 finds one that is free on all of them.

    raises   OSError where the given port is taken, or no common port was found in 50 tries
    """
    trouble: OSError | None = None
    for _ in range(50 if port == 0 else 1):
        made: list[socket.socket] = []
        try:
            for host in hosts:
                made.append(listen(host, port if port or not made else port_of(made[0])))
        except OSError as taken:
            trouble = taken
            for one in made:
                one.close()
            continue
        return made
    assert trouble is not None
    raise trouble
