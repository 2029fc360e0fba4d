"""Stored templates and snippets in PostgreSQL. Contents are msgpack that only their reader knows (spool.Content)."""

from datetime import datetime

from homing.ground.db import Executor, Pool, Record, queries, trouble_is_temporary
from homing.templates.types import Options, Snippet, StoredTemplate, Version

_sql = queries("homing.templates")


async def add(pool: Pool, made: StoredTemplate, content: bytes, *, publish: bool) -> bool:
    """Store a template, published at once or as a draft; False: its id is taken."""
    with trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            row = {**_key(made), "name": made.name, "description": made.description, "shared": made.shared, **_options(made)}
            if await _sql.insert_template(connection, **row) is None:
                return False
            if publish:
                await _sql.publish_content(connection, **_key(made), content=content)
            else:
                await _sql.set_draft(connection, **_key(made), content=content)
    return True


async def find(
    executor: Executor, account_id: int, subaccount_id: int, template_id: str, *, any_of: bool = False
) -> StoredTemplate | None:
    """Return a template that a sender may use.

    any_of   the primary account looks: also templates of subaccounts
    """
    with trouble_is_temporary():
        row = await _sql.find_template(
            executor, account_id=account_id, subaccount_id=subaccount_id, template_id=template_id, any_of=any_of
        )
    return None if row is None else _template(row)


async def lock(connection: Executor, account_id: int, subaccount_id: int, template_id: str) -> StoredTemplate | None:
    """Return a template of the sender's own that nobody else changes until the caller's transaction ends."""
    row = await _sql.lock_template(connection, account_id=account_id, subaccount_id=subaccount_id, template_id=template_id)
    return None if row is None else _template(row)


async def of_account(
    executor: Executor, account_id: int, subaccount_id: int | None, *, draft: bool | None, shared: bool | None
) -> list[StoredTemplate]:
    """Return the templates of an account, or of one subaccount; 50,000 at most."""
    with trouble_is_temporary():
        rows = _sql.templates_of(executor, account_id=account_id, subaccount_id=subaccount_id, draft=draft, shared=shared)
        return [_template(row) async for row in rows]


async def change(connection: Executor, made: StoredTemplate) -> None:
    """Replace what a template says of itself, in the caller's transaction."""
    row = {"name": made.name, "description": made.description, "shared": made.shared}
    await _sql.change_template(connection, **_key(made), **row, **_options(made))


async def set_draft(connection: Executor, made: StoredTemplate, content: bytes) -> None:
    """Replace the draft, in the caller's transaction."""
    await _sql.set_draft(connection, **_key(made), content=content)


async def publish_content(connection: Executor, made: StoredTemplate, content: bytes) -> None:
    """Publish a content as the next version; the draft stays."""
    await _sql.publish_content(connection, **_key(made), content=content)


async def publish_draft(connection: Executor, made: StoredTemplate) -> None:
    """Publish the draft as the next version, if there is one."""
    await _sql.publish_draft(connection, **_key(made))


async def version(executor: Executor, template: StoredTemplate, number: int) -> Version | None:
    """Return one content of a template; number 0 is the draft."""
    with trouble_is_temporary():
        if number:
            content = await _sql.version_of(executor, **_key(template), version=number)
        else:
            content = await _sql.draft_of(executor, **_key(template))
    return None if content is None else Version(template=template, version=number, content=content)


async def versions(executor: Executor, template: StoredTemplate) -> list[tuple[int, datetime]]:
    """Return the numbers of the versions and when each was published, the newest first."""
    with trouble_is_temporary():
        return [(row["version"], row["made_at"]) async for row in _sql.versions_of(executor, **_key(template))]


async def delete(connection: Executor, template: StoredTemplate) -> None:
    """Remove a template with its versions."""
    await _sql.delete_template(connection, **_key(template))


async def note_use(executor: Executor, template: StoredTemplate) -> None:
    """Note that a template was used."""
    with trouble_is_temporary():
        await _sql.note_use(executor, **_key(template))


async def add_snippet(executor: Executor, made: Snippet) -> bool:
    """Store a snippet; False: its id is taken."""
    with trouble_is_temporary():
        return await _sql.insert_snippet(executor, **_snippet_row(made)) is not None


async def find_snippet(
    executor: Executor, account_id: int, subaccount_id: int, snippet_id: str, *, any_of: bool = False
) -> Snippet | None:
    """Return a snippet that a sender may see."""
    with trouble_is_temporary():
        row = await _sql.find_snippet(
            executor, account_id=account_id, subaccount_id=subaccount_id, snippet_id=snippet_id, any_of=any_of
        )
    return None if row is None else Snippet(**dict(row))


async def snippets_of(executor: Executor, account_id: int, subaccount_id: int | None, *, shared: bool | None) -> list[Snippet]:
    """Return the snippets of an account, or of one subaccount."""
    with trouble_is_temporary():
        rows = _sql.snippets_of(executor, account_id=account_id, subaccount_id=subaccount_id, shared=shared)
        return [Snippet(**dict(row)) async for row in rows]


async def snippets_for(executor: Executor, account_id: int, subaccount_id: int) -> dict[str, Snippet]:
    """Return every snippet that the mail of a subaccount may use, by id."""
    with trouble_is_temporary():
        rows = _sql.snippets_for(executor, account_id=account_id, subaccount_id=subaccount_id)
        return {row["snippet_id"]: Snippet(**dict(row)) async for row in rows}


async def change_snippet(executor: Executor, made: Snippet) -> bool:
    """Replace a snippet of the sender's own; False: there is none."""
    with trouble_is_temporary():
        return await _sql.change_snippet(executor, **_snippet_row(made)) is not None


async def delete_snippet(executor: Executor, account_id: int, subaccount_id: int, snippet_id: str) -> bool:
    """Remove a snippet; False: there is none."""
    with trouble_is_temporary():
        gone = await _sql.delete_snippet(executor, account_id=account_id, subaccount_id=subaccount_id, snippet_id=snippet_id)
    return gone is not None


def _key(template: StoredTemplate) -> dict[str, object]:
    return {
        "account_id": template.account_id,
        "subaccount_id": template.subaccount_id,
        "template_id": template.template_id,
    }


def _options(template: StoredTemplate) -> dict[str, object]:
    options = template.options
    return {
        "open_tracking": options.open_tracking,
        "click_tracking": options.click_tracking,
        "transactional": options.transactional,
    }


def _snippet_row(made: Snippet) -> dict[str, object]:
    names = ("account_id", "subaccount_id", "snippet_id", "name", "shared", "text", "html", "amp_html")
    return {name: getattr(made, name) for name in names}


def _template(row: Record) -> StoredTemplate:
    fields = dict(row)
    options = Options(fields.pop("open_tracking"), fields.pop("click_tracking"), fields.pop("transactional"))
    return StoredTemplate(**fields, options=options)
