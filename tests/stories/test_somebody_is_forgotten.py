"""Somebody asks to be forgotten, another one to be written to no more; the house does it by itself, and the operator sees it."""

import json


def test_somebody_is_forgotten_and_somebody_else_is_written_to_no_more(house):
    for name in ("forgetme", "leaveme"):
        house.post([f"{name}@friends.test"], content={"subject": f"Dear {name}"})
        house.wait_for(f"{name}@friends.test", "delivery")
    for ask, name in (("rtbf", "forgetme"), ("opt-out", "leaveme")):
        status, answer = house.call(f"/api/v1/data-privacy/{ask}-request", {"recipients": [f"{name}@friends.test"]})
        assert (status, answer) == (200, {"results": {"message": "Request saved."}})

    house.wait_until(lambda: house.events("forgetme@friends.test") == [], 20, "he is forgotten")
    assert house.sql("SELECT count(*) FROM events WHERE detail::text ILIKE '%%forgetme%%'") == [(0,)]
    erased = house.sql("SELECT count(*), count(DISTINCT recipient) FROM events WHERE recipient LIKE '%%@erased.invalid'")
    assert erased == [(2, 1)]

    def suppressed() -> bool:
        return house.sql("SELECT count(*) FROM suppressions WHERE recipient = 'leaveme@friends.test'") == [(2,)]

    house.wait_until(suppressed, 20, "she is suppressed")
    house.wait_until(lambda: house.post(["leaveme@friends.test"], options={"transactional": True}), 5, "it is taken")
    assert house.wait_for("leaveme@friends.test", "bounce")["bounce_class"] == "25"

    listed = json.loads(house.run("privacy", "list", "--json").stdout)
    assert [(one["ask"], one["recipients"], one["events"], one["done_at"] is None) for one in listed[:2]] == [
        ("opt_out", 1, 0, False),
        ("rtbf", 1, 2, True),
    ]
