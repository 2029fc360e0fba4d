"""The pace keeper and its clients: limits of a node that are exact with any number of workers (rules/pace.py decides).

The keeper sits in the supervisor; each worker asks it over its channel, once for a batch of connections or a block of
messages. Where no limit a minute exists, a message costs nothing here.
"""

import time
from collections.abc import Callable

from homing.egress.rules.pace import BLOCK_S, PaceBook, Recall
from homing.ground import log
from homing.ground.channel import Channel, ChannelClosed
from homing.ground.errors import Temporary

_TIDY_S = 60.0
_TIMEOUT_S = 2.0


class PaceKeeper:
    """The supervisor's side. `attach` each worker's channel; `detach` once its process has been reaped."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.book = PaceBook()
        self._clock = clock
        self._channels: dict[str, Channel] = {}
        self._tidied_at = clock()

    def attach(self, worker: str, channel: Channel) -> None:
        """Answer a worker's questions."""
        self._channels[worker] = channel

        def want(ip: str, site: str, wanted: int, limit: int) -> tuple[int, int]:
            answer = self.book.want(worker, ip, site, wanted=wanted, limit=limit, now=self._clock())
            self._send(answer.recalls)
            return answer.granted, answer.keep

        def keep(ip: str, site: str, kept: int) -> None:
            self.book.keep(worker, ip, site, kept=kept)

        def tokens(ip: str, site: str, per_minute: int) -> int:
            now = self._clock()
            if now - self._tidied_at > _TIDY_S:
                self._tidied_at = now
                self.book.tidy(now=now)
            return self.book.tokens(ip, site, per_minute=per_minute, now=now)

        channel.on("pace_want", want)
        channel.on("pace_keep", keep)
        channel.on("pace_tokens", tokens)

    def detach(self, worker: str) -> None:
        """Free what a worker held. Its connections end with its process, so not before that has been reaped."""
        self._channels.pop(worker, None)
        self.book.leave(worker)

    def _send(self, recalls: tuple[Recall, ...]) -> None:
        for recall in recalls:
            channel = self._channels.get(recall.worker)
            if channel is None:
                continue
            try:
                channel.tell("pace_recall", ip=recall.ip, site=recall.site, keep=recall.keep)
            except ChannelClosed:
                continue  # the worker is ending; `detach` frees what it holds


class PaceClient:
    """A worker's side.

    channel     to the supervisor
    recalled    called with (ip, site, keep) when the keeper asks to give connections back; see `surplus`
    """

    def __init__(
        self,
        channel: Channel,
        *,
        recalled: Callable[[str, str, int], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._channel = channel
        self._recalled = recalled
        self._clock = clock
        self._granted: dict[tuple[str, str], int] = {}
        self._keep: dict[tuple[str, str], int] = {}
        self._blocks: dict[tuple[str, str], tuple[int, float]] = {}  # tokens left, good until
        self._log = log.get("egress")
        channel.on("pace_recall", self._on_recall)

    async def slots(self, ip: str, site: str, *, wanted: int, limit: int) -> int:
        """Return how many connections this worker may have there in all, at most `wanted` or what it was granted before.

        0 while the keeper cannot be reached: nothing new is opened then.
        """
        key = (ip, site)
        granted = self._granted.get(key, 0)
        if self._channel.closed:
            return 0
        if wanted <= granted and key not in self._keep:
            return granted
        try:
            granted, keep = await self._channel.ask(
                "pace_want", ip=ip, site=site, wanted=wanted, limit=limit, timeout_s=_TIMEOUT_S
            )
        except Temporary as trouble:
            self._log.warning("pace_keeper_silent", reason=str(trouble))
            return 0
        self._granted[key] = granted
        if keep < granted:
            self._keep[key] = keep
        else:
            self._keep.pop(key, None)
        return int(keep)

    async def release(self, ip: str, site: str, kept: int) -> None:
        """Give slots back, keeping so many (0: all). Call it when connections have closed and will not be reopened soon."""
        key = (ip, site)
        granted = self._granted.get(key, 0)
        if kept >= granted:
            return
        if kept:
            self._granted[key] = kept
        else:
            self._granted.pop(key, None)
            self._keep.pop(key, None)
        if self._keep.get(key, kept) >= kept:
            self._keep.pop(key, None)
        if not self._channel.closed:
            self._channel.tell("pace_keep", ip=ip, site=site, kept=kept)

    def surplus(self, ip: str, site: str, open_now: int) -> int:
        """Return how many of the open connections the keeper wants back; end so many and `release` them."""
        keep = self._keep.get((ip, site))
        return 0 if keep is None else max(0, open_now - keep)

    async def tokens(self, ip: str, site: str, *, per_minute: int) -> int:
        """Take the right to send one message: 1, or 0 when there is none now (ask again a little later)."""
        key = (ip, site)
        left, good_until = self._blocks.get(key, (0, 0.0))
        now = self._clock()
        if left and now <= good_until:
            self._blocks[key] = (left - 1, good_until)
            return 1
        try:
            block = await self._channel.ask("pace_tokens", ip=ip, site=site, per_minute=per_minute, timeout_s=_TIMEOUT_S)
        except Temporary:
            return 0
        if not block:
            return 0
        # Counted from before the question. What another task fetched meanwhile adds up, and all of it expires with the older.
        rest, rest_until = self._blocks.get(key, (0, 0.0))
        good_until = now + BLOCK_S
        if rest and self._clock() <= rest_until:
            block, good_until = block + rest, min(good_until, rest_until)
        self._blocks[key] = (block - 1, good_until)
        return 1

    def _on_recall(self, ip: str, site: str, keep: int) -> None:
        if self._granted.get((ip, site), 0) <= keep:
            return
        self._keep[ip, site] = keep
        if self._recalled is not None:
            self._recalled(ip, site, keep)
