"""dkimpy on delivered mail, with the records that a house tells its customers to publish."""

import json

from tests.kit import dkim_oracle
from tests.kit.house import House

Records = dict[str, bytes]


def published(house: House) -> Records:
    """Return the TXT records of the house's domains, as `homing domain list` prints them."""
    domains = json.loads(house.run("domain", "list", "--json").stdout)
    return {f"{one['name']}.": one["value"].encode() for domain in domains for one in domain["records"]}


def assert_signed(data: bytes, records: Records) -> None:
    """Fail unless a message carries an RSA and an Ed25519 signature of ours, and dkimpy verifies both."""
    assert len(records) >= 2
    assert data.startswith(b"DKIM-Signature: v=1; a=rsa-sha256;")
    assert b"\r\nDKIM-Signature: v=1; a=ed25519-sha256;" in data
    assert dkim_oracle.verifies(data, records, 0), "dkimpy does not verify the RSA signature"
    assert dkim_oracle.verifies(data, records, 1), "dkimpy does not verify the Ed25519 signature"
