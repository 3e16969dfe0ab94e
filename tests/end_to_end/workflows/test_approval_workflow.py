"""The documents' scenario "approval workflow" through HTTP and SQL: submit, notification, approve, continuation."""

import re
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
import requests

from crm_relay.platform.database import Database, Row
from tests.end_to_end.cli.test_command_line import stack
from tests.end_to_end.workflows.test_deal_win import SECONDS, DealWin

__all__ = ["stack"]

DISCOUNT = {
    "triggers": [{"type": "field_change", "field": "stage", "to": "discount"}],
    "actions": [
        {
            "type": "approval",
            "config": {"title": "A discount for {{deal.name}}", "approvers": [{"type": "manager"}], "due": "+2d"},
            "then": [{"type": "update_field", "config": {"field": "stage", "value": "approved"}}],
            "else": [{"type": "update_field", "config": {"field": "stage", "value": "refused"}}],
        },
        {"type": "create_task", "config": {"title": "Tell the customer of {{deal.name}}"}},
    ],
}


class ApprovalScenario(DealWin):
    """Olga owns the deal, Max is her manager; both sign in with tokens of their own."""

    def __init__(self, stack: dict[str, Any], database: Database) -> None:
        super().__init__(stack, database)
        self.manager = self._insert("user_profiles", email="manager@example.org", name="Max")
        self.rows("update user_profiles set manager_id = :m where id = :o returning id", m=self.manager, o=self.owner)
        self.rows("update user_profiles set org_id = default_org_id() where org_id is null returning id")

    def token(self, name: str, person: UUID) -> str:
        made = self.post("/api/tokens", {"name": name, "role": "operate", "user": str(person)})
        return str(made["token"])

    def until(self, look: Callable[[], list[Row]]) -> list[Row]:
        until = time.monotonic() + SECONDS
        while not (found := look()):
            assert time.monotonic() < until
            self.post("/api/workflows/wake")
            time.sleep(0.5)
        return found

    def stage_of(self, deal: UUID) -> str:
        return str(self.rows("select stage from deals where id = :id", id=deal)[0]["stage"])


@pytest.fixture
def scenario(stack: dict[str, Any]) -> Iterator[ApprovalScenario]:
    database = Database(stack["database_url"])
    yield ApprovalScenario(stack, database)
    database.close()


def test_a_request_is_notified_approved_by_its_link_and_goes_on(scenario: ApprovalScenario) -> None:
    made = scenario.post(
        "/api/workflows", {"workflow": {"name": "Discount", "entityType": "deal", "definition": DISCOUNT}}
    )
    scenario.post(f"/api/workflows/{made['id']}/publish")
    deal = scenario.deal()

    scenario.rows("update deals set stage = 'discount' where id = :id returning id", id=deal)
    (asked,) = scenario.until(
        lambda: scenario.rows("select id, status, approver_id, requester_id from workflow_approvals")
    )
    assert (asked["status"], asked["approver_id"], asked["requester_id"]) == (
        "pending", scenario.manager, scenario.owner,
    )  # fmt: skip

    (notice,) = scenario.rows(
        "select title, action_url from notifications where user_id = :id and template_slug = 'approval_required'",
        id=scenario.manager,
    )
    assert notice["title"] == "Approval needed: A discount for Engine"
    token = notice["action_url"].rpartition("/")[2]
    link = f"{scenario.base_url}/approvals/{token}"

    own = requests.post(
        f"{scenario.base_url}/api/approvals/{asked['id']}/approve",
        json={},
        headers={"Authorization": f"Bearer {scenario.token('olga', scenario.owner)}"},
        timeout=30,
    )
    assert (own.status_code, own.json()["error"]) == (403, "nobody approves their own request")
    page = requests.get(link, timeout=30)
    assert page.status_code == 200
    assert "A discount for Engine" in page.text
    assert scenario.stage_of(deal) == "discount"

    pressed = requests.post(link, data={"decision": "approve", "notes": "Fine"}, timeout=30)
    assert re.search("<h1>Approved</h1>", pressed.text)

    scenario.until_completed(made["id"], deal)
    assert scenario.stage_of(deal) == "approved"
    (task,) = scenario.rows("select subject from activities where entity_id = :id", id=deal)
    assert task["subject"] == "Tell the customer of Engine"
    (row,) = scenario.rows("select status, decided_by_name, decided_via, response_notes from workflow_approvals")
    assert list(row.values()) == ["approved", "Max", "link", "Fine"]
    repeated = requests.post(link, data={"decision": "reject"}, timeout=30)
    assert re.search("<h1>Approved</h1>", repeated.text)
