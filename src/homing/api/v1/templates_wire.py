"""Templates and snippets on the wire: bodies in, objects out (SparkPost reference, sections 2.2 to 2.4). Nothing is looked up."""

import re
import secrets
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import structs

from homing.accounts.types import Sender
from homing.ingress.rules.content import ContentIn, read_content
from homing.ingress.rules.problem import Problem, Wrong, bad_type, check_bytes, check_one_line, missing
from homing.spool.render import check
from homing.spool.rendered import CannotRender, ProblemKind
from homing.spool.rendered import Problem as ContentProblem
from homing.spool.types import ChunkFacts, Content, RawContent
from homing.templates.errors import TemplateError
from homing.templates.language import PLACES, parse
from homing.templates.types import Options, Snippet, StoredTemplate

MOST_ID = 64
MOST_NAME = 1_024
MOST_CONTENT = 5 * 1024 * 1024
MOST_SNIPPET = 102_400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ID = re.compile(r"[^\s/?#%\\]+")


class OptionsIn(msgspec.Struct, kw_only=True):
    """`options` of a template."""

    open_tracking: bool | None = None
    click_tracking: bool | None = None
    transactional: bool | None = None


class TemplateIn(msgspec.Struct, kw_only=True):
    """The body; `null` means absent."""

    id: str | None = None
    name: str | None = None
    description: str | None = None
    content: ContentIn | None = None
    published: bool | None = None
    options: OptionsIn | None = None
    shared_with_subaccounts: bool | None = None


class PreviewOptionsIn(msgspec.Struct, kw_only=True):
    """`options` of a preview, as of a transmission."""

    inline_css: bool | None = None


class PreviewIn(msgspec.Struct, kw_only=True):
    """What a preview is rendered with."""

    content: ContentIn | None = None
    substitution_data: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    options: PreviewOptionsIn | None = None


class SnippetContentIn(msgspec.Struct, kw_only=True):
    """`content` of a snippet; '' removes a part."""

    text: str | None = None
    html: str | None = None
    amp_html: str | None = None


class SnippetIn(msgspec.Struct, kw_only=True):
    """The body of a snippet; `null` means absent."""

    id: str | None = None
    name: str | None = None
    content: SnippetContentIn | None = None
    shared_with_subaccounts: bool | None = None


def content_of(given: TemplateIn) -> ContentIn | None:
    """Return the content that a body brings; one whose members are all null is none: clients send every member they know."""
    content = given.content
    if content is None or all(getattr(content, name) is None for name in content.__struct_fields__):
        return None
    return content


def read_template(given: TemplateIn, sender: Sender) -> tuple[StoredTemplate, Content]:
    """Return a new template and its content. Raises Wrong."""
    _check_texts(given)
    if not given.id and not given.name:
        raise Wrong(missing("id or name is a required field"))
    content = content_of(given)
    if content is None:
        raise Wrong(missing("content is a required field"))
    made = StoredTemplate(
        account_id=sender.account_id,
        subaccount_id=sender.subaccount_id,
        template_id=given.id or str(secrets.randbelow(9 * 10**17) + 10**17),
        name=given.name or given.id or "",
    )
    return changed(made, given, sender), read_stored(content)


def changed(before: StoredTemplate, given: TemplateIn, sender: Sender) -> StoredTemplate:
    """Return a template with what the body says of it. Raises Wrong."""
    _check_texts(given)
    options = before.options
    if given.options is not None:
        said = {name: getattr(given.options, name) for name in ("open_tracking", "click_tracking", "transactional")}
        options = structs.replace(options, **{name: value for name, value in said.items() if value is not None})
    shared = before.shared if given.shared_with_subaccounts is None else given.shared_with_subaccounts
    if shared and sender.subaccount_id:
        raise Wrong(bad_type("shared_with_subaccounts is for templates of the primary account"))
    return structs.replace(
        before,
        name=before.name if given.name is None else given.name,
        description=before.description if given.description is None else given.description,
        options=options,
        shared=shared,
    )


def _check_texts(given: TemplateIn) -> None:
    _check_id(given.id)
    check_bytes(given.name, "name", MOST_NAME)
    check_one_line(given.name, "name")
    check_bytes(given.description, "description", MOST_NAME)
    if "\0" in (given.description or ""):
        raise Wrong(bad_type("description must not contain NUL"))


def _check_id(text: str | None) -> None:
    check_bytes(text, "id", MOST_ID)
    check_one_line(text, "id")
    if text is not None and _ID.fullmatch(text) is None:
        raise Wrong(bad_type("id must not be empty, nor hold spaces or any of / ? # % \\"))


def read_stored(given: ContentIn) -> Content:
    """Return the content of a template. Raises Wrong with the first thing that is wrong with it."""
    if given.template_id is not None or given.ab_test_id is not None:
        raise Wrong(bad_type("content of a template must not name another template"))
    if given.attachments or given.inline_images:
        raise Wrong(bad_type("content of a template cannot hold attachments or inline_images"))
    size = sum(len(text.encode()) for text in (given.text, given.html, given.amp_html, given.email_rfc822) if text)
    if size > MOST_CONTENT:
        raise Wrong(bad_type(f"content must be at most {MOST_CONTENT} bytes"))
    return read_checked(given)


def read_checked(given: ContentIn) -> Content:
    """Return content that can be rendered, as far as one can tell without data. Raises Wrong."""
    read = read_content(given, None, perform_substitutions=True)
    facts = ChunkFacts(
        account_id=0,
        transmission_id=bytes(10),
        accepted_at=_EPOCH,
        recv_method="rest",
        sending_domain=read.sending_domain,
        friendly_from=read.from_email,
    )
    problems = check(read.content, facts)
    if problems:
        raise Wrong(content_problem(problems[0]))
    return read.content


def read_previewed(given: ContentIn) -> tuple[Content, frozenset[str]]:
    """Return content to preview, and the names of those members that a preview shows only where they were given.

    The previewer takes content that is not whole. What it lacks is filled in so that the rest can be checked, and left out of
    the answer. Raises Wrong.
    """
    if all(getattr(given, name) is None for name in given.__struct_fields__):
        raise Wrong(missing("content is a required field"))
    if given.template_id is not None or given.ab_test_id is not None:
        raise Wrong(bad_type("content must be given inline"))
    if given.email_rfc822 is not None:
        return read_checked(given), frozenset()
    filled: dict[str, Any] = {}
    if given.from_ is None:
        filled["from_"] = "somebody@example.com"
    if given.subject is None:
        filled["subject"] = ""
    if given.text is None and given.html is None:
        filled["text"] = ""
    return read_checked(structs.replace(given, **filled)), frozenset(name.rstrip("_") for name in filled)


def content_problem(found: ContentProblem) -> Problem:
    """Return what is wrong with content in the words of the API."""
    where = f"Error while compiling part {found.part}: line {max(1, found.line)}: {found.message}"
    match found.kind:
        case ProblemKind.SYNTAX:
            text = "substitution language syntax error in template content"
            return Problem(422, text, where, "3000", more=_place(found))
        case ProblemKind.HEADER:
            return Problem(422, "invalid header", f"{found.part}: {found.message}"[:500], "3002")
        case ProblemKind.MIME:
            return Problem(422, "MIME construction error", found.message[:500], "3010")
        case ProblemKind.HTML:
            return Problem(422, "invalid HTML", found.message[:500], "3050")
        case ProblemKind.PARSE:
            return Problem(422, "MIME parse error", found.message[:500], "3020")
        case _:
            return render_problem(CannotRender(found))


def render_problem(trouble: CannotRender) -> Problem:
    """Return why a preview cannot be rendered."""
    found = trouble.problem
    if found.kind is not ProblemKind.RENDER:
        return content_problem(found)
    said = f"Error while rendering part {found.part}: line {max(1, found.line)}: {found.message}"
    text = "substitution language runtime error in template content"
    return Problem(422, text, said, "3001", more=_place(found))


def _place(found: ContentProblem) -> dict[str, Any]:
    return {"part": _part(found.part), "line": max(1, found.line)}


def _part(name: str) -> str:
    return name if name in PLACES or name.startswith("Header:") else f"Header:{_HEADERS.get(name, name)}"


_HEADERS = {"from": "From", "subject": "Subject", "reply_to": "Reply-To"}


def show_content(content: Content) -> dict[str, Any]:
    """Return content as it was given."""
    if isinstance(content, RawContent):
        return {"email_rfc822": content.rfc822.decode("utf-8", "replace")}
    sender = {"email": content.from_email}
    if content.from_name:
        sender["name"] = content.from_name
    shown: dict[str, Any] = {"from": sender, "subject": content.subject}
    members = {"reply_to": content.reply_to, "text": content.text, "html": content.html, "amp_html": content.amp_html}
    shown |= {name: text for name, text in members.items() if text is not None}
    if content.headers:
        shown["headers"] = content.headers
    return shown


def show_template(found: StoredTemplate, *, published: bool) -> dict[str, Any]:
    """Return a template without its content. published: whether what is shown with it is the published version."""
    shown: dict[str, Any] = {
        "id": found.template_id,
        "name": found.name,
        "description": found.description,
        "published": published,
        "has_draft": found.has_draft,
        "has_published": found.published_version is not None,
        "shared_with_subaccounts": found.shared,
    }
    if found.updated_at is not None:
        shown["last_update_time"] = _moment(found.updated_at)
    if found.last_use is not None:
        shown["last_use"] = _moment(found.last_use)
    if found.subaccount_id:
        shown["subaccount_id"] = found.subaccount_id
    return shown


def show_options(options: Options) -> dict[str, bool]:
    """Return what a template says of messages made of it."""
    names = ("open_tracking", "click_tracking", "transactional")
    return {name: value for name in names if (value := getattr(options, name)) is not None}


def read_snippet(given: SnippetIn, sender: Sender) -> Snippet:
    """Return a new snippet. Raises Wrong."""
    if not given.id:
        raise Wrong(missing("id is a required field"))
    _check_id(given.id)
    if given.content is None:
        raise Wrong(missing("content is a required field"))
    base = Snippet(account_id=sender.account_id, subaccount_id=sender.subaccount_id, snippet_id=given.id, name=given.id)
    return changed_snippet(base, given, sender)


def changed_snippet(before: Snippet, given: SnippetIn, sender: Sender) -> Snippet:
    """Return a snippet with what the body says of it. Raises Wrong."""
    check_bytes(given.name, "name", MOST_NAME)
    check_one_line(given.name, "name")
    shared = before.shared if given.shared_with_subaccounts is None else given.shared_with_subaccounts
    if shared and sender.subaccount_id:
        raise Wrong(bad_type("shared_with_subaccounts is for snippets of the primary account"))
    parts: dict[str, str | None] = {}
    for part in PLACES:
        text = getattr(given.content, part) if given.content is not None else None
        parts[part] = getattr(before, part) if text is None else text or None
        check_bytes(parts[part], f"content.{part}", MOST_SNIPPET)
        if "\0" in (parts[part] or ""):
            raise Wrong(bad_type(f"content.{part} must not contain NUL"))
        _check_snippet_part(part, parts[part])
    if not any(parts.values()):
        raise Wrong(missing("content.html, content.text or content.amp_html is a required field"))
    return structs.replace(before, name=before.name if given.name is None else given.name, shared=shared, **parts)


def _check_snippet_part(part: str, text: str | None) -> None:
    for macro in ("render_snippet", "render_dynamic_content"):
        if text and re.search(rf"\{{\{{[^}}]*\b{macro}\s*\(", text):
            raise Wrong(Problem(422, f"{macro}() cannot be used in a snippet (part {part})"))
    try:
        parse(text or "", place=PLACES[part], part=part)
    except TemplateError as trouble:
        raise Wrong(Problem(422, f"Error while compiling part {part}: line {trouble.line}: {trouble.problem}")) from trouble


def show_snippet(found: Snippet, *, content: bool) -> dict[str, Any]:
    """Return a snippet as customers see it."""
    shown: dict[str, Any] = {
        "id": found.snippet_id,
        "name": found.name,
        "shared_with_subaccounts": found.shared,
        "created_at": _millis(found.created_at),
        "updated_at": _millis(found.updated_at),
    }
    if not content:
        shown["shared_with_subaccount"] = found.shared
    else:
        shown["content"] = {part: text for part in ("html", "text", "amp_html") if (text := getattr(found, part)) is not None}
    if found.subaccount_id:
        shown["subaccount_id"] = found.subaccount_id
    return shown


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")


def _millis(at: datetime | None) -> str:
    return (at or _EPOCH).astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
