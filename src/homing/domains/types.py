"""A customer's domains, and the keys that sign for them."""

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey


class SigningKey:
    """A key that is ready to sign: opened once, kept in memory only.

    algorithm   "rsa" or "ed25519", as in the a= tag before the hash
    """

    __slots__ = ("algorithm", "domain", "private", "selector")

    def __init__(self, *, domain: str, selector: str, private: RSAPrivateKey | Ed25519PrivateKey) -> None:
        self.domain = domain
        self.selector = selector
        self.private = private
        self.algorithm = "rsa" if isinstance(private, RSAPrivateKey) else "ed25519"

    def __repr__(self) -> str:
        return f"SigningKey({self.selector}._domainkey.{self.domain}, {self.algorithm})"  # never the key itself


class DomainFacts(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What admission must know of a domain that a customer names.

    usable_in_from         ownership is verified (or an operator vouched for it) and compliance is valid
    usable_as_return_path  its bounce CNAME or MX is verified
    """

    domain: str
    account_id: int
    subaccount_id: int
    shared: bool
    usable_in_from: bool
    usable_as_return_path: bool
    is_default_bounce: bool = False
