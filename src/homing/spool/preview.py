"""Content rendered for test data: what a preview shows, part by part (SparkPost reference, sections 2.2 and 2.3)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from homing.spool.css import InlineCss, OfChunk
from homing.spool.inline import builtins_of
from homing.spool.render import prepare
from homing.spool.rendered import CannotRender, Problem, ProblemKind
from homing.spool.types import ChunkFacts, Content, InlineContent, RawContent, RecipientDetail
from homing.templates.errors import TemplateError
from homing.templates.language import PLACES, Place, parse
from homing.templates.types import Snippet
from homing.templates.values import Scope

_EMAIL = "recipient@example.com"
_MAIL_FROM = "bounces@example.com"
_SOME_ID = bytes(10)


def preview(
    content: Content,
    data: Mapping[str, Any],
    metadata: Mapping[str, Any],
    *,
    snippets: Mapping[str, Snippet],
    now: datetime,
    inline: InlineCss | None = None,
) -> dict[str, Any]:
    """Return the members of a content as they read for this data: those that it has, named as in an API call.

    inline   moves CSS; None: it stays where it is
    raises   CannotRender; Temporary where the CSS cannot be moved now
    """
    if isinstance(content, RawContent):
        return {"email_rfc822": _raw(content, data, metadata, snippets, now, inline)}
    scope = Scope((data, metadata), builtins_of(_EMAIL, None, _MAIL_FROM), data, snippets)

    def shown(text: str, part: str, place: Place = Place.HEADER) -> str:
        try:
            return parse(text, place=place, part=part).render(scope)
        except TemplateError as trouble:
            raise CannotRender(Problem(ProblemKind.RENDER, trouble.problem, trouble.part, trouble.line)) from trouble

    sender = {"email": shown(content.from_email, "Header:From")}
    if content.from_name:
        sender["name"] = shown(content.from_name, "Header:From")
    made: dict[str, Any] = {"from": sender, "subject": shown(content.subject, "Header:Subject")}
    if content.reply_to:
        made["reply_to"] = shown(content.reply_to, "Header:Reply-To")
    for part, text in bodies(content):
        made[part] = shown(text, part, PLACES[part]) if content.perform_substitutions else text
    if inline is not None and "html" in made:
        made["html"] = OfChunk(inline)(made["html"])
    if content.headers:
        made["headers"] = {name: shown(value, f"Header:{name}") for name, value in content.headers.items()}
    return made


def bodies(content: InlineContent) -> list[tuple[str, str]]:
    """Return the body parts that a content has, by name."""
    parts = (("text", content.text), ("html", content.html), ("amp_html", content.amp_html))
    return [(part, text) for part, text in parts if text is not None]


def _raw(
    content: RawContent,
    data: Mapping[str, Any],
    metadata: Mapping[str, Any],
    snippets: Mapping[str, Snippet],
    now: datetime,
    inline: InlineCss | None,
) -> str:
    facts = ChunkFacts(
        account_id=0,
        transmission_id=_SOME_ID,
        accepted_at=now,
        recv_method="rest",
        sending_domain="",
        friendly_from="",
        inline_css=inline is not None,
    )
    detail = RecipientDetail(substitution_data=dict(data), metadata=dict(metadata))
    made = prepare(content, facts, "localhost", inline=inline).render(
        detail=detail,
        recipient=_EMAIL,
        message_id=_SOME_ID,
        mail_from=_MAIL_FROM,
        now=now,
        snippets=snippets,
    )
    return made.data.decode("utf-8", "replace")
