"""The watcher: judges alerts when their time has come, and tells their channels what has fired.

Every worker watches; each alert is claimed by one of them. If that one dies, another comes to it a minute later.
"""

import asyncio
from typing import Protocol

import msgspec

from homing.accounts import store as accounts
from homing.accounts import usage
from homing.ground import db
from homing.ground.clock import Clock
from homing.ground.errors import Temporary
from homing.ground.http import Answered, OutboundHttp
from homing.ground.log import get
from homing.metrics import store
from homing.metrics.alert_types import Alert, AlertMetric, Fired, Notice
from homing.metrics.alerts import Alerts
from homing.metrics.rules.alerting import judge, members_of, next_telling, questions, rate, sentence
from homing.metrics.rules.asked import Question
from homing.metrics.rules.names import figures

log = get("metrics")
LOOKS_S = 5.0
AT_ONCE = 20
TIMEOUT_S = 10.0
TIDIES_S = 3_600.0
_encode = msgspec.json.Encoder().encode


class Mail(Protocol):
    """Sends mail of the platform itself."""

    async def send(self, to: str, *, subject: str, text: str) -> bool:
        """Take responsibility for a mail; False: there is no address that it could come from."""
        ...


class Watcher:
    """Watches for one worker."""

    def __init__(self, pool: db.Pool, clock: Clock, alerts: Alerts, http: OutboundHttp, mail: Mail) -> None:
        self._pool = pool
        self._clock = clock
        self._alerts = alerts
        self._http = http
        self._mail = mail
        self._tidied = float("-inf")

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await asyncio.sleep(LOOKS_S)
            try:
                await self.turn()
            except (Temporary, *db.TEMPORARY) as trouble:
                log.warning("alerts_wait", cause=type(trouble).__name__)
            except Exception:  # the edge of one turn: claims run out, and the next one finds the same rows
                log.exception("alerts_turn_failed")

    async def turn(self) -> None:
        """Judge what is due, then tell what is to be told; now and then forget what is old."""
        if asyncio.get_running_loop().time() - self._tidied > TIDIES_S:
            await self._alerts.forget(self._clock.now())
            self._tidied = asyncio.get_running_loop().time()
        for alert in await self._alerts.claim(AT_ONCE):
            await self._alerts.judged(alert, await self._fired(alert), self._clock.now())
        async with asyncio.TaskGroup() as tasks:
            for notice in await self._alerts.claim_notices(AT_ONCE):
                tasks.create_task(self._tell(notice))

    async def _fired(self, alert: Alert) -> list[Fired]:
        now = self._clock.now()
        if alert.metric is AlertMetric.MONTHLY_SENDING_LIMIT:
            return await self._limit(alert)
        current, before = questions(alert, now)
        return judge(alert, await self._rates(alert, current), await self._rates(alert, before) if before else {})

    async def _limit(self, alert: Alert) -> list[Fired]:
        account = await accounts.account_by_id(self._pool, alert.account_id)
        if account is None or not account.limits.monthly:
            return []
        used = (await usage.of_account(self._pool, alert.account_id, now=self._clock.now())).used.month
        whole = msgspec.structs.replace(alert, subaccounts=(-1,), any_subaccount=False, filters={})
        return judge(whole, {(): 100.0 * used / account.limits.monthly}, {})

    async def _rates(self, alert: Alert, question: Question) -> dict[tuple[str | int, ...], float]:
        members = members_of(alert)
        rows = await store.totals(self._pool, question, members)
        rates = {tuple(row[member] for member in members): rate(alert, figures(question.metrics, row)) for row in rows}
        return {combination: value for combination, value in rates.items() if value is not None}

    async def _tell(self, notice: Notice) -> None:
        try:
            trouble = await self._told(notice)
        except (Temporary, *db.TEMPORARY) as temporary:
            trouble = type(temporary).__name__
        except Exception as unknown:  # the edge of one channel: the others are told all the same
            log.exception("alert_not_told", alert_id=notice.alert.alert_id, channel=notice.channel)
            trouble = type(unknown).__name__
        due_at = next_telling(notice.attempts + 1, self._clock.now()) if trouble else None
        if trouble and due_at is None:
            log.warning("alert_given_up", alert_id=notice.alert.alert_id, channel=notice.channel, cause=trouble)
        await self._alerts.told(notice, trouble or "told", due_at)

    async def _told(self, notice: Notice) -> str:
        """Tell one channel; return what went wrong, or ''."""
        alert, incident = notice.alert, notice.incident
        words = sentence(alert, incident.filters, incident.triggered_value)
        if notice.channel == "email":
            since = f"Since {incident.first_fired:%Y-%m-%d %H:%M} UTC. Alert {alert.alert_id}."
            text = f"The alert '{alert.name}' has fired:\n\n{words}\n\n{since}\n"
            sent = await self._mail.send(notice.target, subject=f"Alert: {alert.name}", text=text)
            return "" if sent else "no address to send from"
        body = _encode({"text": f"Alert '{alert.name}': {words}"}) if notice.channel == "slack" else _encode([payload(notice)])
        answer = await self._http.post(notice.target, body, headers={"content-type": "application/json"}, timeout_s=TIMEOUT_S)
        if isinstance(answer, Answered):
            return "" if 200 <= answer.status < 300 else f"status {answer.status}"
        return answer.why


def payload(notice: Notice) -> dict[str, object]:
    """Return what a webhook is told (SparkPost reference, section 2.22)."""
    alert, incident = notice.alert, notice.incident
    return {
        "alert_id": alert.alert_id,
        "incident_id": incident.incident_id,
        "name": alert.name,
        "metric": alert.metric.value,
        "triggered_value": incident.triggered_value,
        "triggered_at": incident.first_fired.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "threshold_evaluator": {
            "operator": "gt" if alert.threshold.above else "lt",
            "source": alert.threshold.source.value,
            "value": alert.threshold.value,
        },
        "filters": incident.filters,
    }
