"""Who is asking: the Authorization header and X-MSYS-SUBACCOUNT (SparkPost reference, sections 1.2 to 1.4)."""

import base64
import binascii
from typing import Any, Protocol

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from homing.accounts.authenticate import BadSubaccount
from homing.accounts.types import Sender
from homing.api.errors import FORBIDDEN, SUSPENDED, UNAUTHORIZED, ApiError
from homing.api.frame import ACCOUNT_ID

SENDER = "sender"  # key of scope["state"]
_READING = ("GET", "HEAD")


class Authenticate(Protocol):
    """Answers who holds a key; `accounts.Authenticator.authenticate` is one."""

    async def __call__(self, key: str, *, ip: str, subaccount: str | None = None) -> Sender | None:
        """Return the holder of a key, acting as a subaccount of his; None where the key is not valid (from this address)."""
        ...


class Gate:
    """Lets a request through to its route if the caller holds one of the grants that the route names in `opt["grants"]`.

    A route without grants is open to everybody. Who is suspended may only GET.
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
        scope: Any = connection.scope
        client, state = scope.get("client"), scope["state"]
        try:
            sender = await self._authenticate(key, ip=client[0] if client else "", subaccount=subaccount) if key else None
        except BadSubaccount as trouble:
            state[ACCOUNT_ID] = trouble.account_id
            raise
        if sender is None:
            raise ApiError(UNAUTHORIZED)
        state[ACCOUNT_ID] = sender.account_id
        if not any(grant in sender.grants for grant in grants):
            raise ApiError(FORBIDDEN)
        if sender.suspended and scope["method"] not in _READING:
            raise ApiError(SUSPENDED)
        state[SENDER] = sender


def key_of(authorization: str) -> str | None:
    """Return the API key of an Authorization header: the key alone, or the user name of Basic; None where there is none."""
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() != "basic":
        return authorization or None
    try:
        user, _, _ = base64.b64decode(rest.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return user or None
