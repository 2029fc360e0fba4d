"""By which target a month is judged, and which others there are: no promise is changed after the fact (reading R11)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from homing.availability.types import Month, moment
from homing.contracts.history import as_known, in_force
from homing.contracts.types import EMAIL, OrderForm


class Promised(NamedTuple):
    """A target of a month. form: None, no Order Form names one; counts: the verdict is judged by it."""

    target: Decimal
    form: OrderForm | None
    counts: bool


def promised(forms: Sequence[OrderForm], month: Month, *, now: datetime, default: Decimal) -> list[Promised]:
    """Return the targets of a month, the one that counts first.

    It is that of the Order Form in force in the month's last second, by what was recorded when the month ended. The others were
    in force earlier in the month, or were recorded afterwards for a part of it.
    """
    since, until = moment(month.start), moment(month.start + month.seconds)
    known = as_known(forms, until) if now >= until else list(forms)
    counted = in_force(known, EMAIL, min(now, until - timedelta(seconds=1)))
    target = default if counted is None else counted.target_uptime.normalize()
    found = [Promised(target, counted, counts=True)]
    seen = set() if counted is None else {counted.order_form_id}
    for one in (*known, *forms):
        inside = one.begins_at < until and (one.ends_at is None or one.ends_at > since)
        if one.service == EMAIL and inside and one.order_form_id not in seen:
            seen.add(one.order_form_id)
            found.append(Promised(one.target_uptime.normalize(), one, counts=False))
    return found
