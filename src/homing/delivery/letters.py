"""Letters: the content of what is ready, and each message made when it is sent: rendered, addressed, signed."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import msgspec

from homing.delivery.settle import detail_of
from homing.domains.facts import DomainBook
from homing.domains.keyring import KeyRing
from homing.domains.tracking import TrackingBook
from homing.domains.types import DEFAULT_KEY, SigningKey
from homing.egress.pools import PoolBook
from homing.egress.types import DEFAULT_POOL
from homing.events.detail import EventBook
from homing.ground import db
from homing.ground.clock import Clock
from homing.ground.errors import Permanent
from homing.message import verp
from homing.queue.types import Entry, NewChunk
from homing.spool import dkim
from homing.spool import store as spool
from homing.spool.css import InlineCss
from homing.spool.marks import Marking, Marks, packed_of
from homing.spool.reencode import has_amp
from homing.spool.render import Prepared, prepare
from homing.spool.types import NOTHING_DIFFERS, ChunkFacts, Content, InlineContent, RawContent, RecipientDetail
from homing.templates.book import SnippetBook
from homing.templates.types import Snippet

SLOW_S = 0.005  # CPU time of making a message beyond which the next one of its chunk is made in a thread
# Where nothing is measured yet, from here on the first message of a chunk may take longer than that (algorithms.md).
RAW_APART = 1_048_576  # bytes of a whole message
PARTS_APART = 131_072  # bytes of attachments and images
TEXT_APART = 8_192  # characters of bodies in which the template language may occur
DKIM_LOOPS = frozenset({"Yahoo", "Seznam", "Mail.ru"})  # providers whose feedback loop goes by DKIM domain
TOGETHER_BYTES = 65_536  # contents up to this size are fetched many at once; larger ones one by one, when sent


class Chunk:
    """The content of a chunk in memory, and what is made of it once.

    apart   making the next of its messages may take so long that the event loop must not wait for it
    """

    __slots__ = ("_content", "_prepared", "_trouble", "apart", "events", "facts", "names_snippets", "size")

    def __init__(self, facts: ChunkFacts, content: Content, events: EventBook | None = None) -> None:
        self.facts = facts
        self.events = events or EventBook(facts, amp_enabled=has_amp(content))
        self._content = content
        self._prepared: Prepared | None = None
        self._trouble: Permanent | None = None
        self.size = _size(content) + 2_000
        self.apart = facts.inline_css or _may_be_slow(content)
        self.names_snippets = _names_snippets(content)

    def prepared(self, hostname: str, *, tracked: bool, inline: InlineCss | None) -> Prepared:
        """Return what renders the messages of this chunk; made at the first use.

        raises   Permanent where the content cannot be made into a message; Temporary where its CSS cannot be moved now
        """
        if self._trouble is not None:
            raise self._trouble
        if self._prepared is None:
            try:
                self._prepared = prepare(self._content, self.facts, hostname, tracked=tracked, inline=inline)
            except Permanent as trouble:
                self._trouble = trouble
                raise
        return self._prepared

    @property
    def waits(self) -> bool:
        """Return whether making a message waits for another process."""
        return self._prepared is not None and self._prepared.waits


NO_MARKING = Marking()


class Letter(msgspec.Struct, frozen=True, gc=False):
    """One message as it goes over the wire, dots not doubled."""

    data: bytes
    mail_from: str
    utf8: bool
    eight_bit: bool
    subject: str


class Material(msgspec.Struct, frozen=True, gc=False):
    """What was looked up for one message.

    detail          what differs for its recipient
    return_domain   of its envelope sender
    base            what its tracked addresses begin with; '': as the installation's do
    """

    detail: RecipientDetail
    keys: Sequence[SigningKey]
    return_domain: str
    base: str = ""
    snippets: Mapping[str, Snippet] | None = None


class Unmakeable(msgspec.Struct, frozen=True, gc=False):
    """Why a message cannot be made; it never will be."""

    why: str


class Letters:
    """Keeps content by bytes, least recently used first out; what was let go is read from the spool again."""

    def __init__(
        self,
        pool: db.Pool,
        clock: Clock,
        keyring: KeyRing,
        pools: PoolBook,
        domains: DomainBook,
        snippets: SnippetBook,
        *,
        marking: Marking = NO_MARKING,
        inline: InlineCss | None = None,
        tracking: TrackingBook | None = None,
        hostname: str,
        bounce_domain: str,
        token: Callable[[bytes], bytes],
        most_bytes: int = 67_108_864,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._keyring = keyring
        self._pools = pools
        self._domains = domains
        self._snippets = snippets
        self._marking = marking
        self._inline = inline
        self._tracking = tracking
        self._hostname = hostname
        self._bounce_domain = bounce_domain
        self._token = token
        self._most = most_bytes
        # One thread: what is prepared once for a chunk is not prepared twice, and large messages of one customer leave
        # the loop, which holds the interpreter between the steps of the thread, for everybody else.
        self._apart = ThreadPoolExecutor(max_workers=1, thread_name_prefix="letters")
        self._chunks: OrderedDict[bytes, Chunk] = OrderedDict()
        self.bytes = 0

    def keep(self, chunk: NewChunk) -> None:
        """Keep the content of a chunk that was just committed."""
        if chunk.chunk_id not in self._chunks:
            self._add(chunk.chunk_id, Chunk(chunk.facts, chunk.content, chunk.book))

    def at_hand(self, entry: Entry) -> Chunk | None:
        """Return the entry's chunk if it is in memory."""
        found = self._chunks.get(entry.chunk_id)
        if found is not None:
            self._chunks.move_to_end(entry.chunk_id)
        return found

    async def chunk(self, entry: Entry) -> Chunk | None:
        """Return the entry's chunk, read from the spool where needed; None: it is not there, which is a fault of ours.

        raises   StoreUnavailable
        """
        found = self.at_hand(entry)
        if found is None:
            with db.trouble_is_temporary():
                loaded = await spool.load_chunk(self._pool, entry.shard, entry.chunk_id)
            if loaded is None:
                return None
            found = self._add(entry.chunk_id, Chunk(*loaded))
        return found

    async def fetch(self, entries: list[Entry]) -> dict[bytes, ChunkFacts]:
        """Bring the contents of entries of one shard into memory together, as far as they are small; return the facts.

        raises   StoreUnavailable
        """
        wanted = {entry.chunk_id for entry in entries}
        facts = {chunk_id: self._chunks[chunk_id].facts for chunk_id in wanted if chunk_id in self._chunks}
        missing = [chunk_id for chunk_id in wanted if chunk_id not in facts]
        if missing:
            with db.trouble_is_temporary():
                found = await spool.load_chunks(self._pool, entries[0].shard, missing, most_bytes=TOGETHER_BYTES)
            for chunk_id, (its_facts, content) in found.items():
                facts[chunk_id] = its_facts
                if content is not None:
                    self._add(chunk_id, Chunk(its_facts, content))
        for account_id, pool_id in {(f.account_id, f.ip_pool) for f in facts.values()}:
            await self._pools.ready(account_id, pool_id)
        return facts

    async def make(self, entry: Entry, chunk: Chunk, *, provider: str = "") -> Letter | Unmakeable:
        """Make the message of one entry: rendered, with its envelope sender, signed by its domain's keys or its pool's.

        provider   of the site that it goes to; one whose feedback loop goes by DKIM domain gets the pool's signature for it
        What takes longer than some milliseconds is made in a thread; other conversations go on meanwhile.
        """
        facts = chunk.facts
        keys = await self._keys(facts, provider)
        snippets = None
        if chunk.names_snippets:
            snippets = await self._snippets.of(facts.account_id, facts.subaccount_id)
        detail = detail_of(entry) or NOTHING_DIFFERS
        returning = await self._return_domain(detail.return_path or facts.return_path, facts)
        material = Material(detail, keys, returning, await self._base(facts), snippets)
        now = self._clock.now()
        if chunk.apart:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._apart, self._timed, entry, chunk, material, now)
        return self._timed(entry, chunk, material, now)

    async def _base(self, facts: ChunkFacts) -> str:
        """Return what the tracked addresses of these messages begin with; '': they have none, or the installation's."""
        if self._tracking is None or not self._marking.addresses(facts):
            return ""
        choice = (facts.account_id, facts.subaccount_id, facts.sending_domain, facts.tracking_domain)
        return self._tracking.base_cached(*choice) or await self._tracking.base(*choice)

    async def _return_domain(self, return_path: str | None, facts: ChunkFacts) -> str:
        """Return the domain of the envelope sender: the one that was chosen, while its bounces come here, else ours.

        It was judged when the mail was accepted; since then its owner may have removed it, and somebody else have it.
        """
        if not return_path:
            return self._bounce_domain
        domain = return_path.rpartition("@")[2]
        usable = await self._domains.may_return(facts.account_id, facts.subaccount_id, domain.lower())
        return domain if usable else self._bounce_domain

    async def _keys(self, facts: ChunkFacts, provider: str) -> Sequence[SigningKey]:
        """Return what signs: a key that the message names, else its pool's domain where that has keys, else its own.

        Pools and the domains that sign for them are the primary account's.
        """
        account_id, own = facts.account_id, facts.sending_domain
        signer = await self._domains.signer(account_id, facts.subaccount_id, own)
        keys: Sequence[SigningKey] = ()
        if facts.ip_pool != DEFAULT_POOL:  # the default pool has no signing domains
            await self._pools.ready(facts.account_id, facts.ip_pool)
            line = self._pools.line(facts.account_id, facts.ip_pool)
            if line.signing_domain and facts.dkim_key == DEFAULT_KEY:
                keys = await self._keys_of(account_id, 0, line.signing_domain)
            if line.fbl_signing_domain and provider in DKIM_LOOPS:
                keys = keys or await self._keys_of(*signer, own, facts.dkim_key)
                known = {(key.domain, key.selector) for key in keys}
                further = await self._keys_of(account_id, 0, line.fbl_signing_domain)
                return [*keys, *(key for key in further if (key.domain, key.selector) not in known)]
        return keys or await self._keys_of(*signer, own, facts.dkim_key)

    async def _keys_of(
        self, account_id: int, subaccount_id: int, domain: str, dkim_key: str = DEFAULT_KEY
    ) -> Sequence[SigningKey]:
        cached = self._keyring.get_cached(account_id, subaccount_id, domain, dkim_key)
        return cached if cached is not None else await self._keyring.signing_keys(account_id, subaccount_id, domain, dkim_key)

    def _timed(self, entry: Entry, chunk: Chunk, material: Material, now: datetime) -> Letter | Unmakeable:
        """Make a message and note whether the next one of its chunk should be made apart."""
        began = time.thread_time()
        letter = self._made(entry, chunk, material, now)
        chunk.apart = chunk.waits or time.thread_time() - began > SLOW_S
        return letter

    def _made(self, entry: Entry, chunk: Chunk, material: Material, now: datetime) -> Letter | Unmakeable:
        facts = chunk.facts
        mail_from = verp.compose(entry.entry_id, self._token, material.return_domain)
        packed = packed_of(facts, entry.recipient)
        linked, kept = entry.entry_id, packed
        if material.detail.links_of is not None:
            linked, reader = material.detail.links_of
            kept = packed_of(facts, reader)
        try:
            seal = self._marking.seal if self._marking.tracks(facts) else None
            prepared = chunk.prepared(self._hostname, tracked=seal is not None, inline=self._inline)
            rendered = prepared.render(
                extra_headers=self._marking.fields(
                    facts,
                    message_id=entry.entry_id,
                    recipient=entry.recipient,
                    packed=packed,
                    brings=prepared.brings,
                    base=material.base,
                ),
                marks=None if seal is None else Marks(seal, material.base or self._marking.base, facts, linked, kept),
                detail=material.detail,
                recipient=entry.recipient,
                message_id=entry.entry_id,
                mail_from=mail_from,
                now=now,
                snippets=material.snippets,
            )
        except Permanent as trouble:
            return Unmakeable(str(trouble))
        data = rendered.data
        if material.keys:
            data = dkim.sign(data, material.keys, now=now) + data
        return Letter(data, mail_from, rendered.utf8, rendered.eight_bit, rendered.subject)

    def _add(self, chunk_id: bytes, chunk: Chunk) -> Chunk:
        self._chunks[chunk_id] = chunk
        self.bytes += chunk.size
        while self.bytes > self._most and len(self._chunks) > 1:
            _, old = self._chunks.popitem(last=False)
            self.bytes -= old.size
        return chunk

    def drop(self, chunk_ids: Iterable[bytes]) -> None:
        """Let contents go that nobody waits for any more."""
        for chunk_id in chunk_ids:
            old = self._chunks.pop(chunk_id, None)
            if old is not None:
                self.bytes -= old.size


def _names_snippets(content: Content) -> bool:
    match content:
        case RawContent():
            return content.substitute and b"render_snippet" in content.rfc822
        case InlineContent():
            bodies = (content.text, content.html, content.amp_html) if content.perform_substitutions else ()
            texts = (*bodies, content.subject, content.from_name, content.reply_to, *content.headers.values())
            return any(text is not None and "render_snippet" in text for text in texts)


def _may_be_slow(content: Content) -> bool:
    match content:
        case RawContent():
            return len(content.rfc822) >= (TEXT_APART if content.substitute else RAW_APART)
        case InlineContent():
            parts = sum(len(part.data) for part in (*content.attachments, *content.inline_images))
            texts = sum(len(text) for text in (content.text, content.html, content.amp_html) if text)
            return parts >= PARTS_APART or texts >= TEXT_APART


def _size(content: Content) -> int:
    match content:
        case RawContent():
            return len(content.rfc822)
        case InlineContent():
            parts = (*content.attachments, *content.inline_images)
            texts = (content.text, content.html, content.amp_html)
            return 2 * (sum(len(part.data) for part in parts) + sum(len(text) for text in texts if text))
