"""Records attempts: outcome, log, host and the run that waits, all in one transaction."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.incidents.models import Incident
from crm_relay.incidents.record import close_incidents, open_incidents
from crm_relay.platform.database import Database, Row, Transaction
from crm_relay.workflows.webhooks_out import store
from crm_relay.workflows.webhooks_out.decisions import OPEN_AFTER, decide_host
from crm_relay.workflows.webhooks_out.models import ClaimedWebhook, HostState, WebhookOutcome, WebhookReport
from crm_relay.workflows.webhooks_out.store import Line

FAILED, SILENT, SECRET = "workflow_webhook", "workflow_webhook_host", "workflow_webhook_secret"
_TITLES = {
    FAILED: "Webhook(s) of workflows failed for good, and no step waits for them: retry or cancel them",
    SILENT: "Host(s) of webhooks do not answer: requests to them wait",
    SECRET: "Secret(s) that webhooks name are not in WORKFLOW_SECRETS: set them and retry",
}


@dataclass(frozen=True)
class WebhookAttempt:
    """A webhook and what its attempt came to."""

    claimed: ClaimedWebhook
    outcome: WebhookOutcome

    @property
    def line(self) -> Line:
        return self.claimed.org_id, self.claimed.host

    def as_json(self, now: datetime) -> dict[str, Any]:
        """For `record_outcomes`."""
        outcome = self.outcome
        at = None if outcome.retry_in is None else now + outcome.retry_in
        level, words = {
            "delivered": ("info", "webhook delivered"),
            "waiting": ("warning", f"webhook not delivered, another attempt follows: {outcome.reason}"),
            "failed": ("error", f"webhook failed: {outcome.reason}"),
        }[outcome.state]
        return {
            "id": self.claimed.id,
            "fence": self.claimed.fence,
            "state": outcome.state,
            "reason": outcome.reason,
            "status_code": outcome.status_code,
            "next_attempt_at": at,
            "level": level,
            "message": words,
        }


def record_outcomes(db: Database, attempts: Sequence[WebhookAttempt], now: datetime, report: WebhookReport) -> None:
    """What a worker that lost its lease says changes nothing of the webhook; of its host it counts.

    Five statements, whatever their number, and up to four more where incidents open or close.
    """
    if not attempts:
        return
    recorded = db.transact(lambda tx: _record(tx, attempts, now))
    report.lost += len(attempts) - len(recorded)
    report.outcomes.update(row["state"] for row in recorded)


def _record(tx: Transaction, attempts: Sequence[WebhookAttempt], now: datetime) -> list[Row]:
    _, known = tx.send_all(store.locking([each.claimed for each in attempts]))
    before = store.hosts_of(known)
    after = _hosts(attempts, before, now)
    changed = {line: state for line, state in after.items() if state != before.get(line, HostState())}
    recorded = tx.send_all(store.recording([each.as_json(now) for each in attempts], changed, now))[0]
    _note_hosts(tx, before, changed, now)
    _note_webhooks(tx, attempts, recorded, now)
    return recorded


def _hosts(
    attempts: Sequence[WebhookAttempt], before: Mapping[Line, HostState], now: datetime
) -> dict[Line, HostState]:
    outcomes: defaultdict[Line, list[WebhookOutcome]] = defaultdict(list)
    for each in attempts:
        outcomes[each.line].append(each.outcome)
    return {line: decide_host(before.get(line, HostState()), of_it, now) for line, of_it in outcomes.items()}


def _note_hosts(
    tx: Transaction, before: Mapping[Line, HostState], after: Mapping[Line, HostState], now: datetime
) -> None:
    silent = [line for line, state in after.items() if state.failures >= OPEN_AFTER]
    back = [line for line in after if line not in silent and before.get(line, HostState()).failures >= OPEN_AFTER]
    open_incidents(tx, [Incident(SILENT, _subject(each), _TITLES[SILENT]) for each in sorted(silent)], now)
    close_incidents(tx, SILENT, sorted(map(_subject, back)), now)


def _note_webhooks(tx: Transaction, attempts: Sequence[WebhookAttempt], recorded: Sequence[Row], now: datetime) -> None:
    """A step that waits reports its failure itself."""
    failed: list[UUID] = [row["id"] for row in recorded if row["state"] == "failed" and not row["is_awaited"]]
    missing = {each.outcome.missing_secret for each in attempts if each.outcome.missing_secret is not None}
    found = [Incident(FAILED, str(each), _TITLES[FAILED]) for each in sorted(failed)]
    found += [Incident(SECRET, each, _TITLES[SECRET]) for each in sorted(missing)]
    open_incidents(tx, found, now)


def _subject(line: Line) -> str:
    return f"{line[0]} {line[1]}"
