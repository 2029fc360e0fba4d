"""What is written into one message so that it can be recognised again: tracked links, pixels, unsubscribe and feedback fields."""

from collections.abc import Callable

import msgspec

from homing.message import keepsake, msfbl, unsubscribe
from homing.message.keepsake import Keepsake
from homing.message.links import shown, track_html, track_text, with_pixels
from homing.message.tracked import Kind, Seal
from homing.spool.types import ChunkFacts

Token = Callable[[bytes], bytes]
_MOST_TEXT = 300  # characters of recipient, list and campaign: sealed, they are one word of a header field


def packed_of(facts: ChunkFacts, recipient: str) -> bytes:
    """Return the packed keepsake of a message; without its campaign or list where they would not fit on a line of a header."""
    room = _MOST_TEXT - len(recipient)
    list_id = facts.named_list if len(facts.named_list) <= room else ""
    campaign_id = facts.campaign_id if len(facts.campaign_id) <= room - len(list_id) else ""
    return keepsake.pack(
        Keepsake(
            facts.account_id, recipient, facts.subaccount_id, facts.transactional, campaign_id, facts.transmission_id, list_id
        )
    )


class Marking(msgspec.Struct, frozen=True, kw_only=True):
    """What this installation can follow. Made once for a worker.

    seal          makes tracked addresses; None: nothing is tracked
    base          where they lead unless a customer has a host of his own, for example https://click.example.com
    mail_domain   whose mail comes back to us; '': none does, so no mail address is offered
    keepsakes     seals what header fields carry of a message
    """

    seal: Seal | None = None
    base: str = ""
    mail_domain: str = ""
    unsubscribe_token: Token | None = None
    msfbl_token: Token | None = None
    keepsakes: keepsake.Box | None = None

    def tracks(self, facts: ChunkFacts) -> bool:
        """Return whether bodies of these messages differ by message."""
        return self.seal is not None and (facts.open_tracking or facts.click_tracking or facts.initial_open)

    def addresses(self, facts: ChunkFacts) -> bool:
        """Return whether these messages hold addresses that lead to the tracking site."""
        return self.seal is not None and (not facts.transactional or self.tracks(facts))

    def fields(
        self,
        facts: ChunkFacts,
        *,
        message_id: bytes,
        recipient: str,
        packed: bytes,
        brings: Callable[[str], bool],
        base: str = "",
    ) -> tuple[tuple[str, str], ...]:
        """Return the header fields that this message gets from us.

        packed   its keepsake (packed_of)
        brings   whether the message has a field of this (lower-case) name already; what it brings wins
        base     where its addresses lead; '': where the installation's do
        """
        made: list[tuple[str, str]] = []
        word = "" if self.keepsakes is None or not self.mail_domain else self.keepsakes.word(message_id, packed)
        if (facts.transactional_unsub or not facts.transactional) and not brings("list-unsubscribe"):
            made += self._list_fields(facts, message_id, brings, base or self.base, packed, word)
        if self.msfbl_token is not None:
            feedback = msfbl.Feedback(
                r=recipient,
                message_id=message_id.hex(),
                customer_id=str(facts.account_id),
                subaccount_id=str(facts.subaccount_id),
                k=word,
            )
            made.append(("X-MSFBL", msfbl.compose(feedback, self.msfbl_token)))
        return tuple(made)

    def _list_fields(
        self, facts: ChunkFacts, message_id: bytes, brings: Callable[[str], bool], base: str, packed: bytes, word: str
    ) -> list[tuple[str, str]]:
        ways: list[str] = []
        if self.mail_domain and self.unsubscribe_token is not None:
            address = unsubscribe.compose(message_id, self.unsubscribe_token, self.mail_domain)
            ways.append(f"<mailto:{address}?subject=unsubscribe{f':{word}' if word else ''}>")
        if self.seal is not None:
            ways.append(f"<{base}{self.seal.unsubscribe(facts.account_id, message_id, packed=packed)}>")
        if not ways:
            return []
        made = [("List-Unsubscribe", ", ".join(ways))]
        if self.seal is not None:
            made.append(("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))  # RFC 8058 section 3.1
        if not facts.list_id and not brings("list-id") and self.mail_domain:
            made.append(("List-Id", f"<spc.{facts.account_id}.{facts.subaccount_id}.{self.mail_domain}>"))
        return made


class Marks:
    """The marks of one message's bodies. packed: its keepsake (packed_of)."""

    __slots__ = ("_base", "_facts", "_message_id", "_packed", "_seal")

    def __init__(self, seal: Seal, base: str, facts: ChunkFacts, message_id: bytes, packed: bytes) -> None:
        self._seal = seal
        self._base = base
        self._facts = facts
        self._message_id = message_id
        self._packed = packed

    def rewrite(self, part: str, text: str) -> str:
        """Return a body of this message with its links and pixels. part: text, html or amp_html."""
        clicks = self if self._facts.click_tracking else None
        if part == "text":
            return shown(track_text(text, clicks))
        amp = part == "amp_html"
        text = shown(track_html(text, clicks, amp=amp))
        facts = self._facts
        return with_pixels(
            text,
            initial=self._pixel(Kind.AMP_INITIAL_OPEN if amp else Kind.INITIAL_OPEN) if facts.initial_open else "",
            final=self._pixel(Kind.AMP_OPEN if amp else Kind.OPEN) if facts.open_tracking else "",
        )

    def click(self, url: str, *, name: str, sublink: str, unsubscribe: bool, amp: bool) -> str:
        """Return the tracked form of a link; '' where it would be too long."""
        kind = Kind.UNSUBSCRIBE_LINK if unsubscribe else Kind.AMP_CLICK if amp else Kind.CLICK
        path = self._seal.link(
            self._facts.account_id, self._message_id, url, name=name, sublink=sublink, kind=kind, packed=self._packed
        )
        return self._base + path if path else ""

    def _pixel(self, kind: Kind) -> str:
        return self._base + self._seal.pixel(self._facts.account_id, self._message_id, kind=kind, packed=self._packed)


def unmarked(part: str, text: str) -> str:
    """Return a body of a message that is not tracked: without what is meant for a tracker."""
    return track_text(text, None) if part == "text" else track_html(text, None)
