"""What stands first in the stream of oversight, and where a page ends."""

from datetime import datetime, timedelta
from itertools import permutations

from homing.contracts.types import Contact, ContactRole
from homing.support.threads.rules.oversight import micros, moment_of, page, place_of
from homing.support.threads.rules.placing import Append, Quarantine, place, whose
from homing.support.threads.types import Item, ItemKind, Risk
from tests.kit.cases import KIM
from tests.kit.hours import at

NOON = at("2026-05-20T12:00Z")


def item(ident: str, risk: Risk, minutes: int, kind: ItemKind = ItemKind.PROMISE) -> Item:
    moment = NOON + timedelta(minutes=minutes)
    due = moment if risk in (Risk.DUE, Risk.MISSED) else None
    return Item(kind=kind, ident=ident, account_id=1, risk=risk, at=moment if due is None else NOON, due_at=due)


ORDER = [
    item("soonest", Risk.DUE, 5),
    item("later", Risk.DUE, 50),
    item("long missed", Risk.MISSED, -90),
    item("missed", Risk.MISSED, -10),
    item("old outage", Risk.CRITICAL, -300, ItemKind.CASE),
    item("outage", Risk.CRITICAL, -20, ItemKind.CASE),
    item("latest", Risk.NEWS, -1, ItemKind.MESSAGE),
    item("older", Risk.NEWS, -1_000, ItemKind.CALL),
]


def test_what_is_due_soonest_then_missed_then_critical_then_news():
    for mixed in (ORDER[::-1], *list(permutations(ORDER))[::9_001]):
        assert sorted(mixed, key=place_of) == ORDER


def test_pages_of_any_size_give_everything_once_and_in_order():
    at_risk, news = ORDER[:6], ORDER[6:]
    for size in range(1, 10):
        seen: list[Item] = []
        after = None
        more = True
        while more:
            rest = [one for one in news if after is None or place_of(one) > after][: size + 1]
            found, more = page(at_risk, rest, after, size)
            seen += found
            after = place_of(seen[-1])
        assert seen == ORDER


def test_a_moment_survives_its_key():
    precise = datetime.fromisoformat("2026-05-20T12:00:00.123457+00:00")
    assert moment_of(micros(precise)) == moment_of(-micros(precise)) == precise


def test_a_mail_belongs_where_what_it_answers_is_if_its_writer_may():
    kim, same = contact(1, 10), contact(2, 20)
    assert place(10, [kim, same], [20], automatic=False) == Append(contact=kim)
    assert place(10, [kim], [], automatic=True) == Append(contact=kim), "kept, and no clock moves"
    assert place(30, [kim], [10], automatic=False) == Quarantine(
        reason="the sender is no contact of the account that this thread belongs to", account_id=30
    )


def test_a_mail_that_answers_nothing_belongs_to_the_account_that_the_address_is_for():
    kim, same = contact(1, 10), contact(2, 20)
    assert place(None, [kim, same], [20], automatic=False) == Append(contact=same)
    assert place(None, [kim], [20], automatic=False) == Append(contact=kim), "another TAM's customer is a customer"
    assert isinstance(place(None, [kim, same], [10, 20], automatic=False), Quarantine)
    assert isinstance(place(None, [kim, same], [], automatic=False), Quarantine)
    assert isinstance(place(None, [], [10], automatic=False), Quarantine)
    assert isinstance(place(None, [kim], [10], automatic=True), Quarantine)
    assert whose([], [1]) is None


def contact(contact_id: int, account_id: int) -> Contact:
    return Contact(
        contact_id=contact_id,
        account_id=account_id,
        name="Kim",
        email=KIM.email,
        email_verified_at=None,
        role=ContactRole.AUTHORISED,
        may_sign=True,
        may_open_sev1=True,
        language="en",
    )
