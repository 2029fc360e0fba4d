"""API keys on the wire: bodies in, objects out (SparkPost reference, section 2.21). Nothing is looked up here."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from homing.accounts.grants import ROLES, Grant, check_grants, read_masks
from homing.accounts.types import ApiKey, Sender
from homing.ingress.rules.problem import Problem, Wrong, bad_params, bad_type, missing

MOST_LABEL = 255
MOST_MASKS = 100


class KeyIn(msgspec.Struct, kw_only=True):
    """A key to make, or what to change of one; `null` means absent.

    grants      what it may do; no more than the key that asks holds
    valid_ips   CIDR masks that it may be used from; none: from anywhere
    """

    label: str | None = None
    grants: list[str] | None = None
    valid_ips: list[str] | None = None


def read_label(text: str | None) -> str:
    """Return a key's label. Raises Wrong."""
    if text is None or not text.strip():
        raise Wrong(missing("label is a required field"))
    if len(text) > MOST_LABEL or not text.isprintable():
        raise Wrong(bad_type(f"label must be at most {MOST_LABEL} printable characters"))
    return text.strip()


def read_grants(grants: list[str] | None, sender: Sender) -> list[str]:
    """Return the grants of a key that this sender may make. Raises Wrong."""
    if not grants:
        raise Wrong(missing("grants is a required field"))
    impossible = check_grants(grants, subaccount_id=sender.subaccount_id)
    if impossible:
        raise Wrong(cannot_hold(impossible))
    beyond = check_grants(grants, subaccount_id=sender.subaccount_id, held=sender.grants)
    if beyond:
        raise Wrong(cannot_give(beyond))
    return grants


def cannot_hold(grants: list[str]) -> Problem:
    """Return the error of grants that such a key cannot have."""
    return bad_params(f"a key cannot hold these grants: {_few(grants)}")


def cannot_give(grants: list[str]) -> Problem:
    """Return the error of grants that the asking key has not itself."""
    return Problem(403, "permission denied", f"a key cannot give away what it does not hold: {_few(grants)}", "1100")


def read_valid_ips(texts: list[str] | None) -> list[str]:
    """Return CIDR masks as we keep them. Raises Wrong."""
    if texts is not None and len(texts) > MOST_MASKS:
        raise Wrong(bad_type(f"valid_ips must have at most {MOST_MASKS} masks"))
    try:
        return [str(network) for network in read_masks(texts or [])]
    except ValueError:
        raise Wrong(bad_type("valid_ips must have valid netmask values")) from None


def read_key_id(text: str) -> int:
    """Return the number of a key, 0 (which no key has) for a text that is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0


def not_found(text: str) -> Problem:
    """Return the error of a key that this account does not have."""
    return Problem(404, "resource not found", f"API key '{text[:64]}' does not exist", "1600")


def show(key: ApiKey) -> dict[str, Any]:
    """Return a key as customers see it: never the key itself."""
    shown: dict[str, Any] = {
        "id": str(key.key_id),
        "label": key.label,
        "short_key": key.short_key,
        "grants": list(key.grants),
        "created_at": _moment(key.created_at),
        "valid_ips": list(key.valid_ips),
    }
    if key.subaccount_id:
        shown["subaccount_id"] = key.subaccount_id
    return shown


def show_grant(grant: Grant) -> dict[str, str]:
    """Return a grant as customers see it."""
    return {"key": grant.key, "label": grant.label, "description": grant.description}


def read_role(text: str | None) -> str | None:
    """Return a console role, None where none is asked for. Raises Wrong."""
    if not text:
        return None
    if text not in ROLES.values():
        raise Wrong(bad_params(f"role must be one of: {', '.join(ROLES.values())}"))
    return text


def _few(grants: list[str]) -> str:
    return ", ".join(grant[:64] for grant in grants[:10])


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
