"""The sink: a session that takes everything and sends it nowhere (SparkPost reference, section 1.11)."""

from homing.delivery.types import Attempt, Reply, Site, Stage

SUFFIX = "sink.sparkpostmail.com"
SINK = Site(key="sink", hosts=())
_TAKEN = Reply(250, ("2.0.0 taken by the sink",))


class Sink:
    """Stands in for a connection (delivery.session.Connection)."""

    def __init__(self) -> None:
        self.sent = 0
        self.usable = True

    async def send(self, mail_from: str, rcpt: str, data: bytes, *, utf8: bool, eight_bit: bool) -> Attempt:
        """Take a message."""
        self.sent += 1
        return Attempt(stage=Stage.END_OF_DATA, reply=_TAKEN, sent_end_of_data=True, host=SUFFIX)

    async def quit(self) -> None:
        """End it."""
        self.usable = False


def is_sink(domain: str, suffixes: tuple[str, ...]) -> bool:
    """Return whether mail for a routing domain must never leave us."""
    return any(domain == suffix or domain.endswith("." + suffix) for suffix in suffixes)
