"""What an operator, or the engine for one, does with webhooks that have not left."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from crm_relay.incidents.record import close_incidents
from crm_relay.platform.database import Database, Queryable, Transaction
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.sql import Statement
from crm_relay.workflows.webhooks_out import store
from crm_relay.workflows.webhooks_out.models import WebhookLine
from crm_relay.workflows.webhooks_out.record_outcomes import FAILED

STATES = ("waiting", "sending", "delivered", "failed", "cancelled")
_MOST_LISTED = 500


def retry_webhook(db: Database, webhook_id: UUID, now: datetime, *, org_id: UUID | None = None) -> None:
    """Due at once, under the same id and with all its attempts. Safe to call twice.

    Raises RejectedInput: 404 for one that is not there, 409 for one that was delivered, is under way, or belongs to a
    run that no longer waits for it (retry the run: its step sends the same webhook again).
    """

    def work(tx: Transaction) -> None:
        found = store.find_webhook(tx, webhook_id, org_id)
        if found is None:
            raise RejectedInput("webhook: not found", status=404)
        if found["run_status"] == "cancelled" or (found["is_awaited"] and not found["is_waited_for"]):
            raise RejectedInput("webhook: its run no longer waits for it; retry the run", status=409)
        if not store.retry(tx, webhook_id, now):
            raise RejectedInput(f"webhook: is {found['state']}", status=409)
        close_incidents(tx, FAILED, [str(webhook_id)], now)

    db.transact(work)


def cancel_webhook(db: Database, webhook_id: UUID, now: datetime, *, org_id: UUID | None = None) -> None:
    """It never leaves; a run that waits for it goes on as after a failure. RejectedInput as in `retry_webhook`."""

    def work(tx: Transaction) -> None:
        found = store.find_webhook(tx, webhook_id, org_id)
        if found is None:
            raise RejectedInput("webhook: not found", status=404)
        if not store.cancel(tx, webhook_id, now):
            raise RejectedInput(f"webhook: is {found['state']}", status=409)
        close_incidents(tx, FAILED, [str(webhook_id)], now)

    db.transact(work)


def cancelling_of_runs(executions: Sequence[UUID], now: datetime) -> Statement:
    """For the transaction that cancels the runs, behind their rows."""
    return store.cancel_of_runs(executions, now)


def settle_missed_webhooks(db: Queryable, now: datetime) -> int:
    """Runs that still wait for a webhook with an outcome are due: a sweep, for now and then. Safe to call twice."""
    return len(store.settle_missed(db, now))


def list_webhooks(
    db: Queryable,
    now: datetime,
    *,
    org_id: UUID | None = None,
    execution_id: UUID | None = None,
    states: Sequence[str] | None = None,
    limit: int = 50,
) -> list[WebhookLine]:
    """The newest first. Raises RejectedInput for a state that there is not."""
    if unknown := sorted(set(states or ()) - set(STATES)):
        raise RejectedInput(f"state: one of {', '.join(STATES)}", details=[f"{len(unknown)} unknown"])
    return store.list_webhooks(
        db, now, org_id=org_id, execution_id=execution_id, states=states, limit=max(1, min(limit, _MOST_LISTED))
    )
