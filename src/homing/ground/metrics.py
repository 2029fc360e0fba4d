"""Numbers for Prometheus: a registry for each process, and one page joined over all of them.

A worker answers its supervisor's question with `text(registry)`; the supervisor shows `join` of all the answers and its own.
"""

from collections.abc import Iterable, Iterator

import prometheus_client
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_EARLIEST = "_start_time_seconds"  # of these the earliest is shown; everything else is added up


def new_registry() -> CollectorRegistry:
    """Return the registry of one process, with its CPU seconds, memory and descriptors already in it."""
    prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call] # a moment for each counter says nothing once they are joined
    registry = CollectorRegistry(auto_describe=True)
    ProcessCollector(registry=registry)
    return registry


def text(registry: Collector | CollectorRegistry) -> str:
    """Return everything in a registry in Prometheus' text format."""
    return generate_latest(registry).decode()


def join(texts: Iterable[str]) -> str:
    """Return several processes' pages as one: counters, histograms and gauges with the same labels are added up.

    raises   ValueError if a page is not in Prometheus' text format
    """
    families: dict[str, Metric] = {}
    sums: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
    for page in texts:
        for family in text_string_to_metric_families(page):
            families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            values = sums.setdefault(family.name, {})
            for sample in family.samples:
                slot = (sample.name, tuple(sorted(sample.labels.items())))
                if slot not in values:
                    values[slot] = sample.value
                elif sample.name.endswith(_EARLIEST):
                    values[slot] = min(values[slot], sample.value)
                else:
                    values[slot] += sample.value
    for name, family in families.items():
        family.samples = [Sample(sample, dict(labels), value) for (sample, labels), value in sums[name].items()]
    return text(_Joined(families))


class _Joined(Collector):
    def __init__(self, families: dict[str, Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from (self._families[name] for name in sorted(self._families))
