"""Alerts in PostgreSQL: kept for customers, claimed by watchers, with incidents and what is still to be told."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from homing.ground import db
from homing.ground.secrets import MasterKey
from homing.metrics.alert_types import Alert, AlertMetric, Channels, Fired, Incident, Notice, Source, Threshold
from homing.metrics.rules.alerting import is_over

_sql = db.queries("homing.metrics", "alerts.sql")
PURPOSE = "alert"
KEPT = timedelta(days=186)  # incidents that ended
_json = msgspec.json.Encoder().encode


class Alerts:
    """The alerts of all accounts. Channels are sealed under the master key."""

    def __init__(self, pool: db.Pool, master_key: MasterKey) -> None:
        self._pool = pool
        self._master_key = master_key

    async def add(self, alert: Alert) -> int:
        """Keep a new alert; return its number (that of the argument is ignored)."""
        with db.trouble_is_temporary():
            number: int = await _sql.add_alert(self._pool, account_id=alert.account_id, **self._columns(alert))
        return number

    async def change(self, alert: Alert) -> Alert | None:
        """Put a changed alert in the place of the old one; None: there is none."""
        with db.trouble_is_temporary():
            row = await _sql.change_alert(
                self._pool, alert_id=alert.alert_id, account_id=alert.account_id, **self._columns(alert)
            )
        return self._alert(row) if row else None

    async def delete(self, account_id: int, alert_id: int) -> bool:
        """Forget an alert and its incidents; False: there is none."""
        with db.trouble_is_temporary():
            return await _sql.delete_alert(self._pool, account_id=account_id, alert_id=alert_id) is not None

    async def one(self, account_id: int, alert_id: int) -> Alert | None:
        """Return one alert of an account."""
        with db.trouble_is_temporary():
            row = await _sql.one_alert(self._pool, account_id=account_id, alert_id=alert_id)
        return self._alert(row) if row else None

    async def of_account(self, account_id: int) -> list[Alert]:
        """Return the alerts of an account."""
        with db.trouble_is_temporary():
            return [self._alert(row) async for row in _sql.alerts_of(self._pool, account_id=account_id)]

    async def count(self, account_id: int) -> int:
        """Return how many alerts an account has."""
        with db.trouble_is_temporary():
            found: int = await _sql.count_alerts(self._pool, account_id=account_id)
        return found

    async def incidents(self, account_id: int, alert_id: int) -> list[Incident]:
        """Return the incidents of an alert, the latest 1,000 first."""
        with db.trouble_is_temporary():
            rows = _sql.incidents_of(self._pool, account_id=account_id, alert_id=alert_id)
            return [_incident(row) async for row in rows]

    async def claim(self, most: int) -> list[Alert]:
        """Take alerts that are to be judged now."""
        with db.trouble_is_temporary():
            return [self._alert(row) async for row in _sql.claim_alerts(self._pool, most=most)]

    async def judged(self, alert: Alert, fired: Sequence[Fired], now: datetime) -> None:
        """Write down what judging found: incidents that open, go on or end; an incident that opens is told, unless muted."""
        with db.trouble_is_temporary():
            async with self._pool.acquire() as connection, connection.transaction():
                rows = [row async for row in _sql.open_incidents(connection, alert_id=alert.alert_id)]
                over = [row for row in rows if is_over(row["first_fired"], row["last_fired"], now)]
                if over:
                    await _sql.end_incidents(connection, incident_ids=[row["incident_id"] for row in over], now=now)
                open_ = {row["filters"]: row["incident_id"] for row in rows if row not in over}
                by_key = {_key(text): number for text, number in open_.items()}
                for one in fired:
                    number = by_key.get(_key(_json(one.filters)))
                    if number is not None:
                        await _sql.fired_again(connection, incident_id=number, value=one.value, now=now)
                        continue
                    opened = await _sql.open_incident(
                        connection,
                        alert_id=alert.alert_id,
                        account_id=alert.account_id,
                        filters=_json(one.filters).decode(),
                        value=one.value,
                        now=now,
                    )
                    if opened is not None and not alert.muted:
                        await self._tell(connection, alert, opened)
                await _sql.judged(connection, alert_id=alert.alert_id, now=now, fired=bool(fired))

    async def claim_notices(self, most: int) -> list[Notice]:
        """Take what is to be told now."""
        with db.trouble_is_temporary():
            return [
                Notice(
                    notice_id=row["notice_id"],
                    channel=row["channel"],
                    target=self._master_key.open(row["target_sealed"], purpose=PURPOSE).decode(),
                    attempts=row["attempts"],
                    alert=self._alert(row),
                    incident=_incident(row, "incident_filters"),
                )
                async for row in _sql.claim_notices(self._pool, most=most)
            ]

    async def told(self, notice: Notice, outcome: str, due_at: datetime | None) -> None:
        """Note what became of an attempt. due_at: when it is tried again; None: it has ended."""
        with db.trouble_is_temporary():
            await _sql.told(self._pool, notice_id=notice.notice_id, outcome=outcome[:300], due_at=due_at)

    async def forget(self, now: datetime) -> None:
        """Drop incidents that ended long ago."""
        with db.trouble_is_temporary():
            await _sql.forget_incidents(self._pool, before=now - KEPT)

    async def _tell(self, connection: db.Executor, alert: Alert, incident_id: int) -> None:
        channels = alert.channels
        targets = [("email", one) for one in channels.emails]
        targets += [("webhook", channels.webhook)] if channels.webhook else []
        targets += [("slack", channels.slack)] if channels.slack else []
        for channel, target in targets:
            sealed = self._master_key.seal(target.encode(), purpose=PURPOSE)
            await _sql.add_notice(connection, incident_id=incident_id, channel=channel, target_sealed=sealed)

    def _columns(self, alert: Alert) -> dict[str, Any]:
        return {
            "name": alert.name,
            "metric": alert.metric.value,
            "muted": alert.muted,
            "subaccounts": list(alert.subaccounts),
            "any_subaccount": alert.any_subaccount,
            "filters": _json(alert.filters).decode(),
            "operator": "gt" if alert.threshold.above else "lt",
            "source": alert.threshold.source.value,
            "value": alert.threshold.value,
            "channels_sealed": self._master_key.seal(_json(alert.channels), purpose=PURPOSE),
        }

    def _alert(self, row: Any) -> Alert:
        return Alert(
            alert_id=row["alert_id"],
            account_id=row["account_id"],
            name=row["name"],
            metric=AlertMetric(row["metric"]),
            muted=row["muted"],
            subaccounts=tuple(row["subaccounts"]),
            any_subaccount=row["any_subaccount"],
            filters=msgspec.json.decode(row["filters"], type=dict[str, tuple[str, ...]]),
            threshold=Threshold(row["operator"] == "gt", Source(row["source"]), row["value"]),
            channels=msgspec.json.decode(self._master_key.open(row["channels_sealed"], purpose=PURPOSE), type=Channels),
            last_triggered=row["last_triggered"],
            last_evaluated=row["last_evaluated"],
        )


def _incident(row: Any, filters: str = "filters") -> Incident:
    return Incident(
        incident_id=row["incident_id"],
        filters=msgspec.json.decode(row[filters]),
        triggered_value=row["triggered_value"],
        first_fired=row["first_fired"],
        last_fired=row["last_fired"],
        closed_at=row["closed_at"],
    )


def _key(text: str | bytes) -> tuple[tuple[str, str | int], ...]:
    return tuple(sorted(msgspec.json.decode(text, type=dict[str, str | int]).items()))
