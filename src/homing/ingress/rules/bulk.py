"""The recipients of a large call: they stay in the body, which lies in a file, and are read some at a time.

They are read twice: to be judged and counted before anything is stored, and to be stored. Nobody ever holds all of them.
"""

from collections.abc import Iterator

import msgspec

from homing.ingress.rules.problem import Wrong, bad_type
from homing.ingress.rules.recipients import MOST_RECIPIENTS, nobody, read_some, slices
from homing.ingress.types import Recipient, RecipientError

AT_ONCE = 1_000  # recipients
SLICE_BYTES = 1_048_576
MOST_ONE = 1_048_576  # bytes of JSON of one recipient: what he may say fits ten times
MOST_DOMAINS = 100  # of return paths of recipients' own; each is looked up

_pack = msgspec.msgpack.Encoder().encode


class Bulk:
    """Recipients that were judged.

    accepted   how many can be used
    refused    what is wrong with each of the others
    domains    of the envelope senders that they name
    """

    def __init__(self, raw: memoryview) -> None:
        """Judge the recipients of a JSON list that has been found well formed.

        raises   Wrong where nothing can be sent
        """
        if bytes(raw[:1]) != b"[":
            raise Wrong(bad_type("recipients must be a list, or an object with list_id"))
        self._raw = raw
        self.accepted = 0
        refused: list[RecipientError] = []
        domains: set[str] = set()
        for found, wrong in self._read():
            self.accepted += len(found)
            refused += wrong
            if self.accepted + len(refused) > MOST_RECIPIENTS:
                raise Wrong(bad_type(f"recipients must have at most {MOST_RECIPIENTS} elements"))
            domains |= {
                one.detail.return_path.rpartition("@")[2].lower()
                for one in found
                if one.detail is not None and one.detail.return_path
            }
            if len(domains) > MOST_DOMAINS:
                raise Wrong(bad_type(f"the recipients' own return_paths must be of at most {MOST_DOMAINS} domains"))
        if not self.accepted:
            raise Wrong(nobody(refused))
        self.refused = tuple(refused)
        self.domains = frozenset(domains)

    def pieces(self) -> Iterator[tuple[int, bytes]]:
        """Return the usable recipients piece by piece: how many, and msgpack of (email, domain, detail) of each."""
        for found, _ in self._read():
            if found:
                yield len(found), _pack([(one.email, one.domain, one.detail) for one in found])

    def _read(self) -> Iterator[tuple[list[Recipient], list[RecipientError]]]:
        for part in slices(self._raw, 0, len(self._raw), elements=AT_ONCE, size=SLICE_BYTES):
            if len(part) > SLICE_BYTES + MOST_ONE:
                raise Wrong(bad_type(f"a recipient must be at most {MOST_ONE} bytes of JSON"))
            yield read_some(part)
