"""A lost or foreign master key is found at the start, not by mail that cannot be signed."""

import pytest

from homing.boot.supervisor import _master_key_belongs
from homing.domains import keys
from homing.ground.config import Settings
from homing.ground.errors import Misuse
from homing.ground.secrets import load_or_make


async def sealed_by(path, pool) -> None:
    """Put one sealed key into the database, as `homing domain add` does."""
    pair = keys.generate_ed25519()
    sealed = keys.seal(pair, load_or_make(path))
    await pool.execute("INSERT INTO accounts (name) VALUES ('acme')")
    await pool.execute("INSERT INTO sending_domains (domain, account_id) VALUES ('acme.test', 1)")
    await pool.execute(
        "INSERT INTO dkim_keys (domain, key_id, algorithm, selector, signing_domain, private_sealed, public_key, key_bits)"
        " VALUES ('acme.test', 'default', 'ed25519', 's', 'acme.test', $1, 'p', 256)",
        sealed,
    )


async def test_a_new_database_gets_a_new_master_key(pool, tmp_path):
    await _master_key_belongs(Settings(data=tmp_path), pool)
    assert (tmp_path / "master.key").stat().st_mode & 0o777 == 0o600


async def test_the_key_that_sealed_is_accepted(pool, tmp_path):
    await sealed_by(tmp_path / "master.key", pool)
    await _master_key_belongs(Settings(data=tmp_path), pool)


async def test_a_missing_key_refuses_to_start_and_none_is_made_in_its_place(pool, tmp_path):
    await sealed_by(tmp_path / "elsewhere.key", pool)
    with pytest.raises(Misuse, match="is missing; restore it from your backup"):
        await _master_key_belongs(Settings(data=tmp_path), pool)
    assert not (tmp_path / "master.key").exists()


async def test_another_key_refuses_to_start(pool, tmp_path):
    await sealed_by(tmp_path / "elsewhere.key", pool)
    load_or_make(tmp_path / "master.key")
    with pytest.raises(Misuse, match=r"restore the master\.key that belongs to this database"):
        await _master_key_belongs(Settings(data=tmp_path), pool)
