"""From what an SMTP client handed in to a Transmission: header fields read, X-MSYS-API obeyed, trace header written.

Source: SparkPost reference, section 2.31; RFC 5321 section 4.4 (Received) and 6.3 (loops); RFC 6409 section 8 (Date and
Message-ID may be added by who takes a submission).
"""

from homing.ingress import answers
from homing.ingress.rules.content import MOST_HEADERS
from homing.ingress.rules.msys_header import NOTHING_ASKED, ApiHeader, read_api_header
from homing.ingress.types import Recipient, Transmission
from homing.message.addresses import Address, BadAddress, split_mailboxes
from homing.message.headers import write_mailboxes
from homing.message.lines import has_long_line
from homing.message.list_ids import list_of
from homing.message.scan import MAX_HOPS, Scan, scan, without
from homing.smtp import replies
from homing.smtp.replies import Reply
from homing.smtp.trace import Arrival, received
from homing.smtp.types import Mail, Mailbox
from homing.spool.types import RawContent, RecipientDetail

SUBJECT_LETTERS = 1000  # of a subject that events keep
# Bcc would tell every recipient of the hidden ones; Return-Path is for the last host alone (RFC 5321 section 4.4).
_NOT_PASSED_ON = frozenset({b"x-msys-api", b"bcc", b"resent-bcc", b"return-path"})


def to_transmission(mail: Mail, arrival: Arrival, *, date: str) -> Transmission | Reply:
    """Return what `accept` wants of a message, or the reply that refuses it.

    date   of now, as RFC 5322 section 3.3 writes it
    """
    if (len(mail.body) if (end := mail.body.find(b"\r\n\r\n")) < 0 else end) > MOST_HEADERS:
        return replies.HEADER_TOO_LARGE
    found = scan(mail.body)
    if found.malformed is not None or not found.fields:
        return replies.BAD_HEADER
    if found.hops > MAX_HOPS:
        return replies.LOOP
    author = _author(found)
    if isinstance(author, Reply):
        return author
    asked = _asked(found)
    if isinstance(asked, Reply):
        return asked
    dropped = _NOT_PASSED_ON
    added = [received(mail, arrival, date).encode()]
    if not found.has_date:
        added.append(f"Date: {date}\r\n".encode())
    if not found.has_message_id:
        added.append(f"Message-ID: <{arrival.token}.{mail.number}@{arrival.hostname}>\r\n".encode())
    if asked.copies:
        if not _has_one_address(found.values(b"to")):
            return answers.COPIES_NEED_ONE_TO
        visible = [(copy.name or None, copy.email) for copy in asked.copies if copy.kind == "cc"]
        if visible:
            added.append(write_mailboxes("Cc", visible))
            dropped |= {b"cc"}
    passed_on = without(found, dropped)
    rfc822 = b"".join((*added, passed_on))
    # Only what nothing was dropped from is known to have the one From that was read above, and every field as scanned.
    plain = passed_on is found.raw and found.raw[: found.header_end].isascii() and not has_long_line(rfc822)
    lists = found.values(b"list-id")
    return Transmission(
        recipients=_recipients(mail.recipients, asked),
        content=RawContent(rfc822=rfc822, plain=plain),
        recv_method="esmtp",
        from_email=author.text,
        sending_domain=author.domain,
        subject=replies.printable(found.subject, SUBJECT_LETTERS),
        campaign_id=asked.campaign_id,
        return_path=mail.reverse_path or None,
        ip_pool=asked.ip_pool.lower() if asked.ip_pool else None,
        transactional=asked.transactional,
        skip_suppression=asked.skip_suppression,
        open_tracking=asked.open_tracking,
        click_tracking=asked.click_tracking,
        initial_open=asked.initial_open,
        inline_css=asked.inline_css,
        unset=asked.unset,
        dkim_key=asked.dkim_key,
        metadata=asked.metadata,
        own_list_id=list_of(lists[0]) if len(lists) == 1 else "",
        size_bytes=len(rfc822),
    )


def _author(found: Scan) -> Address | Reply:
    """Return the one address of the one From header: its domain is what must be a verified sending domain."""
    try:
        return found.sender()
    except BadAddress:
        count = found.count(b"from")
        return answers.BAD_FROM if count == 1 else answers.TWO_FROMS if count else answers.NO_FROM


def _asked(found: Scan) -> ApiHeader | Reply:
    count = found.count(b"x-msys-api")
    if not count:
        return NOTHING_ASKED
    return read_api_header(found.msys_api[0]) if count == 1 else answers.TWO_API_HEADERS


def _has_one_address(values: list[str]) -> bool:
    try:
        return len(values) == 1 and len(split_mailboxes(values[0])) == 1
    except BadAddress:
        return False


def _recipients(mailboxes: list[Mailbox], asked: ApiHeader) -> list[Recipient]:
    """Return everybody once, first the envelope's, then the copies."""
    given = [Recipient(mailbox.email, mailbox.domain) for mailbox in mailboxes]
    if len(given) > 1:
        given = list({recipient.email.lower(): recipient for recipient in reversed(given)}.values())[::-1]
    if asked.tags:
        own = RecipientDetail(tags=asked.tags)
        given = [Recipient(recipient.email, recipient.domain, own) for recipient in given]
    if not asked.copies:
        return given
    known = {recipient.email.lower() for recipient in given}
    copies = [
        Recipient(
            copy.email,
            copy.domain,
            RecipientDetail(
                tags=asked.tags,
                rcpt_type=copy.kind,
                extra_headers=(("Bcc", copy.email),) if copy.kind == "bcc" else (),
            ),
        )
        for copy in asked.copies
        if copy.email.lower() not in known
    ]
    return given + copies
