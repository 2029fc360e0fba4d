"""Holds the answers that a test saw against the OpenAPI document: an error that an endpoint does not declare is a mistake."""

import re
from typing import Any

import httpx


class Declared:
    """Remembers the errors that a client gets."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._seen: list[httpx.Response] = []
        client.event_hooks["response"].append(self._keep)

    async def _keep(self, response: httpx.Response) -> None:
        if response.status_code >= 400 and response.request.url.path.startswith("/api/"):
            self._seen.append(response)

    async def undeclared(self) -> set[str]:
        """Return what the document does not declare, in words."""
        if not self._seen:
            return set()
        known = operations((await self._client.get("/api/openapi.json")).json())
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


def operations(document: dict[str, Any]) -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    """Return the paths of a document as patterns, those that say most without their parameters first."""
    paths = sorted(document["paths"], key=lambda path: -len(re.sub(r"{\w+}", "", path)))
    return [(re.compile(re.sub(r"\\\{\w+\\\}", ".+", re.escape(path))), document["paths"][path]) for path in paths]


def _operation(known: list[tuple[re.Pattern[str], dict[str, Any]]], method: str, path: str) -> dict[str, Any] | None:
    for pattern, item in known:
        if pattern.fullmatch(path.rstrip("/")):
            found: dict[str, Any] | None = item.get(method.lower())
            return found
    return None
