"""What follows from mail that came back: which message it is about, the event, the suppression."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from homing.events.about import about
from homing.events.rules.classify import Classifier
from homing.events.rules.wire import shown
from homing.events.types import EventType, Logged
from homing.inbound.rules.consequence import consequence, keepsake_of, message_of
from homing.inbound.rules.destination import Desk, Destination, Tokens, own_destination
from homing.inbound.rules.reading import read
from homing.inbound.types import Kind, Reading, Report, Returned
from homing.message import keepsake, msfbl, unsubscribe, verp
from homing.message.keepsake import Keepsake

RULES = Classifier.from_package()
CORPUS = Path(__file__).parent / "data" / "inbound"
IDENT, OTHER = bytes(range(10)), bytes(range(10, 20))
NOW = datetime(2026, 11, 26, tzinfo=UTC)


def _token(key: bytes, size: int = 8):
    return lambda message: hashlib.blake2b(message, digest_size=size, key=key).digest()


TOKENS = Tokens(
    verp=_token(b"v"), unsubscribe=_token(b"u"), msfbl=_token(b"m", msfbl.MAC_BYTES), keepsakes=keepsake.Box(b"k" * 32)
)
OWN = frozenset({"bounce.here.test", "mail.here.test"})
RETURN = Destination(Desk.RETURNS, "b-x@bounce.here.test", IDENT)


def logged(kind: EventType, **detail: object) -> Logged:
    base = {"friendly_from": "news@acme.test", "subject": "Hi", "msg_from": "b-1@bounce.here.test", "ip_pool": "default"}
    return Logged(
        shard=1, seq=2, type=kind, at=NOW, account_id=7, subaccount_id=3, message_id=IDENT, transmission_id=OTHER,
        recipient="kim@there.test", recipient_domain="there.test", campaign_id="spring",
        detail=msgspec.json.encode(base | detail),
    )  # fmt: skip


LIFE = [logged(EventType.INJECTION), logged(EventType.DELIVERY, ip_address="198.51.100.7", reply="250 ok", open_tracking=True)]


def from_corpus(name: str) -> Reading:
    return read((CORPUS / f"{name}.eml").read_bytes(), null_sender=True)


def after(reading: Reading, *before: Logged, destination: Destination = RETURN, life=LIFE):
    return consequence(reading, destination, [*life, *before], rules=RULES)


# whose address is it? ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("email", "desk", "ident"),
    [
        (verp.compose(IDENT, TOKENS.verp, "bounce.here.test"), Desk.RETURNS, IDENT),
        (verp.compose(IDENT, TOKENS.verp, "bounce.acme.test"), Desk.RETURNS, IDENT),
        (unsubscribe.compose(IDENT, TOKENS.unsubscribe, "bounce.here.test"), Desk.UNSUBSCRIBE, IDENT),
        ("FBL@bounce.here.test", Desk.FEEDBACK, None),
        ("unsubscribe@bounce.here.test", Desk.UNSUBSCRIBE, None),
        ("postmaster@mail.here.test", Desk.POSTMASTER, None),
        ("abuse@bounce.here.test", Desk.POSTMASTER, None),
    ],
)
def test_an_address_of_ours_has_a_desk(email, desk, ident):
    found = own_destination(email, email.rpartition("@")[2].lower(), own_domains=OWN, tokens=TOKENS)
    assert (found.desk, found.message_id, found.address) == (desk, ident, email)


@pytest.mark.parametrize(
    "email",
    ["kim@bounce.here.test", "fbl@acme.test", "postmaster@there.test", f"b-{IDENT.hex()}-{'0' * 16}@bounce.here.test",
     verp.compose(IDENT, TOKENS.unsubscribe, "bounce.here.test"), f"u-{IDENT.hex()}-{'0' * 16}@bounce.here.test"],
)  # fmt: skip
def test_any_other_address_has_none(email):
    assert own_destination(email, email.rpartition("@")[2], own_domains=OWN, tokens=TOKENS) is None


# which message? ---------------------------------------------------------------------------------------------------------

FEEDBACK = Destination(Desk.FEEDBACK, "fbl@bounce.here.test")


def test_the_signed_address_names_the_message_whatever_the_copy_says():
    reading = Reading(kind=Kind.BOUNCE, returned=Returned(message_ids=(f"{OTHER.hex()}@mail.here.test",)))
    assert message_of(reading, RETURN, TOKENS) == IDENT


def test_a_complaint_is_matched_by_its_signed_field_then_by_a_signed_return_path():
    field = msfbl.compose(msfbl.Feedback(r="kim@there.test", message_id=IDENT.hex(), customer_id="7"), TOKENS.msfbl)
    path = verp.compose(OTHER, TOKENS.verp, "bounce.here.test")
    both = Returned(msfbl=("forged|e30=", field), paths=(path,))
    assert message_of(Reading(kind=Kind.COMPLAINT, returned=both), FEEDBACK, TOKENS) == IDENT
    assert message_of(Reading(kind=Kind.COMPLAINT, returned=Returned(paths=("b-1@x", path))), FEEDBACK, TOKENS) == OTHER


def test_a_message_id_alone_proves_nothing():
    returned = Returned(message_ids=(f"{IDENT.hex()}@mail.here.test",), paths=(f"b-{IDENT.hex()}-{'0' * 16}@bounce.here.test",))
    assert message_of(Reading(kind=Kind.COMPLAINT, returned=returned), FEEDBACK, TOKENS) is None


def test_an_unsubscribe_mail_may_name_its_message_in_the_subject():
    desk = Destination(Desk.UNSUBSCRIBE, "unsubscribe@bounce.here.test")
    word = unsubscribe.compose(IDENT, TOKENS.unsubscribe, "x").partition("@")[0]
    assert message_of(Reading(kind=Kind.UNSUBSCRIBE, subject=f"unsubscribe {word}"), desk, TOKENS) == IDENT
    assert message_of(Reading(kind=Kind.UNSUBSCRIBE, subject="unsubscribe"), desk, TOKENS) is None


KEPT = Keepsake(7, "Kim@there.test", 3, True, "spring", OTHER)
WORD = TOKENS.keepsakes.word(IDENT, keepsake.pack(KEPT))


def field_of(**changes: str) -> str:
    known = {"r": "kim@there.test", "message_id": IDENT.hex(), "customer_id": "7", "subaccount_id": "3", **changes}
    return msfbl.compose(msfbl.Feedback(**known), TOKENS.msfbl)


def test_a_keepsake_proves_the_message_of_an_unsubscribe_mail_and_of_a_complaint():
    desk = Destination(Desk.UNSUBSCRIBE, "unsubscribe@bounce.here.test")
    first, second = (half.replace("_", "=5F") for half in (WORD[:30], WORD[30:]))
    subject = f"Subject: Re: =?utf-8?q?unsubscribe=3A{first}?=\r\n =?utf-8?q?{second}?=\r\n\r\n".encode()
    assert message_of(read(subject, null_sender=False), desk, TOKENS) == IDENT
    complaint = Reading(kind=Kind.COMPLAINT, returned=Returned(keepsakes=(WORD.replace("k-00", "k-01"), WORD)))
    assert message_of(complaint, FEEDBACK, TOKENS) == IDENT


def test_a_keepsake_is_found_wherever_it_came_back():
    for reading in (
        Reading(kind=Kind.COMPLAINT, returned=Returned(msfbl=("x|y", field_of(k=WORD)))),
        Reading(kind=Kind.COMPLAINT, returned=Returned(keepsakes=(WORD,))),
        Reading(kind=Kind.UNSUBSCRIBE, keepsakes=("k-x", WORD)),
    ):
        assert keepsake_of(reading, IDENT, TOKENS) == KEPT
        assert keepsake_of(reading, OTHER, TOKENS) is None


def test_a_field_of_before_there_were_keepsakes_tells_of_recipient_and_account():
    reading = Reading(kind=Kind.COMPLAINT, returned=Returned(msfbl=(field_of(),)))
    assert keepsake_of(reading, IDENT, TOKENS) == Keepsake(7, "kim@there.test", 3)
    assert keepsake_of(reading, OTHER, TOKENS) is None
    strange = Reading(kind=Kind.COMPLAINT, returned=Returned(msfbl=(field_of(customer_id="x"),)))
    assert keepsake_of(strange, IDENT, TOKENS) is None


# what follows? ----------------------------------------------------------------------------------------------------------


def test_a_hard_bounce_is_an_event_with_a_suppression():
    found = after(from_corpus("dsn-postfix-user-unknown"))
    assert found.type is EventType.OUT_OF_BAND
    assert (found.own["bounce_class"], found.own["error_code"]) == ("10", "550")
    assert "kim@there.test" in found.own["raw_reason"]
    assert "kim@there.test" not in found.own["reason"]
    row = found.suppression
    assert (row.account_id, row.subaccount_id, row.recipient) == (7, 3, "kim@there.test")
    assert (row.type, row.source, row.provenance) == ("non_transactional", "Bounce Rule", f"out_of_band:{IDENT.hex()}")


def test_its_event_has_the_fields_of_the_delivery():
    found = after(from_corpus("dsn-postfix-user-unknown"))
    event = about(found.original, found.type, at=NOW, own=found.own)
    known = {name: getattr(event, name) for name in event.__struct_fields__}
    fields = shown(Logged(shard=1, seq=9, **known))
    assert (fields["type"], fields["ip_address"], fields["subject"]) == ("out_of_band", "198.51.100.7", "Hi")
    assert (fields["rcpt_to"], fields["campaign_id"], fields["message_id"]) == ("kim@there.test", "spring", IDENT.hex())
    assert not {"reply", "open_tracking"} & set(fields)


def test_a_transactional_message_suppresses_transactional_mail():
    life = [logged(EventType.DELIVERY, transactional="1")]
    assert after(from_corpus("arf-minimal"), life=life).suppression.type == "transactional"


@pytest.mark.parametrize("name", ["dsn-postfix-expired", "dsn-proofpoint", "dsn-icloud", "dsn-no-action"])
def test_other_bounces_suppress_nobody(name):
    found = after(from_corpus(name))
    assert found.type is EventType.OUT_OF_BAND
    assert found.suppression is None


@pytest.mark.parametrize(("name", "number"), [("auto-vacation-rfc3834", "60"), ("auto-challenge", "100")])
def test_an_answer_by_a_machine_is_told_and_changes_nothing(name, number):
    found = after(from_corpus(name))
    assert (found.type, found.own["bounce_class"], found.suppression) == (EventType.OUT_OF_BAND, number, None)


@pytest.mark.parametrize("name", ["dsn-postfix-delayed", "dsn-relayed", "arf-not-spam", "other-human-reply", "arf-auth-failure"])
def test_nothing_follows_from_a_delay_or_a_reply(name):
    assert after(from_corpus(name)) is None


def test_a_complaint_suppresses():
    found = after(from_corpus("arf-abuse-rfc"), destination=FEEDBACK)
    assert (found.type, found.suppression.source) == (EventType.SPAM_COMPLAINT, "Spam Complaint")
    assert (found.own["fbtype"], found.own["report_by"], found.own["report_to"]) == ("abuse", "isp.test", "fbl@bounce.here.test")


def test_an_opt_out_report_and_a_mail_to_the_unsubscribe_address_unsubscribe():
    desk = Destination(Desk.UNSUBSCRIBE, "u-1@bounce.here.test", IDENT)
    for reading, where in ((from_corpus("arf-opt-out"), FEEDBACK), (Reading(kind=Kind.OTHER), desk)):
        found = after(reading, destination=where)
        assert (found.type, found.suppression.source) == (EventType.LIST_UNSUBSCRIBE, "List Unsubscribe")
        assert found.own == {"mailfrom": "b-1@bounce.here.test"}
        assert found.suppression.list_id == ""
        of_list = after(reading, destination=where, life=[logged(EventType.INJECTION, list_id="News.acme.test")])
        assert of_list.suppression.list_id == "news.acme.test"
    assert after(from_corpus("dsn-exim"), destination=desk) is None


def test_the_same_thing_is_told_once():
    bounced = logged(EventType.OUT_OF_BAND, bounce_class="10")
    answered = logged(EventType.OUT_OF_BAND, bounce_class="60")
    bounce, vacation = from_corpus("dsn-exim"), from_corpus("auto-german")
    assert after(bounce, bounced) is None
    assert after(vacation, answered) is None
    assert after(bounce, answered) is not None
    assert after(vacation, bounced) is not None
    assert after(from_corpus("arf-fraud"), logged(EventType.SPAM_COMPLAINT)) is None
    assert after(from_corpus("unsubscribe-person"), logged(EventType.LIST_UNSUBSCRIBE)) is None


def test_a_message_that_the_log_does_not_have_has_no_consequence():
    assert after(from_corpus("dsn-exim"), life=[]) is None
    assert after(Reading(kind=Kind.COMPLAINT, report=Report(feedback_type="abuse")), life=[]) is None
