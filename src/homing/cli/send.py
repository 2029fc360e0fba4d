"""`homing send`: one message through the REST API, as a customer would send it."""

import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from homing.cli import output, reach
from homing.cli.keys import JsonOption
from homing.ground.config import Settings
from homing.ground.errors import Misuse, Permanent, Temporary

TIMEOUT_S = 60.0


def send(
    sender: Annotated[str, typer.Option("--from", metavar="ADDRESS", help="From; its domain must be one of yours.")],
    to: Annotated[list[str], typer.Option("--to", metavar="ADDRESS", help="Recipient; again for more.")],
    subject: Annotated[str, typer.Option("--subject", help="Subject.")] = "Hello",
    text: Annotated[str | None, typer.Option("--text", help="Plain text.", show_default=False)] = None,
    html: Annotated[str | None, typer.Option("--html", help="HTML.", show_default=False)] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", help="Body from a file: .html, .eml (a whole message), else text.", show_default=False),
    ] = None,
    campaign: Annotated[str | None, typer.Option("--campaign", metavar="ID", show_default=False)] = None,
    url: Annotated[
        str | None, typer.Option("--url", help="The API. Default: HOMING_HTTP of this machine.", show_default=False)
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", help="API key. Default: HOMING_API_KEY.", envvar="HOMING_API_KEY", show_default=False)
    ] = None,
    json: JsonOption = False,
) -> None:
    """Send one message through the REST API."""
    if not key:
        raise Misuse("an API key is needed: --key, or HOMING_API_KEY; `homing key create --name N` makes one")
    body: dict[str, Any] = {
        "recipients": [{"address": {"email": one}} for one in to],
        "content": _content(sender, subject, text, html, file),
    }
    if campaign:
        body["campaign_id"] = campaign
    answer = post(api_url(url), "/api/v1/transmissions", key, body)
    results = answer.get("results", {})
    if json:
        output.print_json(results)
        return
    count = results.get("total_accepted_recipients", 0)
    output.console().print(f"transmission {results.get('id')}: {count} recipient{'' if count == 1 else 's'} accepted")
    for one in to[:3]:
        output.remark(f"  homing events --recipient {one}")


def _content(sender: str, subject: str, text: str | None, html: str | None, file: Path | None) -> dict[str, Any]:
    if file is not None and (text is not None or html is not None):
        raise Misuse("give the body once: --file, or --text and --html")
    if file is not None:
        try:
            body = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as trouble:
            raise Misuse(f"{file} cannot be read as text: {trouble}") from trouble
        if file.suffix.lower() == ".eml":
            return {"email_rfc822": body}
        html, text = (body, None) if file.suffix.lower() in (".html", ".htm") else (None, body)
    if text is None and html is None:
        text = "This message was sent with `homing send`.\n"
    content: dict[str, Any] = {"from": sender, "subject": subject}
    if text is not None:
        content["text"] = text
    if html is not None:
        content["html"] = html
    return content


def api_url(url: str | None, chosen: Settings | None = None) -> str:
    """Return where the API is: the given one, else this machine's.

    raises   Misuse for anything but http and https
    """
    if url is not None:
        if not url.startswith(("http://", "https://")):
            raise Misuse("--url begins with http:// or https://, for example http://127.0.0.1:8025")
        return url.rstrip("/").removesuffix("/api/v1")
    chosen = chosen or reach.settings()
    scheme = "https" if chosen.tls_cert else "http"
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(chosen.http.host, chosen.http.host)  # noqa: S104 - reading, not binding
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{chosen.http.port}"


def post(url: str, path: str, key: str, body: dict[str, Any], *, timeout_s: float = TIMEOUT_S) -> dict[str, Any]:
    """POST a JSON body to the API and return its JSON answer.

    raises   Permanent with the API's own words where it refuses, Temporary where it cannot be reached or is busy
    """
    request = urllib.request.Request(  # noqa: S310 - api_url allows http and https only
        url + path,
        data=msgspec.json.encode(body),
        headers={"Authorization": key, "Content-Type": "application/json", "User-Agent": "homing-cli"},
    )
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as response:  # noqa: S310
            return _decoded(response.read())
    except urllib.error.HTTPError as refusal:
        text = f"the API at {url} says {refusal.code}: {_reasons(refusal.read())}"
        if refusal.code == 401:
            text += " (is the key right? `homing key list` shows which there are)"
        raise (Temporary if refusal.code in (429, 503) else Permanent)(text) from refusal
    except urllib.error.URLError as trouble:
        if isinstance(trouble.reason, ssl.SSLCertVerificationError):
            raise Temporary(f"the certificate of {url} cannot be verified: {trouble.reason.verify_message}") from trouble
        raise Temporary(f"nothing answers at {url} ({trouble.reason}); is `homing up` running?") from trouble
    except TimeoutError as trouble:
        raise Temporary(f"{url} did not answer within {timeout_s:g} s") from trouble


def _decoded(raw: bytes) -> dict[str, Any]:
    try:
        answer = msgspec.json.decode(raw)
    except msgspec.DecodeError:
        answer = None
    if not isinstance(answer, dict):
        raise Permanent("that does not answer like homing's API; check --url")
    return answer


def _reasons(raw: bytes) -> str:
    """Return the errors of an answer on one line."""
    try:
        errors = msgspec.json.decode(raw)["errors"]
        return "; ".join(": ".join(str(one[name]) for name in ("message", "description") if one.get(name)) for one in errors)
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        return output.shortened(raw.decode("utf-8", "replace").strip(), 200) or "no reason"
