"""The sandbox: five messages of an account before it has a domain of its own (SparkPost reference, section 1.11).

They are made of one built-in template and come from a domain of the house; whoever tries them out can change neither, and
nothing that he says gets into the text.
"""

import msgspec

from homing.ingress.types import Transmission
from homing.spool.types import InlineContent
from homing.templates.types import StoredTemplate

TEMPLATE_ID = "my-first-email"
LOCAL_PART = "support"
VERSION = 1

_TEXT = """Congratulations!

This is your first email. It was made of a stored template, queued, signed and delivered.

To send mail of your own, add a sending domain and verify it.
"""
_HTML = "<html><body>\n" + "".join(f"<p>{line}</p>\n" for line in _TEXT.split("\n") if line) + "</body></html>\n"


def template(account_id: int) -> StoredTemplate:
    """Return the sandbox's template as every account has it."""
    return StoredTemplate(
        account_id=account_id,
        subaccount_id=0,
        template_id=TEMPLATE_ID,
        name="My First Email",
        description="what options.sandbox sends; it cannot be changed",
        shared=True,
        published_version=VERSION,
        last_version=VERSION,
    )


def content(domain: str) -> InlineContent:
    """Return its content. domain: of the sandbox."""
    return InlineContent(
        from_email=f"{LOCAL_PART}@{domain}", from_name="Sandbox", subject="My first email", text=_TEXT, html=_HTML
    )


def asks_for_another(transmission: Transmission) -> bool:
    """Return whether a transmission that wants the sandbox would send something else than its template."""
    named = transmission.named
    return named is None or named.ab_test_id is not None or named.template_id != TEMPLATE_ID


def confined(transmission: Transmission) -> Transmission:
    """Return a transmission of the sandbox without what would lead out of it: another From, and keys of the house by name."""
    assert transmission.named is not None
    return msgspec.structs.replace(
        transmission, named=msgspec.structs.replace(transmission.named, from_=None), dkim_key="default"
    )
