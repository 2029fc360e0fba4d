"""What is stored of a message: content once per chunk, and per recipient only what differs."""

from datetime import datetime
from typing import Any

import msgspec

from homing.message.list_ids import list_of

MOST_INLINED = 2_097_152  # bytes of HTML whose CSS is moved into its elements


class Part(msgspec.Struct, frozen=True, gc=False):
    """An attachment or inline image: name as given, Content-Type verbatim, decoded bytes."""

    name: str
    type: str
    data: bytes


class InlineContent(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, tag="inline"):
    """Content given as members of an API call; every text may hold the template language."""

    from_email: str
    from_name: str | None = None
    subject: str = ""
    text: str | None = None
    html: str | None = None
    amp_html: str | None = None
    reply_to: str | None = None
    headers: dict[str, str] = {}
    attachments: tuple[Part, ...] = ()
    inline_images: tuple[Part, ...] = ()
    perform_substitutions: bool = True  # False: bodies verbatim; headers are still substituted


class RawContent(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, tag="raw"):
    """A whole RFC 5322 message with CRLF line ends, from SMTP injection or `email_rfc822`."""

    rfc822: bytes
    substitute: bool = False  # True for email_rfc822: the template language applies; SMTP has none
    plain: bool = False  # the door has seen to it: ASCII header, no long line, no field to drop, Date and Message-ID there


Content = InlineContent | RawContent


class ChunkFacts(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """What all recipients of a chunk share besides the content."""

    account_id: int
    subaccount_id: int = 0
    transmission_id: bytes
    accepted_at: datetime
    recv_method: str  # "rest" or "esmtp"
    sending_domain: str  # of the From header, lower case A-labels; its key signs
    friendly_from: str  # address of the From header, for events
    subject: str = ""  # as given (with template language), for events when it has none to render
    campaign_id: str = ""
    description: str = ""
    return_path: str | None = None  # verified envelope domain's address; None: the platform's bounce domain
    ip_pool: str = "default"
    transactional: bool = False
    transactional_unsub: bool = False  # List-Unsubscribe although it is transactional
    skip_suppression: bool = False
    open_tracking: bool = False
    click_tracking: bool = False
    initial_open: bool = False
    inline_css: bool = False
    scheduled_at: datetime | None = None
    template_id: str = ""
    template_version: str = "0"
    ab_test_id: str = ""  # of the A/B test that the messages are part of
    ab_test_version: str = ""
    dkim_key: str = "default"
    tracking_domain: str = ""  # that the transmission names, lower case A-labels; '': as its sending domain and defaults say
    list_id: str = ""  # override.list_id: the List-Id field's value
    own_list_id: str = ""  # bare id of the content's own List-Id, where nothing overrides it
    substitution_data: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    size_bytes: int = 0  # of a message: as it came, or an estimate from its content
    msg_from: str = ""  # envelope sender as events tell it until one is made for each message

    @property
    def named_list(self) -> str:
        """Return the list that the messages are of, as the suppression list names it; '' where they name none."""
        return list_of(self.list_id or self.own_list_id)


class RecipientDetail(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """What differs for one recipient."""

    name: str | None = None
    header_to: str | None = None
    tags: tuple[str, ...] = ()
    metadata: dict[str, Any] = {}
    substitution_data: dict[str, Any] = {}
    return_path: str | None = None
    rcpt_type: str = ""  # cc, bcc, archive: SMTP copies only
    extra_headers: tuple[tuple[str, str], ...] = ()  # headers that only this copy has (Bcc)
    links_of: tuple[bytes, str] | None = None  # of an archive copy: whose links and pixels it has, message and recipient


NOTHING_DIFFERS = RecipientDetail()

encode_content = msgspec.msgpack.Encoder().encode
decode_content = msgspec.msgpack.Decoder(Content).decode
encode_facts = msgspec.msgpack.Encoder().encode
decode_facts = msgspec.msgpack.Decoder(ChunkFacts).decode
encode_detail = msgspec.msgpack.Encoder().encode
decode_detail = msgspec.msgpack.Decoder(RecipientDetail).decode
