"""What the routes of sending domains and of their keys share: domains found for a sender, customers' keys turned into ours."""

import asyncio

from homing.accounts.types import Sender
from homing.api.errors import ApiError
from homing.api.v1.sending_domains_wire import DkimIn, known_name, not_found, read_own_key
from homing.domains import store, tracking_store
from homing.domains.keys import BadKey, import_rsa
from homing.domains.registry import sealed_key
from homing.domains.rules.names import a_labels
from homing.domains.rules.verify import dkim_error, record_name
from homing.domains.types import DkimKey, NewDkimKey, SendingDomain, Verdict
from homing.domains.verify import DomainDns
from homing.ground.db import Pool
from homing.ground.secrets import MasterKey
from homing.ingress.rules.problem import Problem, Wrong, bad_type, unknown_tracking_domain


class DomainDesk:
    """Finds domains for a sender, and turns the keys that customers bring into keys that can be kept."""

    def __init__(self, pool: Pool, master_key: MasterKey, lookup: DomainDns) -> None:
        self._pool = pool
        self._master_key = master_key
        self._lookup = lookup

    async def find(self, sender: Sender, name: str, *, reading: bool = False) -> tuple[SendingDomain, list[DkimKey]]:
        """Return a domain of this sender, with its keys.

        raises   ApiError 404
        """
        scope = sender.scope if reading else sender.subaccount_id
        found = await store.get(self._pool, known_name(name), account_id=sender.account_id, subaccount_id=scope)
        if found is None:
            raise ApiError(not_found(name))
        return found, (await store.keys_of(self._pool, [found.domain]))[found.domain]

    async def tracking_link(self, account_id: int, subaccount_id: int, text: str | None) -> str | None:
        """Return the tracking domain that a sending domain is to be linked to; None: to none.

        raises   Wrong unless the same (sub)account has it; whether it is verified counts when a message is made
        """
        if not text:
            return None
        name = a_labels(text[:1024])
        if name is None:
            raise Wrong(unknown_tracking_domain(text))
        found = await tracking_store.get(self._pool, name, account_id=account_id, subaccount_id=subaccount_id)
        if found is None:
            raise Wrong(unknown_tracking_domain(text))
        return found.domain

    async def own_key(
        self, dkim: DkimIn | None, signing_domain: str, *, status: str = Verdict.UNVERIFIED.value
    ) -> NewDkimKey | None:
        """Return a customer's key sealed, None where none was given. Raises Wrong."""
        parts = read_own_key(dkim)
        if parts is None:
            return None
        private, public, selector = parts
        try:
            pair = await asyncio.to_thread(import_rsa, private, public)
        except BadKey as trouble:
            raise Wrong(bad_type(str(trouble))) from None
        return sealed_key(pair, self._master_key, selector=selector, signing_domain=signing_domain, status=status)

    async def replacing_key(
        self, found: SendingDomain, keys: list[DkimKey], dkim: DkimIn | None, signing_domain: str | None
    ) -> tuple[NewDkimKey | None, str | None]:
        """Return the key that takes the place of a domain's, and what DNS said of it; None where nothing changes.

        A domain that an operator vouched for may have no DNS to look into, so nothing is looked up for it.

        raises   Wrong: among others 1404 where the key, or the key under its new signing domain, is not in DNS
        """
        standing = next((key for key in keys if key.key_id == found.default_key and key.algorithm == "rsa"), None)
        before = found.domain if standing is None else standing.signing_domain
        status = (Verdict.UNVERIFIED if found.trusted else Verdict.VALID).value
        key = await self.own_key(dkim, signing_domain or before, status=status)
        if key is None and (standing is None or signing_domain in (None, before)):
            return None, None
        if not found.trusted:
            await self._check_published(key or standing, signing_domain or before)
        return key, status

    async def _check_published(self, key: NewDkimKey | DkimKey | None, signing_domain: str) -> None:
        if key is None:
            return
        answer = await self._lookup.look_up(record_name(key.selector, signing_domain), "TXT")
        error = answer.trouble or dkim_error(answer.values, public_key=key.public_key, algorithm=key.algorithm)
        if error is not None:
            raise Wrong(Problem(400, "request to remote endpoint failed", error, "1404"))
