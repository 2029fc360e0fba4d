"""The collector of cyclic garbage, kept from walking again and again over what never goes: the modules of the house."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def at_rest() -> Iterator[None]:
    """Import within this: nothing is looked for meanwhile, and what was made is never looked at again."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
