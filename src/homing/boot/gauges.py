"""What a worker tells of itself: Prometheus figures, the snapshot of its site queues, where a message is in memory."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from homing.boot.worker import Worker

SNAPSHOT_SITES = 500  # the busiest; a frame between our processes has a bound


def register(registry: CollectorRegistry, worker: Worker) -> None:
    """Let a registry read this worker's counters whenever it is asked; counting itself costs an addition."""
    registry.register(_Collector(worker))


class _Collector(Collector):
    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def collect(self) -> Iterator[Metric]:
        worker = self._worker
        engine, owner, smtp = worker.engine, worker.owner, worker.smtp
        done = engine.outcomes.counters

        attempts = CounterMetricFamily("homing_attempts", "Delivery attempts by outcome", labels=["outcome"])
        for outcome, count in (
            ("delivered", done.delivered),
            ("deferred", done.deferred),
            ("bounced", done.bounced),
            ("generation_failure", done.failed_to_make),
            ("suppressed", done.suppressed_late),
            ("rejected", done.rejected_late),
        ):
            attempts.add_metric([outcome], count)
        yield attempts
        troubles = CounterMetricFamily(
            "homing_attempt_troubles", "Attempts without a reply, by what went wrong", labels=["trouble"]
        )
        for trouble, count in done.by_trouble.items():
            troubles.add_metric([str(trouble)], count)
        yield troubles
        opened = CounterMetricFamily("homing_connections", "Connections to MX hosts", labels=["result"])
        opened.add_metric(["opened"], done.connections_opened)
        opened.add_metric(["failed"], done.connections_failed)
        yield opened
        yield CounterMetricFamily("homing_commits", "Transactions of the hot tables", owner.writer.commits)
        yield CounterMetricFamily("homing_accepted_messages", "Messages that became ours", owner.writer.committed_messages)
        yield CounterMetricFamily("homing_smtp_messages", "Messages taken by SMTP", smtp.counters.messages)
        yield CounterMetricFamily("homing_smtp_connections_taken", "Injection connections", smtp.counters.connections)
        refused = CounterMetricFamily("homing_smtp_refused", "Injection replies of 400 and more, by reason", labels=["reason"])
        for reason, count in smtp.counters.refused.items():
            refused.add_metric([reason], count)
        yield refused

        mx, returns = worker.mx.smtp, worker.mx.returns
        yield CounterMetricFamily("homing_mx_messages", "Messages taken at the MX door", mx.counters.messages)
        yield CounterMetricFamily("homing_mx_connections_taken", "Connections to the MX door", mx.counters.connections)
        refused_mx = CounterMetricFamily(
            "homing_mx_refused", "Replies of 400 and more at the MX door, by reason", labels=["reason"]
        )
        for reason, count in mx.counters.refused.items():
            refused_mx.add_metric([reason], count)
        yield refused_mx
        returned = CounterMetricFamily("homing_returned_mail", "Mail that came back, by kind and outcome", labels=["what"])
        for what, count in returns.counters.items():
            returned.add_metric([what], count)
        yield returned
        support = CounterMetricFamily("homing_support_mail", "Mail to the support address, by what became of it", labels=["what"])
        for what, count in worker.support.mailroom.counters.items():
            support.add_metric([what], count)
        yield support

        tams = CounterMetricFamily("homing_tam_mail", "Mail to addresses of TAMs, by what became of it", labels=["what"])
        for what, count in worker.oversight.mailroom.counters.items():
            tams.add_metric([what], count)
        yield tams

        forged = CounterMetricFamily(
            "homing_sev1_refused", "Webhooks of the Severity 1 Line that were refused, by why", labels=["reason"]
        )
        for reason, count in worker.line.refused.items():
            forged.add_metric([reason], count)
        yield forged

        yield GaugeMetricFamily("homing_smtp_open_connections", "Injection connections now", smtp.counters.open_connections)
        yield GaugeMetricFamily("homing_queue_depth", "Messages that wait, those in memory included", owner.book.depth())
        yield GaugeMetricFamily("homing_queue_lanes", "Lanes with something in them", len(owner.book))
        yield GaugeMetricFamily("homing_ready_messages", "Messages in memory", engine.in_memory)
        yield GaugeMetricFamily("homing_pools_without_room", "IP pools whose mail waits for warm-up", len(engine.room))
        yield GaugeMetricFamily("homing_attempts_under_way", "Attempts under way", len(engine.in_flight) + engine.in_flight.slow)
        yield GaugeMetricFamily("homing_shards", "Shards that this worker owns", len(owner.lease.epochs))
        yield GaugeMetricFamily("homing_content_bytes", "Message content in memory", engine.letters.bytes)
        yield GaugeMetricFamily("homing_hand_in_bytes", "Content that waits for its commit", owner.writer.pending_bytes)
        yield GaugeMetricFamily("homing_store_writable", "1 while outcomes can be written", float(owner.writable))
        usage = resource.getrusage(resource.RUSAGE_SELF)
        yield CounterMetricFamily("homing_cpu_seconds", "CPU time of the workers", usage.ru_utime + usage.ru_stime)


def snapshot_of(worker: Worker, worker_id: str) -> dict[str, Any]:
    """Return what the queue view shows of this worker: its site queues, busiest first."""
    queues = sorted(worker.engine.sites, key=lambda queue: (-queue.depth, -queue.connections))[:SNAPSHOT_SITES]
    return {
        "worker": worker_id,
        "pid": os.getpid(),
        "depth": worker.owner.book.depth(),
        "in_memory": worker.engine.in_memory,
        "waits_for_room": worker.engine.room.names()[:SNAPSHOT_SITES],
        "sites": [
            {
                "site": queue.site.key,
                "provider": queue.site.provider,
                "source_ip": queue.source.address,
                "ready": queue.depth,
                "connections": queue.connections,
                "busy": queue.busy,
                "limit": queue.limit,
                "last_reply": queue.last_reply,
                "held_until": queue.held_until.isoformat() if queue.held_until else None,
                "domains": sorted(queue.domains)[:100],
            }
            for queue in queues
        ],
    }


def trace_of(worker: Worker, message_id: str) -> dict[str, Any]:
    """Return where a message is in this worker's memory; state '' where it is not."""
    try:
        entry_id = bytes.fromhex(message_id)
    except ValueError:
        return {"state": ""}
    found = worker.engine.where_is(entry_id)
    return {"state": ""} if found is None else {**found, "worker": worker.owner.lease.worker_id}
