"""What POST /api/v1/transmissions says of itself in the OpenAPI document."""

from typing import Any

from homing.api.openapi import Limit, Operation, Schema
from homing.api.schemas import Texts, components, ref
from homing.api.v1 import content_pages
from homing.ingress.rules.content import PartIn
from homing.ingress.rules.problem import Problem, bad_params, missing
from homing.ingress.rules.recipients import (
    MOST_METADATA,
    MOST_NESTING,
    MOST_RECIPIENTS,
    MOST_SUBSTITUTION,
    MOST_TAG,
    MOST_TAGS,
    AddressIn,
    ListIn,
    RecipientIn,
)
from homing.ingress.rules.transmission import MOST_CAMPAIGN_ID, MOST_DESCRIPTION, MOST_POOL, BodyIn, OptionsIn, content_too_large
from homing.spool.types import MOST_INLINED

MOST_CONTENT = 20_971_520  # bytes, unless the operator says otherwise
NUM_RCPT_ERRORS = "num_rcpt_errors"
_NAMES: dict[type, str] = {
    BodyIn: "Transmission",
    OptionsIn: "TransmissionOptions",
    RecipientIn: "Recipient",
    AddressIn: "Address",
    ListIn: "StoredList",
    **content_pages.NAMES,
}
_TEXTS: dict[type, Texts] = {
    **content_pages.TEXTS,
    BodyIn: {
        "recipients": "a list of recipients, or an object that names a stored list",
        "content": "what is sent: inline members, a stored template, or a whole message",
        "campaign_id": "groups messages in events and metrics; scheduled mail can be cancelled by it",
        "description": "for you",
        "metadata": "goes with every event, and into templates; what a recipient says wins",
        "substitution_data": "values for templates; what a recipient says wins",
        "return_path": "envelope sender on a verified bounce domain; its local part is replaced",
        "options": "how it is sent",
        "tracking_domain": "the verified tracking domain that its links lead over",
        "override": "what takes the place of members of the content or template",
    },
    OptionsIn: {
        "start_time": "when to begin, YYYY-MM-DDTHH:MM:SS+-HH:MM; at most 3 days ahead",
        "open_tracking": "a pixel that tells of opens",
        "initial_open": "a second pixel, at the top",
        "click_tracking": "links lead over the tracking site",
        "transactional": "not marketing: suppressions of type non_transactional do not count",
        "sandbox": "send template `my-first-email` from the domain of the sandbox, 5 messages ever; where there is one",
        "skip_suppression": "send to suppressed recipients too",
        "ip_pool": "pool of source IPs",
        "inline_css": "move the CSS of style elements in HTML into the elements that it is meant for",
        "perform_substitutions": "false: bodies are sent as they are; headers are still substituted",
        "dkim_key": "id of the key that signs",
    },
    RecipientIn: {
        "address": "an address, or an object",
        "return_path": "in place of the transmission's",
        "tags": "go with every event",
        "metadata": "goes with every event, and into templates",
        "substitution_data": "values for templates",
    },
    AddressIn: {"email": "where it goes", "name": "for the To header", "header_to": "the To header, in place of the address"},
    ListIn: {"list_id": "id of a stored recipient list"},
}
_RESULTS: Schema = {
    "type": "object",
    "required": ["results"],
    "properties": {
        "results": {
            "type": "object",
            "required": ["id", "total_accepted_recipients", "total_rejected_recipients"],
            "properties": {
                "id": {"type": "string", "pattern": "^[0-9]+$"},
                "total_accepted_recipients": {"type": "integer"},
                "total_rejected_recipients": {"type": "integer"},
                "rcpt_to_errors": {"type": "array", "items": {"type": "object"}},
            },
        },
        "errors": {"type": "array", "items": {"type": "object"}},
    },
}


def _schemas() -> dict[str, Any]:
    made = components(
        _NAMES,
        _TEXTS,
        required={
            BodyIn: ("recipients", "content"),
            RecipientIn: ("address",),
            AddressIn: ("email",),
            ListIn: ("list_id",),
            PartIn: ("name", "type", "data"),
        },
    )
    members = made["Transmission"]["properties"]
    listed = {"type": "array", "items": ref("Recipient"), "minItems": 1, "maxItems": MOST_RECIPIENTS}
    members["recipients"] = {"oneOf": [listed, ref("StoredList")], "description": members["recipients"]["description"]}
    return made


SCHEMAS = _schemas()
EXAMPLE: dict[str, Any] = {
    "campaign_id": "spring",
    "options": {"open_tracking": True, "click_tracking": True, "transactional": False},
    "metadata": {"run": "17"},
    "substitution_data": {"shop": "Acme"},
    "recipients": [
        {
            "address": {"email": "kim@there.test", "name": "Kim"},
            "tags": ["vip"],
            "metadata": {"uid": "7"},
            "substitution_data": {"first": "Kim"},
        },
        {"address": "lee@there.test", "substitution_data": {"first": "Lee"}},
    ],
    "content": {
        **content_pages.EXAMPLE,
        "attachments": [{"name": "terms.txt", "type": "text/plain; charset=UTF-8", "data": "dGVybXM="}],
    },
}
RECIPIENT_LIMITS = (
    Limit("metadata", MOST_METADATA, "bytes of JSON", "422 (2007)"),
    Limit("substitution_data", MOST_SUBSTITUTION, "bytes of JSON", "422 (2002)"),
    Limit("depth of metadata and substitution_data", MOST_NESTING, "levels", "422 (1300)"),
    Limit("tags of a recipient", MOST_TAGS, "tags", "ignored"),
    Limit("tag", MOST_TAG, "bytes", "the recipient is left out"),
)
BAD_COUNT = bad_params(f"{NUM_RCPT_ERRORS} must be a number")


def operation(*, most_reported: int, refusals: tuple[Problem, ...]) -> Operation:
    """Return what the route says of itself.

    refusals   of admission, one of each
    """
    return Operation(
        "Send a message to up to 50,000 recipients",
        {200: ("the mail is durably queued; some recipients may have been left out (code 2000)", _RESULTS)},
        description=(
            "Answers once content, queue entries and injection events are on disk. Recipient data wins over transmission data. "
            "One recipient that cannot be used does not refuse the others: it is left out and listed in rcpt_to_errors."
        ),
        parameters=(
            {
                "name": NUM_RCPT_ERRORS,
                "in": "query",
                "schema": {"type": "integer", "minimum": 0, "maximum": 999_999_999, "default": most_reported},
                "description": "most recipient errors that the answer lists",
            },
        ),
        body=ref("Transmission"),
        large=True,
        schemas=SCHEMAS,
        errors=(
            missing("content object or template_id required"),
            BAD_COUNT,
            content_too_large(MOST_CONTENT),
            Problem(422, "metadata too large", f"metadata must be at most {MOST_METADATA} bytes of JSON", "2007"),
            Problem(
                422, "substitution data too large", f"substitution_data must be at most {MOST_SUBSTITUTION} bytes of JSON", "2002"
            ),
            Problem(422, "Subresource not found", "ab_test_id 'x' does not exist", "1603"),
            *content_pages.ERRORS,
            *refusals,
        ),
        limits=(
            Limit("recipients", MOST_RECIPIENTS, "recipients", "422 (1300)"),
            Limit("content of a call that is larger than this", MOST_CONTENT, "bytes", "413"),
            Limit("campaign_id", MOST_CAMPAIGN_ID, "bytes", "422 (1300)"),
            Limit("description", MOST_DESCRIPTION, "bytes", "422 (1300)"),
            Limit("content.html with options.inline_css", MOST_INLINED, "bytes", "422 (1300)"),
            Limit("options.ip_pool", MOST_POOL, "characters", "422 (1300)"),
            Limit("options.start_time", 3, "days ahead", "422 (1300)"),
            *RECIPIENT_LIMITS,
            *content_pages.LIMITS,
        ),
        example=EXAMPLE,
    )
