"""Who is asking, and what they may do."""

import msgspec


class Sender(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """An authenticated caller: an API key, or a trusted network's account.

    subaccount_id   0 for the primary account; a subaccount key is pinned to its own
    key_id          0 where no key was used
    """

    account_id: int
    subaccount_id: int = 0
    key_id: int = 0
    grants: frozenset[str] = frozenset()
    acts_for_all: bool = False  # a primary key without X-MSYS-SUBACCOUNT: reads see primary and all subaccounts

    def may(self, grant: str) -> bool:
        """Return whether a grant is held; `.../manage` and `.../modify` are not implied by name."""
        return grant in self.grants
