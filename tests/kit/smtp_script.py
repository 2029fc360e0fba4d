"""Drives the SMTP server dialogue without a socket: octets in, what it wrote and what it handed over out."""

from homing.accounts.authenticate import acting_as
from homing.accounts.types import Sender
from homing.smtp import replies
from homing.smtp.rules.collect import Budget
from homing.smtp.rules.dialogue import Session
from homing.smtp.rules.tried import Tried
from homing.smtp.types import Accept, Action, Authenticate, CheckRecipient, Close, Mail, Offer, Peer, StartTls

AUTH_LINE = b"AUTH PLAIN AFNNVFBfSW5qZWN0aW9uADAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc=\r\n"  # of KEY
KEY = "0123456789abcdef0123456789abcdef01234567"
OWNER = Sender(account_id=7, key_id=1, grants=frozenset({"smtp/inject"}), acts_for_all=True)
SUBACCOUNT_KEY = "f" * 40
SUBACCOUNT = Sender(account_id=7, subaccount_id=3, key_id=2, grants=frozenset({"smtp/inject"}), pinned=True)
NO_GRANT_KEY = "e" * 40
KEYS = {KEY: OWNER, SUBACCOUNT_KEY: SUBACCOUNT, NO_GRANT_KEY: Sender(account_id=7, grants=frozenset({"metrics/view"}))}
TAKEN = replies.reply(250, "2.0.0", "OK 1", replies.Reason.OK)
LOOPBACK = Peer("127.0.0.1", 40000, True)
STRANGER = Peer("203.0.113.9", 40000, False)


class Script:
    """A conversation whose requests are answered at once.

    wrote    every octet that the server wrote
    mails    what it handed over
    """

    def __init__(
        self,
        *,
        peer: Peer = LOOPBACK,
        trusted: Sender | None = None,
        size: int = 100_000,
        memory: int = 10_000_000,
        refuse: str | None = None,
        has_tls: bool = True,
        answer: replies.Reply | None = None,
        auth_trouble: replies.Reply | None = None,
        tried: Tried | None = None,
        **offer: int,
    ) -> None:
        self.budget = Budget(memory)
        self.refuse = refuse
        self.answer = answer or TAKEN
        self.auth_trouble = auth_trouble
        self.session = Session(
            Offer(hostname="mx.homing.test", has_tls=has_tls, max_message_bytes=size, **offer),
            peer=peer,
            budget=self.budget,
            refuse_new=lambda: self.refuse,
            trusted=trusted,
            tried=tried,
        )
        self.wrote = b""
        self.mails: list[Mail] = []
        self.closed = False
        self.handshakes = 0

    def say(self, data: bytes) -> list[str]:
        """Feed octets; return the lines that were written in answer."""
        before = len(self.wrote)
        self._obey(self.session.feed(data))
        return self.wrote[before:].decode().splitlines()

    def codes(self, data: bytes) -> list[str]:
        """Feed octets; return each answer's code and enhanced code, for example `250 2.0.0`."""
        return [" ".join(line.split()[:2]) if line[3:4] == " " else line[:4] for line in self.say(data)]

    def _obey(self, actions: list[Action]) -> None:
        for number, action in enumerate(actions, 1):
            if isinstance(action, replies.Reply):
                self.wrote += action.wire
                continue
            assert number == len(actions), "a request or Close comes last"
            match action:
                case Close():
                    self.closed = True
                case StartTls():
                    self.handshakes += 1
                    self.session.tls_started()
                case Authenticate(credentials=shown):
                    found = KEYS.get(shown.key)
                    if found is not None:
                        found = acting_as(found, None if shown.subaccount is None else str(shown.subaccount))
                    self._obey(self.session.auth_answered(self.auth_trouble or found, shown))
                case CheckRecipient(mailbox=mailbox):
                    known = mailbox.domain == "here.test"
                    self._obey(self.session.recipient_answered(replies.RCPT_OK if known else replies.RELAYING_DENIED))
                case Accept(mail=mail):
                    self.mails.append(mail)
                    self._obey(self.session.mail_answered(self.answer))
