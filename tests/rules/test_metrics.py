"""One page of numbers over all processes."""

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from homing.ground.metrics import join, new_registry, text


def process(sent: int, depth: int, seconds: list[float], *, site: str = 'mx "one"') -> CollectorRegistry:
    registry = new_registry()
    Counter("homing_sent", "Messages sent", ["site"], registry=registry).labels(site).inc(sent)
    Gauge("homing_depth", "Entries that wait", registry=registry).set(depth)
    histogram = Histogram("homing_commit_seconds", "Length of a commit", buckets=(0.1, 1.0), registry=registry)
    for value in seconds:
        histogram.observe(value)
    return registry


def test_counters_gauges_and_histograms_are_added_up():
    page = join([text(process(3, 10, [0.05])), text(process(4, 20, [0.5, 5.0]))])
    lines = page.splitlines()
    assert 'homing_sent_total{site="mx \\"one\\""} 7.0' in lines
    assert "homing_depth 30.0" in lines
    assert 'homing_commit_seconds_bucket{le="0.1"} 1.0' in lines
    assert 'homing_commit_seconds_bucket{le="+Inf"} 3.0' in lines
    assert "homing_commit_seconds_count 3.0" in lines
    assert lines.count("# TYPE homing_sent_total counter") == 1
    assert "# TYPE homing_commit_seconds histogram" in lines


def test_other_labels_stay_apart():
    page = join([text(process(3, 0, [], site="a")), text(process(4, 0, [], site="b"))])
    assert 'homing_sent_total{site="a"} 3.0' in page
    assert 'homing_sent_total{site="b"} 4.0' in page


def test_the_page_of_one_process_stays_as_it_is():
    page = text(process(3, 10, [0.05]))
    assert sorted(join([page]).splitlines()) == sorted(page.splitlines())


def test_memory_is_added_up_and_the_earliest_start_is_shown():
    one, two = (
        f"# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes {rss}\n"
        f"# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds {start}\n"
        for rss, start in ((100, 50), (200, 40))
    )
    page = join([one, two])
    assert "process_resident_memory_bytes 300.0" in page
    assert "process_start_time_seconds 40.0" in page


def test_rubbish_is_refused():
    with pytest.raises(ValueError):
        join(["homing_sent{ nonsense"])
    assert join([]) == ""
