"""The id that a pool gets from its name."""

import re
import unicodedata

from homing.egress.types import DEFAULT_POOL, SHARED_POOL, SP_SHARED

MOST_LETTERS = 20  # of an id: what a transmission may name (SparkPost reference, section 1.10)
MOST_NAME = 64
_OTHERS = re.compile(r"[^a-z0-9]+")


def pool_id_of(name: str) -> str:
    """Return the slug of a name: lower case, what is no letter or digit of ASCII as underscores; '' where nothing is left."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return _OTHERS.sub("_", plain).strip("_")[:MOST_LETTERS].rstrip("_")


def is_reserved(pool_id: str) -> bool:
    """Return whether an id means something that is always there."""
    return pool_id in (DEFAULT_POOL, SP_SHARED, pool_id_of(SHARED_POOL))
