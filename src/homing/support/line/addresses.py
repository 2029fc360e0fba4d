"""Addresses of ours that carriers ask. They begin with HOMING_SEV1_URL, never with the Host header of a request."""

from urllib.parse import urlencode

PREFIX = "/telephony/v1"


class LineAddresses:
    """Makes the addresses of one carrier (script.Addresses), also those that name a call in the legs that we ring.

    intake_id   of the call that a whisper is about; 0: there is none
    """

    folder = "calls"  # of this sort of calls

    def __init__(self, base: str, carrier: str, intake_id: int = 0) -> None:
        self._base = f"{base.rstrip('/')}{PREFIX}/{carrier}"
        self._intake_id = intake_id

    def step(self, step: str, turn: int, *, empty: bool = False) -> str:
        """Return where the answer to a question goes."""
        return self._at(f"{self.folder}/{step}", n=turn, **({"empty": 1} if empty else {}))

    def whisper(self, person_id: int) -> str:
        """Return what a person on duty hears before he is connected."""
        return self._at(f"{self.folder}/whisper", i=self._intake_id, p=person_id)

    def accept(self, person_id: int) -> str:
        """Return where his key goes."""
        return self._at(f"{self.folder}/whisper-accept", i=self._intake_id, p=person_id)

    def recording(self, step: str, turn: int) -> str:
        """Return where a recording is reported to."""
        return self._at(f"{self.folder}/recording", step=step, n=turn)

    def inbound(self) -> str:
        """Return what a carrier asks when a call rings."""
        return self._at(f"{self.folder}/inbound")

    def status(self) -> str:
        """Return where a carrier says how a call goes."""
        return self._at(f"{self.folder}/status")

    def attempt(self, attempt_id: int, what: str) -> str:
        """Return an address of an attempt to call back."""
        return self._at(f"attempts/{attempt_id}/{what}")

    def page(self, page_id: int, what: str, turn: int = 0) -> str:
        """Return an address of a call that wakes somebody."""
        return self._at(f"pages/{page_id}/{what}", **({"n": turn} if what == "key" else {}))

    def code(self, code_id: int, what: str) -> str:
        """Return an address of a call that reads a code out to a contact."""
        return self._at(f"codes/{code_id}/{what}")

    def away(self, leg: str, key: str, person_id: int) -> str:
        """Return an address of a call that wakes somebody while the store is away."""
        return self._at(f"{self.folder}/away-{leg}", k=key, p=person_id)

    def test(self) -> str:
        """Return what the outer leg of a test call asks."""
        return self._at(f"{self.folder}/test")

    def _at(self, path: str, **query: object) -> str:
        return f"{self._base}/{path}" + (f"?{urlencode(query)}" if query else "")
