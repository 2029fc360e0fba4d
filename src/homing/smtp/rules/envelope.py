"""The envelope of the message under way: sender, parameters, recipients."""

from homing.smtp import replies
from homing.smtp.replies import Reply
from homing.smtp.rules.paths import NO_PARAMETERS, check_recipient_parameters, read_mail_parameters, read_path
from homing.smtp.types import Mailbox


class Envelope:
    """What MAIL FROM and RCPT TO said since the last message or RSET."""

    __slots__ = ("_limit", "_tries", "has_sender", "parameters", "recipients", "reverse_path")

    def __init__(self, *, max_recipients: int) -> None:
        self._limit = max_recipients
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self.has_sender = False
        self.reverse_path = ""  # '' for the null path, too
        self.parameters = NO_PARAMETERS
        self.recipients: list[Mailbox] = []
        self._tries = 0

    def take_sender(self, argument: bytes, *, max_message_bytes: int) -> Reply:
        """Read `FROM:<path> parameters` and return its reply; only a 250 changes anything."""
        text = _after(argument, b"FROM:")
        if text is None:
            return replies.MAIL_SYNTAX
        path = read_path(text)
        if path is None:
            return replies.BAD_SENDER
        parameters = read_mail_parameters(path.rest) if path.rest else NO_PARAMETERS
        if isinstance(parameters, Reply):
            return parameters
        if not parameters.utf8 and not path.email.isascii():
            return replies.NEEDS_SMTPUTF8
        if parameters.size > max_message_bytes:
            return replies.TOO_LARGE
        self.has_sender = True
        self.reverse_path, self.parameters = path.email, parameters
        return replies.MAIL_OK

    def read_recipient(self, argument: bytes) -> Mailbox | Reply:
        """Read `TO:<path>`; a recipient that can be used is to be appended to `recipients` by whoever wants it."""
        text = _after(argument, b"TO:")
        if text is None:
            return replies.RCPT_SYNTAX
        if self._tries >= self._limit:
            return replies.TOO_MANY_RECIPIENTS
        self._tries += 1
        path = read_path(text)
        if path is None or not path.email:
            return replies.BAD_RECIPIENT
        if path.is_literal:
            return replies.RECIPIENT_LITERAL
        if path.rest and (refusal := check_recipient_parameters(path.rest)) is not None:
            return refusal
        if not self.parameters.utf8 and not path.email.isascii():
            return replies.NEEDS_SMTPUTF8
        return Mailbox(path.email, path.domain)


def _after(argument: bytes, keyword: bytes) -> str | None:
    """Return what follows FROM: or TO:, decoded; None where it does not begin so or is not UTF-8."""
    size = len(keyword)
    if argument[:size].upper() != keyword:
        return None
    try:
        return argument[size:].lstrip(b" ").decode()
    except UnicodeDecodeError:
        return None
