"""Replies about injection: what the SMTP door says of a message that customers hand in.

Texts follow the SparkPost reference, section 2.31.1, where it observed one.
"""

from typing import assert_never

from homing.evidence.types import FaultTag
from homing.ground.ids import to_digits
from homing.ingress.types import Accepted, Refusal, Refused
from homing.smtp.replies import NO_RECIPIENTS, Reason, Reply, no, printable

TWO_API_HEADERS = no(550, "5.6.0", "message has more than one X-MSYS-API header", Reason.CONTENT)
COPIES_NEED_ONE_TO = no(
    550, "5.6.0", "X-MSYS-API 'cc', 'bcc' and 'archive' need a To header with exactly one address", Reason.CONTENT
)
NO_FROM = no(550, "5.6.0", "message needs one From header; its domain must be a verified sending domain", Reason.CONTENT)
TWO_FROMS = no(550, "5.6.0", "message has more than one From header", Reason.CONTENT)
BAD_FROM = no(550, "5.6.0", "From header cannot be read; write From: Name <local@domain>", Reason.CONTENT)


def bad_api_header(text: str) -> Reply:
    """Return the refusal of an X-MSYS-API header; SparkPost reference, section 2.31.1."""
    return no(550, "5.6.0", printable(text, 300), Reason.CONTENT)


def accepted(outcome: Accepted) -> Reply:
    """Return the answer that hands responsibility over to us; its digits are the transmission id, for tracing."""
    return Reply(250, f"250 2.0.0 OK {to_digits(outcome.transmission_id)}\r\n".encode(), FaultTag.NONE, Reason.OK)


def refused(outcome: Refused) -> Reply:
    """Word admission's refusal for SMTP."""
    what = printable(outcome.subject)
    match outcome.reason:
        case Refusal.UNVERIFIED_DOMAIN:
            text = f"Unconfigured Sending Domain <{what}>"
        case Refusal.NO_SENDING_DOMAIN:
            return BAD_FROM
        case Refusal.RETURN_PATH_DOMAIN:
            return no(550, "5.1.8", f"Unconfigured Bounce Domain <{what}>", Reason.POLICY)
        case Refusal.UNKNOWN_POOL:
            text = f"X-MSYS-API 'options.ip_pool': there is no pool <{what}>"
            return no(550, "5.6.0", text, Reason.POLICY)
        case Refusal.UNKNOWN_DKIM_KEY:
            text = f"X-MSYS-API 'options.dkim_key': there is no key <{what}>"
            return no(550, "5.6.0", text, Reason.POLICY)
        case Refusal.UNVERIFIED_DKIM_KEY:
            text = f"X-MSYS-API 'options.dkim_key': the key <{what}> is not verified"
            return no(550, "5.6.0", text, Reason.POLICY)
        case Refusal.POOL_OF_SUBACCOUNT:
            text = "X-MSYS-API 'options.ip_pool': this subaccount has a pool assigned; leave the option away"
            return no(550, "5.6.0", text, Reason.POLICY)
        case Refusal.NO_RECIPIENTS:
            return NO_RECIPIENTS
        case Refusal.HOURLY_LIMIT | Refusal.DAILY_LIMIT | Refusal.MONTHLY_LIMIT:
            return no(450, "4.7.1", f"Exceed Sending Limit ({what}); try again when the next period begins", Reason.LIMIT)
        case Refusal.SUSPENDED:
            text = "this account or subaccount is suspended and cannot send"
        case Refusal.START_TIME:
            text = "the start time cannot be used"
        case (
            Refusal.UNKNOWN_LIST
            | Refusal.LIST_OF_SUBACCOUNT
            | Refusal.UNKNOWN_TEMPLATE
            | Refusal.NO_DRAFT
            | Refusal.NOT_PUBLISHED
            | Refusal.UNKNOWN_TRACKING_DOMAIN
            | Refusal.UNKNOWN_AB_TEST
            | Refusal.NO_SANDBOX
            | Refusal.SANDBOX_TEMPLATE
            | Refusal.SANDBOX_LIMIT
        ):
            text = "stored lists, templates and tracking domains cannot be named over SMTP"
        case _:
            assert_never(outcome.reason)
    return no(550, "5.7.1", text, Reason.POLICY)
