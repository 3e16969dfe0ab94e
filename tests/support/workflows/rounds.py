"""Workflows that are published as an operator does it, and rounds of everything that they start."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from crm_relay.platform.clock import Deadline, utc_now
from crm_relay.platform.database import Database
from crm_relay.workflows.definition.drafts import create
from crm_relay.workflows.definition.publish import publish
from crm_relay.workflows.engine.run_due import RunReport
from crm_relay.workflows.starting.programs import Programs
from crm_relay.workflows.starting.start_runs import start_runs
from tests.support.workflows.run_harness import RunHarness

WON: Final[Mapping[str, Any]] = {
    "name": "Deal won",
    "entityType": "deal",
    "definition": {
        "triggers": [{"type": "status_change", "to": "won"}],
        "conditions": [{"field": "value", "operator": "gte", "value": 1000}],
        "actions": [
            {"type": "send_email", "config": {"subject": "Welcome, {{contact.first_name}}", "text": "Thank you."}},
            {"type": "create_task", "config": {"title": "Call {{contact.first_name}}"}},
            {
                "type": "condition",
                "conditions": [{"field": "value", "operator": "gt", "value": 4000}],
                "then": [{"type": "send_notification", "config": {"to": "owner", "title": "Won", "message": "Big."}}],
            },
        ],
    },
}
"""A mail, a task, and for more than 4000 a notification."""


def published(db: Database, given: Mapping[str, Any] = WON, *, org_id: UUID | None = None) -> UUID:
    """The workflow of a file, which runs from now on."""
    made = create(db, given, org_id=org_id)
    assert made.problems == (), made.problems
    assert publish(db, made.id, utc_now(), who="a test").is_heard
    return made.id


def play(runs: RunHarness) -> RunReport:
    """A round by the clock of the database, which stamps what happens."""
    runs.time[0] = max(utc_now(), runs.now)
    start_runs(runs.db, Programs(), runs.clock, Deadline.after(600))
    return runs.tick()


def won_deal(runs: RunHarness, value: float = 5000, **columns: Any) -> UUID:
    """A deal of a contact and a colleague, won by plain SQL."""
    contact = columns.pop("contact", None) or runs.contact()
    owner = columns.pop("owner", None) or runs.person()
    deal = runs.deal(value=value, status="open", lead_contact_id=contact, owner_id=owner, **columns)
    runs.rows("update deals set status = 'won' where id = :id returning id", id=deal)
    return deal
