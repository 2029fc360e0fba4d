"""From stored content to the messages of its recipients.

`prepare` once per chunk does everything that is alike for all; `Prepared.render` per recipient does the rest. `check` finds
at acceptance what could fail later.
"""

from collections.abc import Sequence
from datetime import datetime

from homing.message.addresses import BadAddress
from homing.message.headers import BadHeader, check_header_name
from homing.spool.css import InlineCss, OfChunk
from homing.spool.inline import RESERVED_FIELDS, PreparedInline
from homing.spool.raw import PreparedRaw
from homing.spool.rendered import CannotRender, Problem, ProblemKind, Rendered, problem_of
from homing.spool.types import ChunkFacts, Content, InlineContent, RecipientDetail
from homing.templates.errors import TemplateError
from homing.templates.language import Place, parse

__all__ = ["CannotRender", "Prepared", "Problem", "ProblemKind", "Rendered", "check", "prepare", "render"]

Prepared = PreparedInline | PreparedRaw


def prepare(
    content: Content, facts: ChunkFacts, hostname: str, *, tracked: bool = False, inline: InlineCss | None = None
) -> Prepared:
    """Return what renders a chunk's messages.

    hostname   the right side of the Message-IDs that we make
    tracked    bodies get links and pixels of their own message (Prepared.render's marks)
    inline     moves CSS, where the facts say inline_css; None: it stays where it is
    raises     CannotRender; Temporary where the CSS cannot be moved now
    """
    moved = OfChunk(inline) if inline is not None and facts.inline_css else None
    if isinstance(content, InlineContent):
        return PreparedInline(content, facts, hostname, tracked=tracked, inline=moved)
    return PreparedRaw(content, facts, hostname, tracked=tracked, inline=moved)


def render(
    *,
    content: Content,
    facts: ChunkFacts,
    detail: RecipientDetail,
    recipient: str,
    message_id: bytes,
    mail_from: str,
    hostname: str,
    now: datetime,
    extra_headers: Sequence[tuple[str, str]] = (),
) -> Rendered:
    """Return one message, from content that is rendered only once (previews, tests).

    raises   CannotRender
    """
    return prepare(content, facts, hostname).render(
        detail=detail,
        recipient=recipient,
        message_id=message_id,
        mail_from=mail_from,
        now=now,
        extra_headers=extra_headers,
    )


def check(content: Content, facts: ChunkFacts) -> list[Problem]:
    """Return everything that is wrong with content whoever receives it; an empty list means it can be prepared."""
    problems = _template_problems(content) if isinstance(content, InlineContent) else []
    if not problems:
        try:
            prepare(content, facts, "localhost")
        except CannotRender as trouble:
            problems.append(trouble.problem)
    return problems


def _template_problems(content: InlineContent) -> list[Problem]:
    """Return all syntax errors and impossible header names, so that a caller need not find them one by one."""
    places = [("from", content.from_email, Place.HEADER), ("from", content.from_name, Place.HEADER)]
    places += [("subject", content.subject, Place.HEADER), ("reply_to", content.reply_to, Place.HEADER)]
    places += [(name, value, Place.HEADER) for name, value in content.headers.items()]
    if content.perform_substitutions:
        places += [("text", content.text, Place.TEXT), ("html", content.html, Place.HTML)]
        places += [("amp_html", content.amp_html, Place.AMP)]
    problems = []
    for name in content.headers:
        try:
            check_header_name(name)
            if name.lower() in RESERVED_FIELDS:
                raise BadHeader(f"header {name} is written by the platform and cannot be given")
        except (BadHeader, BadAddress) as trouble:
            problems.append(problem_of(trouble, name))
    for part, text, place in places:
        try:
            parse(text or "", place=place, part=part)
        except TemplateError as trouble:
            problems.append(problem_of(trouble, part))
    return problems
