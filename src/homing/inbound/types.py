"""What a mail that came back can be, and what it says of the message it is about."""

from enum import StrEnum

import msgspec


class Kind(StrEnum):
    """What a mail that came back is."""

    BOUNCE = "bounce"  # a recipient will not get the message
    DELAYED = "delayed"  # the other side is still trying: nothing has happened yet
    DELIVERED = "delivered"  # delivered, relayed or expanded: nothing to do
    COMPLAINT = "complaint"  # the recipient called it spam
    NOT_SPAM = "not_spam"  # the recipient took it out of the spam folder
    OPT_OUT = "opt_out"  # a feedback report that asks to be taken off a list
    AUTO_REPLY = "auto_reply"  # vacation notes, ticket systems, read receipts
    CHALLENGE = "challenge"  # "prove that you are human, then I deliver"
    UNSUBSCRIBE = "unsubscribe"  # a person or a mail program asks to be taken off
    OTHER = "other"  # a reply by a person, or nothing that we can read


class Failure(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What a report says about one recipient.

    recipient   as the report names it, lower case, '' where it names none
    original    the recipient as the sender wrote it (Original-Recipient), lower case, '' where unknown
    action      failed, delayed, delivered, relayed or expanded
    status      enhanced code such as 5.1.1, '' where there is none
    text        the reason: what the other host said, or what its report says; at most 1,000 characters
    remote      the host that refused, '' where unknown
    """

    recipient: str = ""
    original: str = ""
    action: str = "failed"
    status: str = ""
    text: str = ""
    remote: str = ""


class Returned(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What is seen of the message that a mail is about. None of it is proven: anybody can write it.

    message_ids   right and left side, without angles, in order of appearance
    msfbl         values of X-MSFBL
    paths         addresses that look like return paths of ours
    recipients    whom it was for, lower case
    keepsakes     words that look like keepsakes of ours, of its List-Unsubscribe
    """

    message_ids: tuple[str, ...] = ()
    msfbl: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    keepsakes: tuple[str, ...] = ()


class Report(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A feedback report (RFC 5965).

    feedback_type   abuse, fraud, virus, other, not-spam, opt-out, auth-failure ...; lower case
    reporter        who reports: the User-Agent or the sender's domain
    """

    feedback_type: str
    reporter: str = ""


class Reading(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What a mail says.

    failures   for bounces and delays, at least one
    report     for complaints, not-spam and opt-out
    subject    decoded, at most 200 characters
    keepsakes  words that look like keepsakes of ours, of the whole subject
    sender     address of the From field, lower case, '' where there is none
    """

    kind: Kind
    failures: tuple[Failure, ...] = ()
    report: Report | None = None
    returned: Returned = Returned()
    subject: str = ""
    sender: str = ""
    keepsakes: tuple[str, ...] = ()
