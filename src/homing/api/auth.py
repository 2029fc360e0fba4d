"""Who is asking: the Authorization header and X-MSYS-SUBACCOUNT (SparkPost reference, sections 1.2 to 1.4)."""

from typing import Any, Protocol

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from homing.accounts.authenticate import BadSubaccount
from homing.accounts.types import Sender
from homing.api.credentials import key_of
from homing.api.errors import FORBIDDEN, SUSPENDED, UNAUTHORIZED, ApiError
from homing.api.frame import ATTEMPT
from homing.contracts.people import PREFIX
from homing.contracts.types import StaffMember
from homing.ground.secrets import hash_api_key
from homing.ground.turns import PASSING
from homing.ground.waiting import Patience

SENDER = "sender"  # key of scope["state"]
UNASKED = "unasked"  # key of scope["state"]: the hash of a key that nobody could be asked about
STAFF = "staff"  # key of scope["state"]: a member of the staff, where he asks
PATIENCE_S = 3.0  # for the store, where a route is let through without it
_READING = ("GET", "HEAD")


class Authenticate(Protocol):
    """Answers who holds a key; `accounts.Authenticator.authenticate` is one."""

    async def __call__(self, key: str, *, ip: str, subaccount: str | None = None) -> Sender | None:
        """Return the holder of a key, acting as a subaccount of his; None where the key is not valid (from this address)."""
        ...


class KnowStaff(Protocol):
    """Answers whose staff token this is; `contracts.people.by_token` over a pool is one."""

    async def __call__(self, token: str) -> StaffMember | None:
        """Return the member of the staff; None where the token is nobody's or void."""
        ...


class Gate:
    """Lets a request through to its route if the caller holds one of the grants that the route names in `opt["grants"]`,
    or, by a staff token, one of the roles of `opt["staff"]`.

    A route with neither is open to everybody. Who is suspended may only GET. While the store is away, one with
    `opt["away"]` is let through with the hash of the key, and must ask later.
    """

    def __init__(self, authenticate: Authenticate, staff: KnowStaff) -> None:
        self._authenticate = authenticate
        self._staff = staff
        self._patience = Patience(PATIENCE_S)

    async def __call__(self, connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        """Identify the caller.

        raises   ApiError 401, 403; BadSubaccount; StoreUnavailable
        """
        grants, roles = handler.opt.get("grants"), handler.opt.get("staff")
        if not grants and not roles:
            return
        authorization = subaccount = None
        for name, value in connection.scope["headers"]:
            if name == b"authorization":
                authorization = value.decode("latin-1").strip()
            elif name == b"x-msys-subaccount":
                subaccount = value.decode("latin-1")
        key = None if authorization is None else key_of(authorization)
        if roles and key is not None and key.startswith(PREFIX):
            member = await self._staff(key)
            if member is None:
                raise ApiError(UNAUTHORIZED)
            if not member.is_a(*roles):
                raise ApiError(FORBIDDEN)
            connection.scope["state"][STAFF] = member
            return
        scope: Any = connection.scope
        client, state = scope.get("client"), scope["state"]
        away = bool(handler.opt.get("away"))
        try:
            sender = None
            if key:
                asked = self._authenticate(key, ip=client[0] if client else "", subaccount=subaccount)
                sender = await (self._patience.wait(asked) if away else asked)
        except BadSubaccount as trouble:
            state[ATTEMPT].belongs_to(trouble.account_id)
            raise
        except PASSING:
            if not away or key is None:
                raise
            state[UNASKED] = hash_api_key(key)
            return
        if sender is None:
            raise ApiError(UNAUTHORIZED)
        state[ATTEMPT].belongs_to(sender.account_id)
        if not grants or not any(grant in sender.grants for grant in grants):
            raise ApiError(FORBIDDEN)
        if sender.suspended and scope["method"] not in _READING:
            raise ApiError(SUSPENDED)
        state[SENDER] = sender
