"""The documents' scenario "deal win" through HTTP and SQL alone: a deal is won, and what should follow does."""

import time
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

import pytest
import requests

from crm_relay.platform.database import Database, Row
from crm_relay.platform.sql import Json
from tests.end_to_end.cli.test_command_line import stack
from tests.support.platform.rows import one, rows_of

__all__ = ["stack"]

SECONDS = 60
# As the documents write a definition: their triggers, actions and configurations, and states with actions of their own.
DOCUMENTED = {
    "triggers": [{"type": "status_change", "to": "won"}],
    "actions": [
        {"type": "send_email", "config": {"to": "{{contact.email}}", "subject": "Welcome", "text": "{{deal.name}}"}},
        {"type": "create_task", "config": {"title": "Call about {{deal.name}}", "priority": "high"}},
        {"type": "send_notification", "config": {
            "userId": "{{owner.id}}", "title": "{{deal.name}} is won", "message": "Well done.", "category": "deal",
        }},
    ],
}  # fmt: skip
WITH_STATES = {
    "triggers": [{"type": "status_change", "to": "won"}],
    "states": [
        {"id": "welcome", "actions": [{"type": "create_activity", "config": {"type": "note", "subject": "Won"}}]},
        {"id": "settled", "actions": [{"type": "update_field", "config": {"field": "probability", "value": 100}}]},
    ],
}


class DealWin:
    """The API by HTTP and the tables by SQL; nothing of the program is called."""

    def __init__(self, stack: Mapping[str, Any], database: Database) -> None:
        self.base_url, self.database = stack["base_url"], database
        self.headers = {"Authorization": f"Bearer {stack['admin_token']}"}
        org = one(database, "select default_org_id() as id")["id"]
        self.owner = self._insert("user_profiles", org_id=org, email="owner@example.org", name="Olga")
        self.contact = self._insert("contacts", email="ada@example.com", first_name="Ada")
        self.rows(
            "update organizations set postal_address = '1 Example Street' where id = default_org_id() returning id"
        )
        self.rows(
            "insert into email_identities (from_address, is_default) values ('team@example.com', true)"
            " on conflict do nothing"
        )

    def post(self, path: str, body: object = None) -> Any:
        answer = requests.post(self.base_url + path, json=body, headers=self.headers, timeout=30)
        assert answer.ok, answer.text
        return answer.json()

    def rows(self, statement: str, **values: Any) -> list[Row]:
        return rows_of(self.database, statement, **values)

    def deal(self) -> UUID:
        return self._insert(
            "deals", name="Engine", owner_id=self.owner, lead_contact_id=self.contact, stage="discovery"
        )

    def win(self, deal: UUID) -> None:
        for stage in ("proposal", "negotiation"):
            self.rows("update deals set stage = :stage where id = :id returning id", stage=stage, id=deal)
        self.rows("update deals set status = 'won', closed_at = now() where id = :id returning id", id=deal)

    def until_completed(self, workflow: str, deal: UUID) -> Row:
        until = time.monotonic() + SECONDS
        while True:
            self.post("/api/workflows/wake")
            runs = self.rows(
                "select id, status from workflow_executions where workflow_id = :workflow and entity_id = :deal",
                workflow=UUID(workflow),
                deal=deal,
            )
            if runs and all(run["status"] == "completed" for run in runs):
                assert len(runs) == 1
                return runs[0]
            assert time.monotonic() < until, runs
            time.sleep(0.5)

    def _insert(self, table: str, **columns: Any) -> UUID:
        names, values = ", ".join(columns), ", ".join(f":{name}" for name in columns)
        made: UUID = one(self.database, f"insert into {table} ({names}) values ({values}) returning id", **columns)[
            "id"
        ]
        return made


@pytest.fixture
def scenario(stack: dict[str, Any]) -> Iterator[DealWin]:
    database = Database(stack["database_url"])
    yield DealWin(stack, database)
    database.close()


def test_a_won_deal_is_acted_on_in_three_steps_with_a_mail(scenario: DealWin) -> None:
    made = scenario.post(
        "/api/workflows", {"workflow": {"name": "Deal won", "entityType": "deal", "definition": DOCUMENTED}}
    )
    scenario.post(f"/api/workflows/{made['id']}/publish")
    deal = scenario.deal()

    scenario.win(deal)
    run = scenario.until_completed(made["id"], deal)

    steps = scenario.rows(
        "select step_type, status from workflow_steps where execution_id = :run order by position", run=run["id"]
    )
    assert [step["status"] for step in steps] == ["completed"] * 3
    (mail,) = scenario.rows("select status, address, subject from email_sends where purpose = 'workflow'")
    assert (mail["address"], mail["subject"]) == ("ada@example.com", "Welcome")
    (task,) = scenario.rows("select subject, assignee_id from activities where entity_id = :deal", deal=deal)
    assert (task["subject"], task["assignee_id"]) == ("Call about Engine", scenario.owner)
    (notification,) = scenario.rows("select title from notifications where user_id = :owner", owner=scenario.owner)
    assert notification["title"] == "Engine is won"


def test_a_definition_with_states_that_sql_sets_active_moves_through_them(scenario: DealWin) -> None:
    (workflow,) = scenario.rows(
        """insert into workflows (name, entity_type, definition, is_active)
           values ('States', 'deal', :definition, true) returning id""",
        definition=Json(WITH_STATES),
    )
    until = time.monotonic() + SECONDS
    while not scenario.rows(
        "select version from workflow_versions where workflow_id = :id and is_active", id=workflow["id"]
    ):
        assert time.monotonic() < until, "the workflow was not adopted"
        scenario.post("/api/workflows/wake")
        time.sleep(0.5)
    deal = scenario.deal()

    scenario.win(deal)
    scenario.until_completed(str(workflow["id"]), deal)

    (instance,) = scenario.rows(
        """select state.name from workflow_instances instance join workflow_states state on state.id = current_state_id
           where instance.workflow_id = :id""",
        id=workflow["id"],
    )
    assert instance["name"] == "settled"
    assert [row["probability"] for row in scenario.rows("select probability from deals where id = :id", id=deal)] == [
        100
    ]
    notes = scenario.rows("select subject from activities where entity_id = :id and type = 'note'", id=deal)
    assert [note["subject"] for note in notes] == ["Won"]
