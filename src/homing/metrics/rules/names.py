"""The metrics that customers name, as sums of what is counted, and which endpoint has which (reference, section 2.17.3)."""

from homing.metrics.types import COUNTERS

# name: (what is added, what is taken away), by columns of metric_counts
METRICS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "count_targeted": (("injected", "policy_rejection", "generation_rejection", "generation_failed"), ()),
    "count_injected": (("injected",), ()),
    "count_sent": (("delivered", "inband_bounce"), ()),  # each message once: one that comes back later was delivered
    "count_accepted": (("delivered",), ("outofband_bounce",)),
    "count_delivered": (("delivered",), ()),
    "count_delivered_first": (("delivered_first",), ()),
    "count_delivered_subsequent": (("delivered",), ("delivered_first",)),
    "count_rendered": (("rendered",), ()),
    "count_unique_rendered": (("unique_rendered",), ()),
    "count_unique_confirmed_opened": (("unique_confirmed_opened",), ()),
    "count_nonprefetched_rendered": (("nonprefetched_rendered",), ()),
    "count_nonprefetched_unique_rendered": (("nonprefetched_unique_rendered",), ()),
    "count_nonprefetched_unique_confirmed_opened": (("nonprefetched_unique_confirmed_opened",), ()),
    "count_clicked": (("clicked",), ()),
    "count_unique_clicked": (("unique_clicked",), ()),
    "count_bounce": (("inband_bounce", "outofband_bounce"), ()),
    "count_inband_bounce": (("inband_bounce",), ()),
    "count_outofband_bounce": (("outofband_bounce",), ()),
    "count_hard_bounce": (("hard_bounce",), ()),
    "count_soft_bounce": (("soft_bounce",), ()),
    "count_block_bounce": (("block_bounce",), ()),
    "count_undetermined_bounce": (("undetermined_bounce",), ()),
    "count_admin_bounce": (("admin_bounce",), ()),
    "count_rejected": (("policy_rejection", "generation_rejection", "generation_failed"), ()),
    "count_policy_rejection": (("policy_rejection",), ()),
    "count_generation_rejection": (("generation_rejection",), ()),
    "count_generation_failed": (("generation_failed",), ()),
    "count_delayed": (("delayed",), ()),
    "count_delayed_first": (("delayed_first",), ()),
    "count_spam_complaint": (("spam_complaint",), ()),
    "total_msg_volume": (("msg_volume",), ()),
    "total_delivery_time_first": (("delivery_time_first",), ()),
    "total_delivery_time_subsequent": (("delivery_time_subsequent",), ()),
    # of the time series besides
    "count_initial_rendered": (("initial_rendered",), ()),
    "count_unique_initial_rendered": (("unique_initial_rendered",), ()),
    "count_nonprefetched_initial_rendered": (("nonprefetched_initial_rendered",), ()),
    "count_nonprefetched_unique_initial_rendered": (("nonprefetched_unique_initial_rendered",), ()),
    "count_unsubscribe": (("unsubscribe",), ()),
}
BOUNCE = ("count_bounce", "count_inband_bounce", "count_outofband_bounce", "count_admin_bounce")
LINK = ("count_clicked", "count_raw_clicked")
PANEL = frozenset(
    f"count_{what}"
    for what in (
        "inbox_panel", "spam_panel", "inbox_seed", "spam_seed", "inbox_seed_private", "spam_seed_private", "inbox_seed_virtual",
        "spam_seed_virtual", "moved_to_inbox", "moved_to_spam",
    )
)  # fmt: skip
# `PANEL`: of inbox panels and seed addresses, of which there are none here: all are 0
_APPROX = "_approx"  # distinct counts that the console asks for; ours are exact


def exact(name: str) -> str:
    """Return the metric that a name stands for: `count_unique_clicked_approx` is `count_unique_clicked`."""
    return name.removesuffix(_APPROX)


def parts_of(name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what is added and what is taken away; nothing of what an inbox panel or seeds would have counted."""
    return ((), ()) if exact(name) in PANEL else METRICS[exact(name)]


def columns_of(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the columns that some metrics are made of, in the order of the table."""
    needed = {column for name in names for part in parts_of(name) for column in part}
    return tuple(column for column in COUNTERS if column in needed) or COUNTERS[:1]


def figures(names: tuple[str, ...], sums: dict[str, int]) -> dict[str, int]:
    """Return metrics from the sums of their columns."""
    made = {}
    for name in names:
        plus, minus = parts_of(name)
        made[name] = sum(sums.get(column, 0) for column in plus) - sum(sums.get(column, 0) for column in minus)
    return made
