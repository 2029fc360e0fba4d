"""Feedback reports: RFC 5965 and what providers sent before it (Hotmail's JMRP)."""

from homing.inbound.types import Kind, Report
from homing.message.lines import normalise_line_ends
from homing.message.mime import Part
from homing.message.scan import Scan, split_fields, unfold

FEEDBACK_PARTS = ("message/feedback-report", "message/feedback-report+json")
_ABOUT_PEOPLE = ("abuse", "fraud", "virus", "other", "spam", "miscategorized", "unsolicited")
_JMRP_SUBJECT = "complaint about message from"


def read_report(part: Part) -> tuple[Report, list[str]]:
    """Return what a feedback part says, and the texts of its fields that may name a return path of ours."""
    fields: dict[str, str] = {}
    paths: list[str] = []
    for name, field in split_fields(normalise_line_ends(part.octets()).strip(b"\r\n") + b"\r\n"):
        value = unfold(field)[:2000]
        fields.setdefault(name.decode("latin-1"), value)
        if name in (b"original-mail-from", b"original-envelope-id", b"removal-recipient", b"authentication-results"):
            paths.append(value)
    kind = fields.get("feedback-type", "abuse").partition(";")[0].strip().lower()
    return Report(feedback_type=kind[:40] or "abuse", reporter=fields.get("user-agent", "")[:200]), paths


def jmrp(head: Scan, parts: list[Part], sender: str) -> Report | None:
    """Return the complaint that a mail of Hotmail's junk mail reporting is, or None if it is none.

    It is no ARF: a subject, and the message as an attachment, with the recipient in a field that Hotmail adds.
    """
    if not any(part.kind == "message/rfc822" for part in parts):
        return None
    named = any(b"x-hmxmroriginalrecipient:" in part.octets().lower() for part in parts if part.kind == "message/rfc822")
    if named or head.subject.lower().startswith(_JMRP_SUBJECT):
        return Report(feedback_type="abuse", reporter=sender.rpartition("@")[2])
    return None


def kind_of(report: Report) -> Kind:
    """Return what follows from a report: reports about authentication say nothing about a recipient."""
    if report.feedback_type in ("not-spam", "not_spam", "notspam"):
        return Kind.NOT_SPAM
    if report.feedback_type in ("opt-out", "opt-out-list", "unsubscribe"):
        return Kind.OPT_OUT
    return Kind.COMPLAINT if report.feedback_type in _ABOUT_PEOPLE else Kind.OTHER
