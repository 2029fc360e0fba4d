"""The shapes of metrics: rows of each endpoint, and the links of the root (SparkPost reference, section 2.17)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from homing.events.rules.classify import BounceClass
from homing.ingress.rules.problem import Wrong, bad_params
from homing.metrics.rules.names import figures
from homing.metrics.types import Kind

PATH = "/api/v1/metrics"
DELIVERABILITY = f"{PATH}/deliverability"

# last part of the path: (member that rows are told apart by, how it is shown)
GROUPINGS: dict[str, tuple[str, str]] = {
    "domain": ("domain", "domain"),
    "sending-ip": ("sending_ip", "sending_ip"),
    "ip-pool": ("ip_pool", "ip_pool"),
    "sending-domain": ("sending_domain", "sending_domain"),
    "subaccount": ("subaccount_id", "subaccount_id"),
    "campaign": ("campaign_id", "campaign_id"),
    "template": ("template_id", "template_id"),
    "watched-domain": ("domain", "watched_domain"),
    "mailbox-provider": ("provider", "mailbox_provider"),
    "mailbox-provider-region": ("region", "mailbox_provider_region"),
}
# last part of the path: the member whose values are listed
VALUES: dict[str, str] = {
    "ip-pools": "ip_pool",
    "sending-ips": "sending_ip",
    "mailbox-provider-regions": "region",
    "mailbox-providers": "provider",
    "campaigns": "campaign_id",
    "templates": "template_id",
    "domains": "domain",
    "sending-domains": "sending_domain",
}
NO_SUBJECT_CAMPAIGNS = "subject-campaigns"  # of inbox panels, which homing does not have
BENCHMARKED = ("all", "gmail", "hotmail", "verizon_media_group")
INDUSTRIES = (
    "all", "automotive", "b2b", "cpg", "entertainment", "finance", "food_beverage_service", "govt_education_charity",
    "job_search", "media_publishing", "medical", "misc", "personal_services", "retail_apparel", "retail_online", "retail_other",
    "retail_supermarket_drug", "social_review", "telco", "travel",
)  # fmt: skip
CATEGORY_IDS = {"Undetermined": 0, "Hard": 1, "Soft": 2, "Block": 3, "Admin": 4}
_REJECTIONS = {1: "Policy Rejection", 2: "Generation Rejection"}
ATTEMPTS = ("delivered_first", "delivered_second", "delivered")

_BELOW_DELIVERABILITY = (
    *GROUPINGS,
    "time-series",
    "bounce-reason",
    "bounce-classification",
    "rejection-reason",
    "delay-reason",
    "link-name",
    "attempt",
)


def read_benchmark(query: Mapping[str, str]) -> None:
    """Refuse a category or provider that there is no benchmark of. Raises Wrong."""
    for name, known in (("industry_category", INDUSTRIES), ("mailbox_provider", BENCHMARKED)):
        if query.get(name) and query[name] not in known:
            raise Wrong(bad_params(f"{name} must be one of {', '.join(known)}"))


def links() -> list[dict[str, str]]:
    """Return what GET /metrics leads to."""
    paths = [
        (DELIVERABILITY, "deliverability"),
        *((f"{DELIVERABILITY}/{name}", name) for name in _BELOW_DELIVERABILITY),
        *((f"{PATH}/{name}", name) for name in VALUES),
    ]
    return [{"href": path, "rel": rel, "method": "GET"} for path, rel in paths]


def summary_links() -> list[dict[str, str]]:
    """Return what the summary leads to."""
    return [{"href": DELIVERABILITY, "rel": "deliverability", "method": "GET"}]


def grouped(row: Mapping[str, Any], member: str, shown: str, metrics: tuple[str, ...]) -> dict[str, Any]:
    """Return a row of a grouping."""
    return {shown: row[member], **figures(metrics, dict(row))}


def time_series(starts: Sequence[datetime], found: Mapping[int, Mapping[str, Any]], metrics: tuple[str, ...]) -> list[Any]:
    """Return one row for each bucket, also where nothing happened."""
    return [
        {"ts": start.isoformat(timespec="seconds"), **figures(metrics, dict(found.get(place, {})))}
        for place, start in enumerate(starts)
    ]


def attempts(row: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return deliveries by attempt; attempts at which nothing was delivered are absent."""
    first, second, all_of_them = (row[name] for name in ATTEMPTS)
    counts = (("1", first), ("2", second), ("3+", all_of_them - first - second))
    return [{"attempt": attempt, "count_delivered": count} for attempt, count in counts if count]


def failure(row: Mapping[str, Any], kind: Kind, classes: Mapping[int, BounceClass]) -> dict[str, Any]:
    """Return a row of bounces, rejections, delays or links: what it is, then its figures."""
    made: dict[str, Any] = {}
    sums = dict(row)
    number = sums.pop("classification")
    if "text" in sums:
        made["link_name" if kind is Kind.LINK else "reason"] = sums.pop("text")
    if "domain" in sums:
        made["domain"] = sums.pop("domain")
    if kind is Kind.BOUNCE:
        made |= _bounce_class(number, classes, with_id="reason" in made)
    elif kind is Kind.REJECTION:
        made |= {
            "rejection_category_id": number,
            "rejection_type": _REJECTIONS.get(number, ""),
            "rejection_category_name": _REJECTIONS.get(number, ""),
        }
    return made | sums


def _bounce_class(number: int, classes: Mapping[int, BounceClass], *, with_id: bool) -> dict[str, Any]:
    about = classes.get(number) or classes[1]
    return {
        "bounce_class_name": about.name,
        "bounce_class_description": about.meaning,
        **({"bounce_category_id": CATEGORY_IDS[about.category]} if with_id else {}),
        "bounce_category_name": about.category,
        "classification_id": number,
    }
