"""How a command finds the running house: settings, database, API, control socket; and what it says where there is none."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from homing.accounts import store as accounts
from homing.accounts.types import DEFAULT_ACCOUNT, Account
from homing.ground import config, db
from homing.ground.config import Settings
from homing.ground.errors import Misuse, Temporary
from homing.ground.postgres import DSN_FILE

T = TypeVar("T")


class NotRunning(Temporary):
    """There is no house to talk to; the text says how to start it."""


class NotFound(Temporary):
    """What was asked for is not there; exit code 1, no misuse."""


def settings() -> Settings:
    """Read the settings as `homing up` does.

    raises   Misuse
    """
    return config.read()


def dsn_of(chosen: Settings) -> str:
    """Return where the database is: HOMING_DATABASE_URL, else what the embedded server wrote into the data folder.

    raises   NotRunning
    """
    if chosen.database_url:
        return chosen.database_url
    path = chosen.data / DSN_FILE
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise NotRunning(
            f"there is no database in {folder_of(chosen)}; is `homing up` running? (HOMING_DATA or --data names another folder)"
        ) from None
    except PermissionError:
        raise NotRunning(f"{path} cannot be read by this user; run the command as the user that runs `homing up`") from None


def folder_of(chosen: Settings) -> Path:
    """Return the data folder as a whole path."""
    return chosen.data.resolve()


@asynccontextmanager
async def database(chosen: Settings, *, most: int = 2) -> AsyncIterator[db.Pool]:
    """Open the database.

    raises   NotRunning where nobody answers
    """
    dsn = dsn_of(chosen)
    try:
        probe = await db.connect(dsn, name="homing-cli", timeout_s=5.0)
        await probe.close()
    except db.TEMPORARY as trouble:
        where = "the server of HOMING_DATABASE_URL" if chosen.database_url else f"the database in {folder_of(chosen)}"
        raise NotRunning(f"{where} does not answer ({_why(trouble)}); is `homing up` running?") from trouble
    async with db.pool(dsn, least=1, most=most, name="homing-cli") as pool:
        yield pool


def _why(trouble: BaseException) -> str:
    if isinstance(trouble, FileNotFoundError | ConnectionRefusedError):
        return "nothing listens there"
    if isinstance(trouble, PermissionError):
        return "this user may not connect"
    if isinstance(trouble, TimeoutError):
        return "no answer within 5 seconds"
    return str(trouble).splitlines()[0] if str(trouble) else type(trouble).__name__


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run one command's work."""
    return asyncio.run(work)


async def account(executor: db.Executor, name: str | None, *, make: bool = False) -> Account:
    """Return the customer that a command works for: the named one (by name or number), or the only one there is.

    make     create it where there is none
    raises   NotFound, Misuse where several could be meant
    """
    if name is not None:
        found = await accounts.account_by_name(executor, name)
        if found is None and name.isdigit():
            found = await accounts.account_by_id(executor, int(name))
        if found is None and make:
            found = await accounts.get_or_create_account(executor, name)
        if found is None:
            raise NotFound(f"there is no customer {name!r}")
        return found
    everybody = await accounts.all_accounts(executor)
    if len(everybody) == 1:
        return everybody[0]
    if not everybody:
        if make:
            return await accounts.get_or_create_account(executor, DEFAULT_ACCOUNT)
        raise NotFound("there is no customer yet; `homing key create --name first` makes one")
    default = [one for one in everybody if one.name == DEFAULT_ACCOUNT]
    if default:
        return default[0]
    raise Misuse("there are several customers; say which with --account: " + ", ".join(one.name for one in everybody[:10]))
