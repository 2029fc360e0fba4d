"""Holds the answers that a test saw against the OpenAPI document: an error that an endpoint does not declare is a mistake."""

import re
from typing import Any

import httpx

# The documents seen so far, by the routes they describe. All doors of a test process describe an operation alike.
_documents: dict[frozenset[str], list[tuple[re.Pattern[str], dict[str, Any]]]] = {}


class Declared:
    """Remembers the errors that a client gets."""

    def __init__(self, client: httpx.AsyncClient, routes: frozenset[str]) -> None:
        self._client = client
        self._routes = routes
        self._seen: list[httpx.Response] = []
        client.event_hooks["response"].append(self._keep)

    async def _keep(self, response: httpx.Response) -> None:
        if response.status_code >= 400 and response.request.url.path.startswith("/api/"):
            self._seen.append(response)

    async def undeclared(self) -> set[str]:
        """Return what the document does not declare, in words."""
        if not self._seen:
            return set()
        if self._routes not in _documents:
            _documents[self._routes] = operations((await self._client.get("/api/openapi.json")).json()["paths"])
        known = _documents[self._routes]
        found = set()
        for response in self._seen:
            operation = _operation(known, response.request.method, response.request.url.path)
            if operation is None:
                continue
            declared = {(error["status"], str(error.get("code", ""))) for error in operation["x-homing-errors"]}
            found |= {
                f"{operation['operationId']}: {response.status_code} {error}"
                for error in errors_of(response.json()["errors"])
                if (response.status_code, str(error.get("code", ""))) not in declared
            }
        return found


def errors_of(found: Any) -> list[dict[str, Any]]:
    """Return the errors of an answer; one resource has an object instead of an array (SparkPost reference, section 1.5)."""
    return [found] if isinstance(found, dict) else found


def operations(described: dict[str, dict[str, Any]]) -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    """Return paths as patterns, those that say most without their parameters first."""
    paths = sorted(described, key=lambda path: -len(re.sub(r"{\w+}", "", path)))
    return [(re.compile(re.sub(r"\\\{\w+\\\}", ".+", re.escape(path))), described[path]) for path in paths]


def _operation(known: list[tuple[re.Pattern[str], dict[str, Any]]], method: str, path: str) -> dict[str, Any] | None:
    for pattern, item in known:
        if pattern.fullmatch(path.rstrip("/")):
            found: dict[str, Any] | None = item.get(method.lower())
            return found
    return None
