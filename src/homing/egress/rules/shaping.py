"""How many connections and messages a provider takes from one source IP: data/shaping.toml."""

import tomllib
from importlib import resources

import msgspec


class Limits(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What one source IP may do at one site.

    per_minute   messages a minute; None: no limit beyond the connections
    """

    connections: int
    messages_per_connection: int
    per_minute: int | None = None


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    connections: int | None = None
    messages_per_connection: int | None = None
    per_minute: int | None = None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    defaults: _Entry
    providers: dict[str, _Entry]


class Shaping:
    """The table, ready to use. Made once by boot."""

    def __init__(self, text: str) -> None:
        """Read a shaping table.

        raises   tomllib.TOMLDecodeError or msgspec.ValidationError if it is wrong
        """
        file = msgspec.convert(tomllib.loads(text), _File)
        self._defaults = file.defaults
        self._providers = file.providers

    @classmethod
    def from_package(cls) -> "Shaping":
        """Read the table that comes with homing."""
        return cls(resources.files("homing.egress").joinpath("data/shaping.toml").read_text(encoding="utf-8"))

    def limits_for(self, provider: str, default_connections: int) -> Limits:
        """Return the limits at a provider, by its display name; '' for a site without a known one.

        default_connections   the setting site_connections, for providers that name no number of their own
        """
        entry = self._providers.get(provider, self._defaults)
        defaults = self._defaults
        return Limits(
            connections=entry.connections or defaults.connections or default_connections,
            messages_per_connection=entry.messages_per_connection or defaults.messages_per_connection or 500,
            per_minute=entry.per_minute or defaults.per_minute,
        )
