"""Who is asking: the Authorization header and X-MSYS-SUBACCOUNT (SparkPost reference, sections 1.2 to 1.4)."""

from typing import Any, Protocol

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from homing.accounts.authenticate import acting_as
from homing.accounts.types import Sender
from homing.api.credentials import key_of
from homing.api.errors import FORBIDDEN, UNAUTHORIZED, ApiError
from homing.api.frame import ATTEMPT

SENDER = "sender"  # key of scope["state"]


class Authenticate(Protocol):
    """Answers who holds a key; `accounts.Authenticator.authenticate` is one."""

    async def __call__(self, key: str, *, ip: str) -> Sender | None:
        """Return the holder of a key, None where it is not valid (from this address)."""
        ...


class Gate:
    """Lets a request through to its route if the caller holds one of the grants that the route names in `opt["grants"]`.

    A route without grants is open to everybody.
    """

    def __init__(self, authenticate: Authenticate) -> None:
        self._authenticate = authenticate

    async def __call__(self, connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        """Identify the caller.

        raises   ApiError 401, 403; BadSubaccount; StoreUnavailable
        """
        grants = handler.opt.get("grants")
        if not grants:
            return
        authorization = subaccount = None
        for name, value in connection.scope["headers"]:
            if name == b"authorization":
                authorization = value.decode("latin-1").strip()
            elif name == b"x-msys-subaccount":
                subaccount = value.decode("latin-1")
        key = None if authorization is None else key_of(authorization)
        client = connection.scope.get("client")
        sender = await self._authenticate(key, ip=client[0] if client else "") if key else None
        if sender is None:
            raise ApiError(UNAUTHORIZED)
        state: Any = connection.scope["state"]
        state[ATTEMPT].belongs_to(sender.account_id)
        sender = acting_as(sender, subaccount)
        if not any(grant in sender.grants for grant in grants):
            raise ApiError(FORBIDDEN)
        state[SENDER] = sender
