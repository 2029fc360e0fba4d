"""A small Django site with django-anymail, as a customer has it: it sends through the SparkPost backend, and hears its webhooks.

    POST /send                      a message, in the words of Django and Anymail (the tests' own)
    GET  /heard                     what Anymail's signals have told
    POST /anymail/sparkpost/...     Anymail's own views, behind Basic authorisation

Settings come from the environment: SITE_PORT, SITE_API_URL, SITE_API_KEY, SITE_SECRET (user:password).
"""

import base64
import json
import os
from datetime import datetime
from email.mime.base import MIMEBase
from email.mime.image import MIMEImage
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import django
from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["*"],
    ANYMAIL={
        "SPARKPOST_API_KEY": os.environ["SITE_API_KEY"],
        "SPARKPOST_API_URL": os.environ["SITE_API_URL"],
        "WEBHOOK_SECRET": os.environ["SITE_SECRET"],
    },
    DEFAULT_FROM_EMAIL="news@acme.test",
    EMAIL_BACKEND="anymail.backends.sparkpost.EmailBackend",
    INSTALLED_APPS=["anymail"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="of a test",
    USE_TZ=True,
)
django.setup()

from anymail.exceptions import AnymailAPIError, AnymailError  # noqa: E402
from anymail.signals import inbound, tracking  # noqa: E402
from django.core.mail import EmailMultiAlternatives, get_connection  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import HttpRequest, JsonResponse  # noqa: E402
from django.urls import include, path  # noqa: E402

_FIELDS = ("subject", "body", "from_email", "to", "cc", "bcc", "reply_to", "headers")
_OF_ANYMAIL = (
    "metadata", "merge_metadata", "merge_data", "merge_global_data", "merge_headers", "tags", "track_opens", "track_clicks",
    "template_id", "envelope_sender", "esp_extra",
)  # fmt: skip
heard: list[dict[str, Any]] = []


def hear_tracking(sender: object, event: Any, esp_name: str, **_: object) -> None:
    heard.append(
        {
            "signal": "tracking",
            "esp": esp_name,
            "type": event.event_type,
            "timestamp": event.timestamp.isoformat() if event.timestamp else None,
            **{
                name: getattr(event, name)
                for name in (
                    "message_id", "event_id", "recipient", "reject_reason", "mta_response", "tags", "metadata", "click_url",
                    "user_agent",
                )
            },
            "raw": next(iter(event.esp_event["msys"].values())),
        }
    )  # fmt: skip


def hear_inbound(sender: object, event: Any, esp_name: str, **_: object) -> None:
    message = event.message
    heard.append(
        {
            "signal": "inbound",
            "esp": esp_name,
            "type": event.event_type,
            "envelope": [message.envelope_sender, message.envelope_recipient],
            "from": str(message.from_email),
            "subject": message.subject,
            "text": message.text,
            "html": message.html,
            "attachments": {one.get_filename(): one.get_content_text() for one in message.attachments},
        }
    )


tracking.connect(hear_tracking)
inbound.connect(hear_inbound)


def send(request: HttpRequest) -> JsonResponse:
    """Send a message as the views of a site do."""
    asked = json.loads(request.body)
    message = EmailMultiAlternatives(**{name: asked[name] for name in _FIELDS if name in asked})
    for kind, text in asked.get("alternatives", ()):
        message.attach_alternative(text, kind)
    for name, kind, data in asked.get("attachments", ()):
        message.attach(name, base64.b64decode(data), kind)
    for cid, data in asked.get("inline", ()):
        image: MIMEBase = MIMEImage(base64.b64decode(data), "png")
        image.add_header("Content-Disposition", "inline", filename=f"{cid}.png")
        image.add_header("Content-ID", f"<{cid}>")
        message.attach(image)
    for name in _OF_ANYMAIL:
        if name in asked:
            setattr(message, name, asked[name])
    if "send_at" in asked:
        message.send_at = datetime.fromisoformat(asked["send_at"])
    message.connection = get_connection(**asked.get("connection", {}))
    try:
        message.send()
    except AnymailError as trouble:
        status = trouble.status_code if isinstance(trouble, AnymailAPIError) else None
        return JsonResponse({"error": type(trouble).__name__, "status": status, "text": str(trouble)})
    status = message.anymail_status
    recipients = {recipient: one.status for recipient, one in status.recipients.items()}
    return JsonResponse({"message_id": status.message_id, "recipients": recipients})


def told(request: HttpRequest) -> JsonResponse:
    """Show what was heard."""
    return JsonResponse(heard, safe=False)


urlpatterns = [path("send", send), path("heard", told), path("anymail/", include("anymail.urls"))]


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    make_server("127.0.0.1", int(os.environ["SITE_PORT"]), get_wsgi_application(), Server, Quiet).serve_forever()
