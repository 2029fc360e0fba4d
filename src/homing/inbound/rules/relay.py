"""What is posted of an inbound mail, when it is tried again, and the events of its way (SparkPost reference, 2.12 and 4.4)."""

import base64
from datetime import datetime, timedelta
from typing import Any

import msgspec

from homing.events.detail import iso
from homing.events.rules.reason import masked
from homing.events.types import Event, EventType
from homing.inbound.relay_types import RelayMail
from homing.inbound.rules.returned import addresses_in
from homing.message.addresses import BadAddress, split_mailboxes
from homing.message.mime import leaves
from homing.message.scan import Scan, unfold
from homing.message.words import decode_words

MOST_TRIES = 7
FIRST_WAIT = timedelta(seconds=300)
FACTOR = 3
LONGEST_WAIT = timedelta(hours=8)
MOST_HEADER = 524_288  # octets of header fields; a mail with more is not taken
_MOST_LISTED = 1_000  # addresses of To and of Cc
_RETURN_PATH = b"return-path"


def next_try(tries: int, now: datetime) -> datetime | None:
    """Return when a mail is posted again, or None after the last try: waits of 5, 15, 45, 135, 405 and 480 minutes.

    tries   failed ones, 1 or more
    """
    return None if tries >= MOST_TRIES else now + min(FIRST_WAIT * FACTOR ** (tries - 1), LONGEST_WAIT)


def with_trace(raw: bytes, *, mail_from: str, received: str) -> bytes:
    """Return a mail as its last host keeps it: Return-Path first (RFC 5321 section 4.4), then our Received field."""
    head_end = raw.find(b"\r\n\r\n")
    fields = Scan(raw[: len(raw) if head_end < 0 else head_end + 2]).fields
    if any(name == _RETURN_PATH for name, _ in fields):
        kept = b"".join(field + b"\r\n" for name, field in fields if name != _RETURN_PATH)
        raw = kept + (b"" if head_end < 0 else raw[head_end + 2 :])
    return f"Return-Path: <{mail_from}>\r\n{received}".encode() + raw


def payload(raw: bytes, mail: RelayMail, webhook_id: int) -> bytes:
    """Return the body of a post: an array of one relay_message.

    raw   the mail as it is kept, up to 20 MB: run it in a thread when it is long
    """
    message = Scan(raw)
    html = text = ""
    for part in leaves(message):
        if "attachment" in next(iter(part.head.values(b"content-disposition")), "")[:40].lower():
            continue
        if part.kind == "text/html":
            html = part.words(len(part.body))
        elif part.kind == "text/plain":
            text = part.words(len(part.body))
    try:
        rfc822, is_base64 = raw.decode("utf-8"), False
    except UnicodeDecodeError:
        rfc822, is_base64 = base64.b64encode(raw).decode("ascii"), True
    content: dict[str, Any] = {
        "email_rfc822": rfc822,
        "email_rfc822_is_base64": is_base64,
        "headers": [{_name(field): unfold(field)} for name, field in message.fields if name],
        "html": html,
        "text": text,
        "subject": message.subject,
        "to": _addresses(message, b"to"),
        "cc": _addresses(message, b"cc"),
    }
    told = {
        "content": content,
        "customer_id": str(mail.account_id),
        "friendly_from": next(iter(_addresses(message, b"from")), mail.mail_from),
        "msg_from": mail.mail_from,
        "rcpt_to": mail.rcpt_to,
        "webhook_id": str(webhook_id),
        "protocol": "smtp",
    }
    return msgspec.json.encode([{"msys": {"relay_message": told}}])


def sample(domain: str, *, account_id: int, webhook_id: int, now: datetime) -> bytes:
    """Return the body of a trial post: a short mail to the domain."""
    raw = (
        f"Return-Path: <sender@example.com>\r\nFrom: Sender <sender@example.com>\r\nTo: test@{domain}\r\n"
        "Subject: Test of a relay webhook\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
        "This is a test.\r\n"
    ).encode()
    mail = RelayMail(
        mail_id=b"",
        domain=domain,
        account_id=account_id,
        subaccount_id=0,
        mail_from="sender@example.com",
        rcpt_to=f"test@{domain}",
        recv_method="esmtp",
        size_bytes=len(raw),
        received_at=now,
    )
    return payload(raw, mail, webhook_id)


def injected(mail: RelayMail) -> Event:
    """A mail was taken."""
    return _event(EventType.RELAY_INJECTION, mail, mail.received_at, {})


def delivered(mail: RelayMail, *, now: datetime) -> Event:
    """The target took the mail."""
    return _event(EventType.RELAY_DELIVERY, mail, now, _tried(mail, now))


def failed(mail: RelayMail, *, now: datetime, reason: str, code: str, final: bool) -> Event:
    """A post failed: for now, or for good. mail.tries does not count it yet; code: the HTTP status, '' without an answer."""
    own = {**_tried(mail, now), "reason": masked(reason), "raw_reason": reason}
    if code:
        own["error_code"] = code
    return _event(EventType.RELAY_PERMFAIL if final else EventType.RELAY_TEMPFAIL, mail, now, own)


def rejected(mail: RelayMail, *, reason: str, code: str, remote_addr: str) -> Event:
    """A mail for an inbound domain was refused after it had come."""
    own = {
        "reason": masked(reason),
        "raw_reason": reason,
        "error_code": code,
        "bounce_class": "50",
        "remote_addr": remote_addr,
    }
    return _event(EventType.RELAY_REJECTION, mail, mail.received_at, own)


def _tried(mail: RelayMail, now: datetime) -> dict[str, Any]:
    waited_ms = max(0, round((now - mail.received_at).total_seconds() * 1000))
    return {"queue_time": str(waited_ms), "num_retries": str(mail.tries), "delv_method": "http"}


def _event(kind: EventType, mail: RelayMail, at: datetime, own: dict[str, Any]) -> Event:
    detail: dict[str, Any] = {
        "relay_id": mail.mail_id.hex(),
        "origination": "inbound",
        "msg_from": mail.mail_from,
        "msg_size": str(mail.size_bytes),
        "recv_method": mail.recv_method,
        "injection_time": iso(mail.received_at),
        **own,
    }
    recipient = mail.rcpt_to.lower()
    if recipient != mail.rcpt_to:
        detail["raw_rcpt_to"] = mail.rcpt_to
    return Event(
        type=kind,
        at=at,
        account_id=mail.account_id,
        subaccount_id=mail.subaccount_id,
        message_id=mail.mail_id,
        transmission_id=None,
        recipient=recipient,
        recipient_domain=mail.domain,
        campaign_id="",
        detail=msgspec.json.encode(detail),
    )


def _name(field: bytes) -> str:
    return field.partition(b":")[0].rstrip(b" \t").decode("ascii")


def _addresses(message: Scan, name: bytes) -> list[str]:
    """Return the addresses of a field, as they are written where they can be told from each other."""
    found: list[str] = []
    for value in message.values(name):
        try:
            found += [decode_words(email) for _, email in split_mailboxes(value[:MOST_HEADER])]
        except BadAddress:
            found += addresses_in(value)
    return found[:_MOST_LISTED]
