"""The templates that other platforms export, as documents of JSON, and what each says.

sparkpost   GET /templates/{id}: our own language and members
sendgrid    GET /v3/templates/{id}: a dynamic template with its versions; the active one counts
mailgun     GET /v3/{domain}/templates/{name}?active=yes: a version in Handlebars
ses         aws ses get-template, aws sesv2 get-email-template
postmark    GET /templates/{id}: a template, or the layout that others name; a layout must come in the same file
"""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

import msgspec

from homing.templates.rules.translate import Dialect

_BAD_ID = re.compile(r"[^A-Za-z0-9._~-]+")
_LAYOUT = re.compile(r"\{\{\{\s*@content\s*\}\}\}")
MOST_ID = 64


class From(StrEnum):
    """Who exported a template."""

    SPARKPOST = "sparkpost"
    SENDGRID = "sendgrid"
    MAILGUN = "mailgun"
    SES = "ses"
    POSTMARK = "postmark"


class NoTemplate(Exception):
    """A document that cannot become a template of ours; the sentence says why."""


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """One template as another platform has it.

    dialect   None: our own language
    content   members of a content of ours, in the foreign language
    """

    template_id: str
    name: str
    description: str = ""
    dialect: Dialect | None
    content: dict[str, Any]
    options: dict[str, bool] = {}


def exported(documents: Iterable[Any], platform: From) -> list[Exported | tuple[str, str]]:
    """Return the templates in some documents, in their order; (name, why) for one that cannot be taken.

    raises   NoTemplate where a document is none of this platform
    """
    found: list[Exported | tuple[str, str]] = []
    objects = [one for document in documents for one in _objects(document, platform)]
    layouts = {str(one.get("Alias")): one for one in objects if one.get("TemplateType") == "Layout"}
    for one in objects:
        if one.get("TemplateType") == "Layout":
            continue
        try:
            match platform:
                case From.SPARKPOST:
                    found.append(_sparkpost(one))
                case From.SENDGRID:
                    found.append(_sendgrid(one))
                case From.MAILGUN:
                    found.append(_mailgun(one))
                case From.SES:
                    found.append(_ses(one))
                case From.POSTMARK:
                    found.append(_postmark(one, layouts))
        except NoTemplate as trouble:
            found.append((_called(one), str(trouble)))
    return found


_HOLDERS = {
    From.SPARKPOST: ("results",),
    From.SENDGRID: ("result", "templates"),
    From.MAILGUN: ("template", "items"),
    From.SES: ("Template",),
    From.POSTMARK: ("Templates",),
}


def _objects(document: Any, platform: From) -> list[dict[str, Any]]:
    if isinstance(document, list):
        return [one for each in document for one in _objects(each, platform)]
    if not isinstance(document, dict):
        raise NoTemplate("the file holds something that is no object of JSON")
    for holder in _HOLDERS[platform]:
        held = document.get(holder)
        if isinstance(held, dict | list):
            return _objects(held, platform)
    return [document]


def _called(one: Mapping[str, Any]) -> str:
    for name in ("id", "name", "Alias", "Name", "TemplateName", "TemplateId"):
        if one.get(name):
            return str(one[name])[:100]
    return "(without a name)"


def _text(one: Mapping[str, Any], name: str) -> str:
    value = one.get(name)
    return value if isinstance(value, str) else ""


def _id_of(text: str) -> str:
    """Return a name as an id: letters, digits and . _ ~ -, 64 at most."""
    return _BAD_ID.sub("-", text.strip()).strip("-")[:MOST_ID]


def _parts(**members: str) -> dict[str, Any]:
    return {name: text for name, text in members.items() if text}


def _sparkpost(one: Mapping[str, Any]) -> Exported:
    content = one.get("content")
    if not isinstance(content, dict):
        raise NoTemplate("it has no content; export each template by its id, the list of templates has none")
    options = one.get("options")
    return Exported(
        template_id=_text(one, "id") or _id_of(_text(one, "name")),
        name=_text(one, "name") or _text(one, "id"),
        description=_text(one, "description"),
        dialect=None,
        content=content,
        options={name: value for name, value in options.items() if isinstance(value, bool)} if isinstance(options, dict) else {},
    )


def _sendgrid(one: Mapping[str, Any]) -> Exported:
    if one.get("generation") == "legacy":
        raise NoTemplate("it is a legacy template; only dynamic ones have a language that can be translated")
    versions = [version for version in one.get("versions") or () if isinstance(version, dict)]
    active = next((version for version in versions if version.get("active") in (1, True)), None)
    if active is None:
        raise NoTemplate("none of its versions is active")
    if "html_content" not in active and "plain_content" not in active:
        raise NoTemplate("its version has no content; export each template by its id, the list of templates has none")
    content = _parts(subject=_text(active, "subject"), html=_text(active, "html_content"), text=_text(active, "plain_content"))
    return Exported(
        template_id=_id_of(_text(one, "id") or _text(one, "name")),
        name=_text(one, "name") or _text(one, "id"),
        description=_text(active, "name"),
        dialect=Dialect.HANDLEBARS,
        content=content,
    )


def _mailgun(one: Mapping[str, Any]) -> Exported:
    version = one.get("version")
    if not isinstance(version, dict) or not _text(version, "template"):
        raise NoTemplate("it has no version with a content; export it with ?active=yes")
    engine = _text(version, "engine") or "handlebars"
    if engine != "handlebars":
        raise NoTemplate(f"it is written for the engine {engine}; only handlebars can be translated")
    headers = version.get("headers")
    said = {str(name).lower(): value for name, value in headers.items()} if isinstance(headers, dict) else {}
    content = _parts(
        subject=_text(said, "subject"),
        html=_text(version, "template"),
        reply_to=_text(said, "reply-to"),
    ) | _parts(**{"from": _text(said, "from")})
    return Exported(
        template_id=_id_of(_text(one, "name")),
        name=_text(one, "name"),
        description=_text(one, "description"),
        dialect=Dialect.HANDLEBARS,
        content=content,
    )


def _ses(one: Mapping[str, Any]) -> Exported:
    inner = one.get("TemplateContent")
    if isinstance(inner, dict):
        content = _parts(subject=_text(inner, "Subject"), html=_text(inner, "Html"), text=_text(inner, "Text"))
    else:
        content = _parts(subject=_text(one, "SubjectPart"), html=_text(one, "HtmlPart"), text=_text(one, "TextPart"))
    name = _text(one, "TemplateName")
    if not content or not name:
        raise NoTemplate("it has no TemplateName with a content; export it by get-template or get-email-template")
    return Exported(template_id=_id_of(name), name=name, dialect=Dialect.SES, content=content)


def _postmark(one: Mapping[str, Any], layouts: Mapping[str, Mapping[str, Any]]) -> Exported:
    html, text = _text(one, "HtmlBody"), _text(one, "TextBody")
    if not html and not text:
        raise NoTemplate("it has no HtmlBody and no TextBody; export each template by its id, the list of templates has none")
    wanted = _text(one, "LayoutTemplate")
    if wanted:
        layout = layouts.get(wanted)
        if layout is None:
            raise NoTemplate(f"its layout {wanted!r} is not in the file; put it there too")
        html, text = _within(_text(layout, "HtmlBody"), html), _within(_text(layout, "TextBody"), text)
    name = _text(one, "Name") or _text(one, "Alias")
    return Exported(
        template_id=_id_of(_text(one, "Alias") or str(one.get("TemplateId") or name)),
        name=name,
        dialect=Dialect.MUSTACHIO,
        content=_parts(subject=_text(one, "Subject"), html=html, text=text),
    )


def _within(layout: str, body: str) -> str:
    """Return a body in its layout, at the place that the layout leaves for it."""
    return _LAYOUT.sub(lambda _: body, layout) if layout and body else body
