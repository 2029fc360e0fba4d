"""How an outgoing session begins: TCP, greeting, EHLO, STARTTLS by policy. What comes after is session.Connection."""

import asyncio
import socket

from homing.delivery.rules.dialogue import Capabilities, capabilities, wants_helo
from homing.delivery.rules.tls_policy import TlsPolicy, TlsStep, next_step
from homing.delivery.session import Connection, Timeouts
from homing.delivery.types import Attempt, Reply, Stage, Trouble

__all__ = ["Connection", "Timeouts", "connect"]

IP_BIND_ADDRESS_NO_PORT = 24  # Linux: choose the port at connect, so that ports are scarce per peer and not in all


async def connect(
    host: str,
    address: str,
    port: int,
    *,
    source_ip: str | None,
    ehlo: str,
    tls: TlsPolicy,
    timeouts: Timeouts,
) -> Connection | Attempt:
    """Open a session: TCP, greeting, EHLO (or HELO), STARTTLS by policy and EHLO again.

    host        MX name, for SNI and the log; address is where we connect
    source_ip   address to leave from; None: the system chooses
    returns     a Connection ready to send, or an Attempt with stage and reply or trouble. A failed TLS handshake is
                tried again in the clear on a second connection where the policy allows, and reported as tls=-1
    """
    failed_handshake = ""
    for _ in range(2):
        opened = await _open(host, address, port, source_ip, timeouts)
        if isinstance(opened, Attempt):
            return opened
        if failed_handshake:
            opened.tls = -1
        greeting = await opened.greeting(timeouts.greeting_s)
        if isinstance(greeting, Attempt):
            return greeting
        if greeting.code != 220:
            return opened.refused(Stage.GREETING, greeting)
        trouble = await _introduce(opened, ehlo, timeouts)
        if trouble is not None:
            return trouble
        step = next_step(tls, offered=opened.offered.starttls, failed_before=bool(failed_handshake))
        if step is TlsStep.CLEAR:
            return opened
        if step is TlsStep.GIVE_UP:
            await opened.quit()
            return Attempt(
                stage=Stage.STARTTLS,
                trouble=Trouble.TLS_FAILED,
                note=failed_handshake or "the host does not offer STARTTLS",
                host=host,
                address=address,
                tls=opened.tls,
            )
        answer = await opened.ask(b"STARTTLS\r\n", Stage.STARTTLS, timeouts.command_s)
        if isinstance(answer, Attempt):
            return answer
        if answer.code == 421:
            return opened.refused(Stage.STARTTLS, answer)
        if answer.code != 220:
            if tls is TlsPolicy.OPPORTUNISTIC:
                opened.tls = -1  # offered and then refused: the session itself goes on
                return opened
            return opened.refused(Stage.STARTTLS, answer)
        failed_handshake = await opened.start_tls(timeouts.tls_s)
        if failed_handshake:
            continue
        trouble = await _introduce(opened, ehlo, timeouts)
        return opened if trouble is None else trouble
    return Attempt(stage=Stage.STARTTLS, trouble=Trouble.TLS_FAILED, note=failed_handshake, host=host, address=address, tls=-1)


async def _introduce(opened: Connection, ehlo: str, timeouts: Timeouts) -> Attempt | None:
    reply = await opened.ask(f"EHLO {ehlo}\r\n".encode(), Stage.EHLO, timeouts.command_s)
    if isinstance(reply, Reply) and wants_helo(reply):
        opened.offered = Capabilities()
        reply = await opened.ask(f"HELO {ehlo}\r\n".encode(), Stage.EHLO, timeouts.command_s)
        if isinstance(reply, Reply) and reply.code == 250:
            return None
    if isinstance(reply, Attempt):
        return reply
    if reply.code != 250:
        return opened.refused(Stage.EHLO, reply)
    opened.offered = capabilities(reply)
    return None


async def _open(host: str, address: str, port: int, source_ip: str | None, timeouts: Timeouts) -> Connection | Attempt:
    loop = asyncio.get_running_loop()

    def failed(trouble: Trouble, note: str) -> Attempt:
        return Attempt(stage=Stage.CONNECT, trouble=trouble, note=note[:200], host=host, address=address)

    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:  # out of descriptors, or no IPv6 here
        return failed(Trouble.NO_CAPACITY, f"no socket: {error.strerror}")
    try:
        sock.setblocking(False)
        if source_ip is not None:
            try:
                if family == socket.AF_INET:
                    sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            except OSError:
                pass  # an older or another kernel: the port is chosen now
            try:
                sock.bind((source_ip, 0))
            except OSError as error:
                sock.close()
                return failed(Trouble.NO_CAPACITY, f"cannot send from {source_ip}: {error.strerror or error}")
        async with asyncio.timeout(timeouts.connect_s):
            await loop.sock_connect(sock, (address, port))
            _, connection = await loop.create_connection(lambda: Connection(loop, host, address, timeouts), sock=sock)
        return connection
    except TimeoutError:
        sock.close()
        return failed(Trouble.CONNECT_TIMEOUT, f"no connection within {timeouts.connect_s:g} s")
    except ConnectionRefusedError:
        sock.close()
        return failed(Trouble.REFUSED, "connection refused")
    except OSError as error:
        sock.close()
        return failed(Trouble.UNREACHABLE, error.strerror or str(error))
    except BaseException:
        sock.close()
        raise
