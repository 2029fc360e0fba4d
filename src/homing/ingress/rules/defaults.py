"""What a transmission leaves open is as its template has it, then as its account has it (SparkPost reference, 2.1.2, 2.25)."""

import msgspec

from homing.accounts.types import AccountOptions
from homing.ingress.types import Transmission


def with_defaults(transmission: Transmission, options: AccountOptions) -> Transmission:
    """Return a transmission whose options are all decided.

    Without a word about it, the pixel at the top goes where opens are followed, if the account wants it at all.
    """
    unset = transmission.unset
    if not unset:
        return transmission
    tracked = options.smtp_tracking_default if transmission.recv_method == "esmtp" else options.rest_tracking_default
    opens = tracked if "open_tracking" in unset else transmission.open_tracking
    return msgspec.structs.replace(
        transmission,
        open_tracking=opens,
        click_tracking=tracked and options.click_tracking if "click_tracking" in unset else transmission.click_tracking,
        initial_open=opens and options.initial_open_pixel_tracking if "initial_open" in unset else transmission.initial_open,
        transactional=options.transactional_default if "transactional" in unset else transmission.transactional,
        unset=frozenset(),
    )
