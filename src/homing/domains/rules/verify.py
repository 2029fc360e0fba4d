"""What DNS must say: the DKIM record, the bounce CNAME, the bounce MX. Answers in, an error text or None out."""

from collections.abc import Collection, Sequence
from datetime import datetime


def selector_for(now: datetime, *, algorithm: str) -> str:
    """Return the selector of a key made now: `scph` with month and year, and an `e` for Ed25519."""
    return f"scph{now:%m%y}" + ("e" if algorithm == "ed25519" else "")


def record_name(selector: str, signing_domain: str) -> str:
    """Return where the record of a key stands (RFC 6376 section 3.6.2.1)."""
    return f"{selector}._domainkey.{signing_domain}"


def record_value(public_key: str, *, algorithm: str) -> str:
    """Return what to publish for a key; Ed25519 as in RFC 8463 section 4.2."""
    return f"v=DKIM1; k={algorithm}; h=sha256; p={public_key}"


def dkim_error(records: Sequence[str], *, public_key: str, algorithm: str) -> str | None:
    """Return why the TXT records at a selector do not publish this key, or None if they do.

    records   each with its strings joined, as RFC 6376 section 3.6.2.2 asks; others than key records are passed over
    """
    keys = [tags for tags in map(_tags, records) if tags is not None and "p" in tags]
    if not keys:
        return "no DKIM record found" if not records else "the TXT record found is not a DKIM record"
    if len(keys) > 1:
        return "more than one DKIM record found; what verifiers make of that is undefined"
    tags = keys[0]
    if tags.get("v", "DKIM1") != "DKIM1":
        return "the record's version is not v=DKIM1"
    if tags.get("k", "rsa") != algorithm:
        return f"the record's key type is not k={algorithm}"
    if "h" in tags and "sha256" not in [part.strip() for part in tags["h"].split(":")]:
        return "the record does not allow h=sha256"
    if "s" in tags and not {"*", "email"} & {part.strip() for part in tags["s"].split(":")}:
        return "the record's service type does not allow email"
    published = "".join(tags["p"].split())
    if not published:
        return "the record's key is revoked (empty p=)"
    if published.rstrip("=") != public_key.rstrip("="):
        return "the public key in the record is not the public key of this domain"
    return None


def cname_error(targets: Sequence[str], *, ours: Collection[str]) -> str | None:
    """Return why a CNAME does not lead bounces to us, or None if it does; `ours` in lower case."""
    if not targets:
        return "no CNAME record found"
    wrong = [target for target in map(_plain, targets) if target not in ours]
    return f"the CNAME record points to {wrong[0]}" if wrong else None


def mx_error(hosts: Sequence[str], *, ours: Collection[str]) -> str | None:
    """Return why the MX hosts do not lead bounces to us, or None if every one does: any other would swallow some."""
    if not hosts:
        return "no MX record found"
    wrong = [host for host in map(_plain, hosts) if host not in ours]
    return f"the MX record points to {wrong[0] or '.'}" if wrong else None


def _plain(name: str) -> str:
    return name.rstrip(".").lower()


def _tags(record: str) -> dict[str, str] | None:
    """Read a tag list (RFC 6376 section 3.2); None where the text is none."""
    tags: dict[str, str] = {}
    for part in record.split(";"):
        if not part.strip():
            continue
        name, equals, value = part.partition("=")
        name = name.strip()
        if not equals or not name or name in tags:
            return None
        tags[name] = value.strip()
    return tags
