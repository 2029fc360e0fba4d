"""Codes for contacts' numbers, through the line's carriers: in a short message, or read out in a call to whoever presses 1.

A voicemail presses nothing, so it is told no code. What is said names neither the customer nor what it is for.
"""

from collections.abc import Awaitable, Callable

from homing.contracts import phones
from homing.ground import db
from homing.ground.clock import Clock
from homing.ground.log import get
from homing.ground.secrets import MasterKey
from homing.support.line.addresses import LineAddresses
from homing.support.line.carriers import Carriers, NotPlaced
from homing.support.line.rules.document import Document, Gather, Hangup, Pause, Say
from homing.support.line.rules.numbers import warned
from homing.support.line.types import Carrier, LineSettings

log = get("line")
RING_S = 30
ASK = "This is the support of your mail service. You asked for a code. Press 1 to hear it."
OVER = "This code is good no more. Goodbye."
GOODBYE = "Goodbye."
DEAR = "codes are not sent to premium numbers, nor to countries that the operator does not call; staff can verify the number"


class CodeCalls:
    """Brings codes to telephones, for one worker."""

    def __init__(
        self, pool: db.Pool, clock: Clock, carriers: Carriers, settings: LineSettings, master_key: MasterKey, *, base: str
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._carriers = carriers
        self._settings = settings
        self._master_key = master_key
        self._base = base

    @property
    def is_offered(self) -> bool:
        """Return whether there is a carrier."""
        return bool(self._carriers.all)

    def why_not(self, number: str) -> str:
        """Return why no code goes to a number, in a sentence; '': one may. Whoever asks is a stranger to us, and calls cost."""
        return DEAR if warned(number, self._settings.countries).any else ""

    async def bring(self, number: str, asked: phones.Asked, way: phones.Way) -> str:
        """Send a code, or have it read out; return '' once a carrier has taken it, else what went wrong."""
        if way is phones.Way.TEXT:
            words = (
                f"{asked.code} is your code. It is good for {phones.GOOD.seconds // 60} minutes. Tell it to nobody but who asked."
            )

            async def send(carrier: Carrier) -> None:
                await self._carriers.text(carrier, to=number, sender=carrier.numbers[0], words=words)

            return await self._by_any(send)

        async def call(carrier: Carrier) -> None:
            at = LineAddresses(self._base, carrier.name)
            await self._carriers.call(
                carrier,
                to=number,
                sender=carrier.numbers[0],
                url=at.code(asked.code_id, "ask"),
                status=at.code(asked.code_id, "status"),
                ring_s=RING_S,
            )

        return await self._by_any(call)

    async def _by_any(self, work: Callable[[Carrier], Awaitable[None]]) -> str:
        async def noted(carrier: Carrier) -> None:
            try:
                await work(carrier)
            except NotPlaced as refused:
                log.warning("code_not_sent", carrier=carrier.name, why=str(refused))
                raise

        return await self._carriers.by_any(noted)

    async def heard(self, carrier: Carrier, code_id: int, leg: str, pressed: str) -> Document:
        """Return what is heard in a call with a code. leg: ask, or say once a key was pressed."""
        code = await phones.code_to_say(self._pool, self._master_key, code_id, now=self._clock.now())
        if code is None:
            return (Say(OVER), Hangup())
        if leg == "ask":
            action = LineAddresses(self._base, carrier.name).code(code_id, "say")
            return (Gather(action=action, prompt=(Say(ASK),), digits=1, timeout_s=10), Hangup())
        if pressed[:1] != "1":
            return (Say(GOODBYE), Hangup())
        digits = ", ".join(code)
        return (Say(f"Your code is: {digits}."), Pause(1), Say(f"Again: {digits}."), Say(GOODBYE), Hangup())
