"""Support mail as it really goes: an MX door in, the platform's own recipe out, DKIM keys in a DNS of a test's own."""

import base64
import email
import email.policy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.message import EmailMessage
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from homing.accounts.book import AccountBook
from homing.domains.types import SigningKey
from homing.ground import db
from homing.ground.clock import SystemClock
from homing.ground.secrets import MasterKey
from homing.ingress.notices import Notices
from homing.spool.dkim import sign
from homing.spool.types import RawContent
from homing.support.cases import store
from homing.support.cases.mailroom import Mailroom, TooMuch
from homing.support.cases.post import Post
from homing.support.cases.types import Message
from tests.kit.cases import Bench
from tests.kit.hours import at
from tests.kit.http import RememberingQueue, make_accept
from tests.kit.moved_clock import MovedClock
from tests.kit.mx_door import OpenMx, open_mx

ADDRESS = "help@support.test"
BASE = "https://support.test"
MASTER_KEY = MasterKey(b"k" * 32)
TOKEN = partial(MASTER_KEY.token, purpose="support", size=16)


class Dns:
    """TXT records; `away` lets it fall silent."""

    def __init__(self) -> None:
        self.records: dict[str, str] = {}
        self.keys: dict[str, SigningKey] = {}

    def key(self, domain: str) -> SigningKey:
        """Return the key of a domain, published."""
        if domain not in self.keys:
            private = Ed25519PrivateKey.generate()
            raw = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
            self.records[f"s1._domainkey.{domain}"] = f"v=DKIM1; k=ed25519; p={base64.b64encode(raw).decode()}"
            self.keys[domain] = SigningKey(domain=domain, selector="s1", private=private)
        return self.keys[domain]

    async def look_up(self, name: str) -> tuple[str, ...]:
        found = self.records.get(name)
        return () if found is None else (found,)


class Town(Bench):
    """A bench with mail."""

    def __init__(self, pool: db.Pool, clock: MovedClock) -> None:
        super().__init__(pool, clock)
        self.dns = Dns()
        self.queue = RememberingQueue()
        self.mx: OpenMx
        system = SystemClock()
        self.notices = Notices(
            pool,
            make_accept(pool, self.queue, AccountBook(pool, system)),
            sender="",
            refuse_new=lambda: self.refuse,
            clock=system,
        )
        self.refuse: str | None = None
        self.mailroom = Mailroom(
            pool, self.desk, self.legal, system, address=ADDRESS, own=frozenset({"notices@here.test"}), token=TOKEN,
            look_up=self.dns.look_up,
        )  # fmt: skip
        self.office = Post(
            pool, self.desk, self.legal, self.notices, address=ADDRESS, base=BASE, token=TOKEN, numbers=["+15550100000"]
        )
        self._read = 0

    async def take(self, raw: bytes, *, mail_from: str, tag: str) -> bool:
        return not isinstance(await self.mailroom.take(raw, mail_from=mail_from, tag=tag), TooMuch)

    def mail(
        self,
        text: str,
        *,
        sender: str = "Kim <kim@acme.test>",
        subject: str = "Mail is slow",
        signed: bool = True,
        to: str = ADDRESS,
        **headers: str,
    ) -> bytes:
        """Return a mail as a customer's host sends it."""
        made = EmailMessage(policy=email.policy.SMTP)
        made["From"], made["To"], made["Subject"] = sender, to, subject
        made["Message-ID"] = headers.pop("message_id", f"<{abs(hash((text, subject, sender, to)))}@acme.test>")
        for name, value in headers.items():
            made[name.replace("_", "-")] = value
        made.set_content(text)
        raw = made.as_bytes()
        domain = sender.rpartition("@")[2].rstrip(">")
        return sign(raw, [self.dns.key(domain)], now=datetime.now(UTC)) + raw if signed else raw

    async def arrives(self, raw: bytes, *, to: str = ADDRESS, mail_from: str = "kim@acme.test") -> str:
        """Deliver a mail over SMTP; return the last reply."""
        line = await self.mx.connect()
        await line.say(b"EHLO mx.acme.test\r\n")
        await line.say(f"MAIL FROM:<{mail_from}>\r\n".encode())
        reply = await line.say(f"RCPT TO:<{to}>\r\n".encode())
        if reply.startswith("250"):
            await line.say(b"DATA\r\n")
            stuffed = raw.replace(b"\r\n.", b"\r\n..")
            reply = await line.say((stuffed if stuffed.endswith(b"\r\n") else stuffed + b"\r\n") + b".\r\n")
        line.close()
        return reply

    async def sent(self) -> list[EmailMessage]:
        """Let the post go out; return what it wrote since the last time."""
        while await self.office.turn():
            pass
        new, self._read = self.queue.chunks[self._read :], len(self.queue.chunks)
        return [_read(chunk.content) for chunk in new]

    async def messages(self, case_id: int) -> list[Message]:
        return await store.messages_of(self.pool, case_id)

    async def only_case(self) -> int:
        rows = await store.find(self.pool, account_id=None, limit=9)
        assert len(rows) == 1, rows
        return rows[0].case_id


def _read(content: object) -> EmailMessage:
    assert isinstance(content, RawContent), content
    return email.message_from_bytes(content.rfc822, policy=email.policy.default)  # type: ignore[return-value]


@asynccontextmanager
async def support_town(pool: db.Pool, folder: Path, begin: str) -> AsyncIterator[Town]:
    town = Town(pool, MovedClock(at(begin)))
    await town.settle_in()
    await pool.execute(
        "INSERT INTO sending_domains (domain, account_id, subaccount_id, shared, trusted) "
        "VALUES ('support.test', $1, 0, false, true)",
        town.account_id,
    )
    async with open_mx(pool, folder, support=(ADDRESS, town.take)) as mx:
        town.mx = mx
        yield town
