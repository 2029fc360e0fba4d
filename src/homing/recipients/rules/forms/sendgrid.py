"""SendGrid: what `GET /v3/suppression/...` and `GET /v3/asm/suppressions` answer, and the CSV files of its console.

    bounces, blocks        email, status, reason, created       they look alike, so the kind must be said
    invalid-emails         email, reason, created
    spam-reports           email, ip, created
    unsubscribes           email, created                       from everything
    group-unsubscribes     email, group_id, group_name, created_at

SendGrid itself goes on writing to addresses of blocks; whoever imports them decides otherwise.
"""

from collections.abc import Sequence

from homing.recipients.rules.forms.types import BOTH, MARKETING, Entry, Form, NotUsable, Record, Unreadable, moment_of, text_of
from homing.recipients.types import Source

KINDS = ("bounces", "blocks", "invalid-emails", "spam-reports", "unsubscribes", "group-unsubscribes")
_ADDRESS = ("email", "recipient", "emailaddress")


def guess(names: frozenset[str]) -> str:
    """Return the kind that the names tell."""
    if not names.intersection(_ADDRESS):
        raise Unreadable("no column or member is named email")
    if names & {"groupid", "groupname"}:
        return "group-unsubscribes"
    if "ip" in names:
        return "spam-reports"
    if "status" in names:
        raise Unreadable("bounces and blocks look alike; say which kind they are: bounces or blocks")
    if "reason" in names:
        return "invalid-emails"
    raise Unreadable("the file does not tell what it holds; say the kind: unsubscribes, or another of " + ", ".join(KINDS))


def translate(record: Record, kind: str) -> Sequence[Entry]:
    """Return the entry of a record."""
    who = text_of(record, *_ADDRESS)
    at = moment_of(record, "created", "createdat")
    if kind in ("bounces", "blocks", "invalid-emails"):
        status, reason = text_of(record, "status"), text_of(record, "reason")
        description = reason if not status or status in reason else f"{status} {reason}".strip()
        return (Entry(who, BOTH, Source.BOUNCE_RULE.value, description, "", at),)
    if kind == "spam-reports":
        return (Entry(who, BOTH, Source.SPAM_COMPLAINT.value, "", "", at),)
    if kind == "unsubscribes":
        return (Entry(who, BOTH, Source.UNSUBSCRIBE_LINK.value, "", "", at),)
    group = text_of(record, "groupid")
    if not group:
        raise NotUsable("it does not say of which group; export /v3/asm/suppressions, which does, or import it as unsubscribes")
    return (Entry(who, MARKETING, Source.UNSUBSCRIBE_LINK.value, text_of(record, "groupname"), group, at),)


FORM = Form("sendgrid", KINDS, guess, translate, frozenset({"suppressions", "result", "results"}))
