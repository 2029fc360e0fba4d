"""Stored templates and snippets."""

from datetime import datetime

import msgspec


class Options(msgspec.Struct, frozen=True, gc=False):
    """What a template says of messages made of it; None: it says nothing."""

    open_tracking: bool | None = None
    click_tracking: bool | None = None
    transactional: bool | None = None


class StoredTemplate(msgspec.Struct, frozen=True, kw_only=True):
    """A template without its content.

    subaccount_id       0: the primary account's
    published_version   None: it was never published
    """

    account_id: int
    subaccount_id: int
    template_id: str
    name: str
    description: str = ""
    shared: bool = False
    options: Options = Options()
    has_draft: bool = False
    published_version: int | None = None
    last_version: int = 0
    updated_at: datetime | None = None
    last_use: datetime | None = None


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One content of a template, as msgpack of spool.Content. version 0: the draft."""

    template: StoredTemplate
    version: int
    content: bytes


class Snippet(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of content that templates name: `render_snippet("id")`."""

    account_id: int
    subaccount_id: int
    snippet_id: str
    name: str
    shared: bool = False
    text: str | None = None
    html: str | None = None
    amp_html: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
