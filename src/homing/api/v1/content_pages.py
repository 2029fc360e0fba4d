"""What is said of `content` in the OpenAPI document: its members, the errors it can have, its limits."""

from typing import Any

from homing.api.openapi import Limit
from homing.api.schemas import Texts
from homing.ingress.rules.content import (
    MOST_FROM,
    MOST_HEADERS,
    MOST_NAME,
    NO_SENDING_DOMAIN,
    ContentIn,
    FromIn,
    OverrideIn,
    PartIn,
)
from homing.ingress.rules.problem import Problem, bad_combination, bad_header, bad_type, missing

NAMES: dict[type, str] = {ContentIn: "Content", FromIn: "Mailbox", PartIn: "Part", OverrideIn: "Override"}
TEXTS: dict[type, Texts] = {
    ContentIn: {
        "from": "who writes: an address, `Name <address>`, or an object; its domain must be a verified sending domain",
        "subject": "with the template language, as are the other texts",
        "text": "plain text; text or html is needed",
        "html": "HTML; values are escaped where they are put in",
        "amp_html": "AMP for Email, beside text or html",
        "reply_to": "one or several mailboxes",
        "headers": "further header fields, name and value; not those that the platform writes itself",
        "attachments": "files",
        "inline_images": "images that HTML names as cid:<name>",
        "template_id": "a stored template, in place of all other members",
        "use_draft_template": "its draft, not what is published",
        "ab_test_id": "an A/B test",
        "email_rfc822": "a whole message, in place of all other members; lines may end with CRLF or LF",
    },
    FromIn: {"email": "the address", "name": "the name that is shown"},
    PartIn: {
        "name": "file name; of an inline image its Content-ID",
        "type": "media type",
        "data": "base64 without line breaks",
    },
    OverrideIn: {
        "from": "in place of the content's or template's; without template language",
        "reply_to": "in place of the content's",
        "list_id": "the List-Id header, for example <news.acme.test>",
    },
}
ERRORS = (
    missing("content.subject is a required field"),
    bad_type("content.inline_images must have different names"),
    bad_combination("Both content object and template_id are specified"),
    NO_SENDING_DOMAIN,
    Problem(400, "sender address has no local part", "content.from has nothing before the @", "2008"),
    bad_header("content.headers must not contain Subject"),
    Problem(422, "MIME parse error", "line 2 of content.email_rfc822 is not a header field", "3020"),
)
LIMITS = (
    Limit("content.from", MOST_FROM, "bytes", "422 (1300)"),
    Limit("content.headers", MOST_HEADERS, "bytes in all", "422 (1300)"),
    Limit("name of an attachment or image", MOST_NAME, "bytes", "422 (1300)"),
)
EXAMPLE: dict[str, Any] = {
    "from": {"email": "news@acme.test", "name": "Acme"},
    "subject": "Hello {{first}}",
    "text": "Hi {{first}}",
    "html": "<p>Hi {{first}}</p>",
    "reply_to": "Help <help@acme.test>",
    "headers": {"X-Run": "17"},
}
