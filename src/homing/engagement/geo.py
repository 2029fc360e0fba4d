"""Where an address is, by a MaxMind file that the operator has (HOMING_GEOIP)."""

from pathlib import Path
from typing import Any

import maxminddb

from homing.ground.errors import Misuse


class Geo:
    """Looks addresses up. Without a file everything is unknown.

    raises   Misuse, from the constructor, if the file cannot be read
    """

    def __init__(self, file: Path | None) -> None:
        self._reader: maxminddb.Reader | None = None
        if file is not None:
            try:
                self._reader = maxminddb.open_database(file)
            except (OSError, maxminddb.InvalidDatabaseError) as trouble:
                raise Misuse(f"HOMING_GEOIP={file} cannot be read as a MaxMind database: {trouble}") from trouble

    def find(self, ip: str) -> dict[str, Any]:
        """Return `geo_ip` (SparkPost reference, section 4.3), without what is unknown."""
        if self._reader is None:
            return {}
        try:
            found: Any = self._reader.get(ip)
        except (ValueError, maxminddb.InvalidDatabaseError):
            return {}
        if not isinstance(found, dict):
            return {}
        place, regions = found.get("location") or {}, found.get("subdivisions") or [{}]
        made = {
            "country": (found.get("country") or {}).get("iso_code"),
            "region": regions[0].get("iso_code"),
            "city": ((found.get("city") or {}).get("names") or {}).get("en"),
            "latitude": place.get("latitude"),
            "longitude": place.get("longitude"),
            "postal_code": (found.get("postal") or {}).get("code"),
        }
        return {name: value for name, value in made.items() if value is not None}
