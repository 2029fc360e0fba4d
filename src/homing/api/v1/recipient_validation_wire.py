"""Recipient validation on the wire: verdicts, jobs, and the file in a form. Nothing is looked up here."""

from datetime import datetime
from email.message import Message
from typing import Any, NamedTuple

from homing.recipients.rules.forms.types import Unreadable
from homing.validation.store import PIECE, ValidationList
from homing.validation.types import Verdict

PATH = "/api/v1/recipient-validation"
_STATUS = {
    "uploaded": "awaiting_submission",
    "waiting": "queued_for_batch",
    "running": "performing_dns_lookup",
    "done": "success",
    "failed": "error",
}


class Form(NamedTuple):
    """A file that was uploaded. name: as the form says, or ''."""

    data: bytes
    name: str


def show(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as customers see it."""
    shown: dict[str, Any] = {"valid": verdict.valid, "result": verdict.result.value}
    if verdict.reason is not None:
        shown["reason"] = verdict.reason.value
    shown |= {
        "is_role": verdict.is_role,
        "is_disposable": verdict.is_disposable,
        "is_free": verdict.is_free,
        "delivery_confidence": verdict.delivery_confidence,
    }
    if verdict.did_you_mean:
        shown["did_you_mean"] = verdict.did_you_mean
    return shown


def show_job(one: ValidationList) -> dict[str, Any]:
    """Return a list as customers see it."""
    shown: dict[str, Any] = {
        "list_id": str(one.list_id),
        "customer_id": one.account_id,
        "address_count": one.addresses,
        "addresses_done": min(one.addresses, one.pieces_done * PIECE),
        "original_filename": one.name,
        "upload_timestamp": _seconds(one.uploaded_at),
        "complete": one.state in ("done", "failed"),
        "batch_status": _STATUS[one.state],
        "counts": one.counts,
    }
    if one.triggered_at is not None:
        shown["triggered_timestamp"] = _seconds(one.triggered_at)
    if one.state == "done":
        shown["uploaded_file"] = f"{PATH}/job/{one.list_id}/results"
    if one.subaccount_id:
        shown["subaccount_id"] = one.subaccount_id
    return shown


def unpacked(content_type: str, body: bytes) -> Form:
    """Return the file in a body: the body itself, or the first file of a form.

    raises   Unreadable
    """
    head = Message()
    head["content-type"] = content_type
    if head.get_content_type() != "multipart/form-data":
        return Form(body, "")
    boundary = head.get_param("boundary")
    if not isinstance(boundary, str) or not 0 < len(boundary) <= 200 or not boundary.isascii():
        raise Unreadable("the form names no boundary")
    mark = b"--" + boundary.encode()
    start = 0 if body.startswith(mark) else body.find(b"\r\n" + mark) + 2
    if start == 1:
        raise Unreadable("the form has no part")
    while True:
        start = body.find(b"\r\n", start + len(mark)) + 2
        rest = body.find(b"\r\n\r\n", start - 2, start + 8192)
        end = body.find(b"\r\n" + mark, max(start - 2, rest))
        if start == 1 or rest < 0 or end < 0:
            raise Unreadable("the form has no file; send the CSV as a part with a filename")
        part = Message()
        for line in body[start:rest].decode("utf-8", "replace").split("\r\n"):
            name, _, value = line.partition(":")
            if name.strip().lower() == "content-disposition":
                part["content-disposition"] = value.strip()
        file = part.get_filename()
        if file is not None:
            return Form(body[rest + 4 : end], file.replace("\0", "").encode("utf-8", "replace").decode())
        start = end + 2


def _seconds(at: datetime) -> int:
    return int(at.timestamp())
