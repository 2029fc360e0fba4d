"""A house that speaks HTTPS with a certificate of an authority, as clients want it that accept nothing else."""

import json
import ssl
import urllib.error
import urllib.request
from typing import Any

from tests.compatibility.authority import Authority
from tests.kit.house import House


class SecureHouse(House):
    """A house with a certificate for mail.acme.test, localhost and 127.0.0.1, at both doors."""

    def __init__(self, authority: Authority, *, database: str, smarthost: str, settings: dict[str, str] | None = None) -> None:
        certificate, key = authority.issue("mail.acme.test")
        tls = {"tls_cert": str(certificate), "tls_key": str(key), "smarthost": smarthost}
        super().__init__(database=database, settings=tls | (settings or {}))
        self._trusting = ssl.create_default_context(cafile=authority.file)

    @property
    def origin(self) -> str:
        return f"https://127.0.0.1:{self.http_port}"

    def _url(self, path: str) -> str:
        return f"{self.origin}{path}"

    def _call(self, request: urllib.request.Request, timeout_s: float) -> tuple[int, Any]:
        try:
            with urllib.request.urlopen(request, timeout=timeout_s, context=self._trusting) as answer:
                return answer.status, _decoded(answer.read())
        except urllib.error.HTTPError as refusal:
            return refusal.code, _decoded(refusal.read())
        except OSError:
            return 0, None


def _decoded(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode("utf-8", "replace")
