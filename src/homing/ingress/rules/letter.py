"""A whole mail of the platform's own: plain text, with the fields that a thread of mails needs, and files.

Unlike content of customers it holds no template language: what a person wrote in a subject stays as it is.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from homing.message.addresses import parse_address
from homing.spool.types import Part

_NOT_IN_A_FIELD = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_POLICY = SMTP.clone(max_line_length=78, cte_type="7bit")


def letter(
    to: str,
    *,
    sender: tuple[str, str],
    subject: str,
    text: str,
    headers: Mapping[str, str],
    attachments: Sequence[Part],
    hostname: str,
    now: datetime,
) -> bytes:
    """Return a mail with CRLF line ends, a Date and a Message-ID.

    to, sender   addresses, checked; the sender with a name, or ''
    headers      further fields; `Message-ID` takes the place of our own
    hostname     the right side of our own Message-ID
    """
    mail = EmailMessage(policy=_POLICY)
    name, address = sender
    author = parse_address(address)
    mail["From"] = Address(display_name=_line(name), username=author.local, domain=author.domain)
    reader = parse_address(to)
    mail["To"] = Address(username=reader.local, domain=reader.domain)
    mail["Subject"] = _line(subject)
    mail["Date"] = format_datetime(now)
    for field, value in headers.items():
        mail[field] = _line(value)
    if "Message-ID" not in mail:
        mail["Message-ID"] = f"<{now.timestamp():.6f}.{hashlib.sha256(f'{to} {subject}'.encode()).hexdigest()[:16]}@{hostname}>"
    mail.set_content(_text(text), subtype="plain", charset="utf-8", cte="quoted-printable")
    for part in attachments:
        major, _, minor = part.type.partition("/")
        mail.add_attachment(part.data, maintype=major, subtype=minor or "octet-stream", filename=_line(part.name), cte="base64")
    return mail.as_bytes(policy=_POLICY)


def _line(text: str) -> str:
    return _NOT_IN_A_FIELD.sub(" ", text).strip()


def _text(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8").replace("\x00", "")
