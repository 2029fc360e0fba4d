"""Listening sockets that outlive the workers: made and kept by the supervisor, passed down as file descriptors.

Each worker has its own socket on the same address (SO_REUSEPORT): the system spreads connections over them, and the queue of
a dead worker's socket waits for its successor instead of being reset.
"""

import errno
import socket
from collections.abc import Sequence
from typing import Any

from homing.ground.config import HostPort
from homing.ground.errors import Misuse

BACKLOG = 4096


def listen(door: str, address: HostPort, *, count: int) -> list[socket.socket]:
    """Return `count` listening sockets on one address, non-blocking; port 0 chooses a free one, the same for all.

    door     the setting that names the address, for the error text, for example "HOMING_HTTP"
    raises   Misuse if the address is taken, not ours, or not allowed
    """
    family, target = _resolve(door, address)
    made: list[socket.socket] = []
    try:
        # Without SO_REUSEPORT first: it would let us in beside another homing of the same user, which is never meant.
        with _bound(door, address, family, target, share=False) as probe:
            target = (target[0], probe.getsockname()[1], *target[2:])
        made.extend(_bound(door, address, family, target, share=True) for _ in range(count))
        for sock in made:
            sock.listen(BACKLOG)
    except BaseException:
        close(made)
        raise
    return made


def _resolve(door: str, address: HostPort) -> tuple[int, tuple[Any, ...]]:
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as trouble:
        raise Misuse(f"{door}={address} cannot be used: {address.host!r} is no address of this machine ({trouble})") from trouble
    family, _, _, _, target = found[0]
    return family, tuple(target)


def _bound(door: str, address: HostPort, family: int, target: tuple[Any, ...], *, share: bool) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if share:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(target)
        if not share:
            sock.listen(1)  # two sockets with SO_REUSEADDR may both bind; only one may listen
    except OSError as trouble:
        sock.close()
        raise Misuse(f"{door}={address} cannot be used: {_why(trouble, address)}") from trouble
    return sock


def _why(trouble: OSError, address: HostPort) -> str:
    match trouble.errno:
        case errno.EADDRINUSE:
            return f"another program listens on port {address.port}; stop it (`ss -ltnp` names it), or choose another port"
        case errno.EACCES:
            return "ports below 1024 need privileges; choose a higher port, or grant CAP_NET_BIND_SERVICE"
        case errno.EADDRNOTAVAIL:
            return f"{address.host} is no address of this machine"
    return trouble.strerror or str(trouble)


def close(sockets: Sequence[socket.socket]) -> None:
    """Close them all."""
    for sock in sockets:
        sock.close()
