"""The examples of docs/workflows.md: each is published as it stands, all together, and the first one runs."""

import json
import re
from typing import Any
from uuid import UUID

import pytest

from crm_relay.platform.clock import utc_now
from crm_relay.workflows.definition.drafts import create
from crm_relay.workflows.definition.publish import publish
from crm_relay.workflows.overview.list_workflows import list_runs
from tests.support.source_tree import ROOT
from tests.support.workflows.rounds import play, published
from tests.support.workflows.run_harness import RunHarness

PAGE = (ROOT / "docs" / "workflows.md").read_text(encoding="utf-8")
BLOCKS: list[dict[str, Any]] = [
    json.loads(text) for text in re.findall(r"^```json\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
]
EXAMPLES = [block for block in BLOCKS if "entityType" in block]
(STATES,) = (block for block in BLOCKS if "states" in block)


@pytest.fixture
def sales(runs: RunHarness) -> UUID:
    """Somebody in the pool that an example names, beside somebody who approves."""
    runs.person("fiona", role="finance")
    return runs.person("sally", role="sales")


def test_the_page_has_its_examples() -> None:
    assert [each["name"] for each in EXAMPLES] == [
        "Deal won", "Untouched lead", "Follow up", "Distribute leads", "Billing", "Discount",
    ]  # fmt: skip


def test_all_of_them_are_published_beside_each_other(runs: RunHarness, sales: UUID) -> None:
    for given in EXAMPLES:
        made = create(runs.db, given)
        assert (given["name"], made.problems) == (given["name"], ())
        done = publish(runs.db, made.id, utc_now())
        assert (done.version, done.is_heard) == (1, True)


def test_the_example_with_states_is_published(runs: RunHarness) -> None:
    published(
        runs.db, {"name": "Offer", "entityType": "deal", "definition": {"triggers": [{"type": "manual"}], **STATES}}
    )


def test_a_deal_that_is_won_by_sql_has_its_mail_task_and_notification(runs: RunHarness) -> None:
    published(runs.db, EXAMPLES[0])
    owner = runs.person("grace")
    deal = runs.deal("North wind", value=5000, status="open", lead_contact_id=runs.contact(), owner_id=owner)
    runs.rows("update deals set status = 'won' where id = :id returning id", id=deal)
    play(runs)
    assert [each.status for each in list_runs(runs.db)] == ["completed"]
    (mail,) = runs.rows("select subject, recipient_email, status from email_sends")
    assert mail == {"subject": "Welcome, Ada", "recipient_email": "ada@example.com", "status": "sent"}
    assert runs.got() == 1
    (task,) = runs.activities()
    assert (task["subject"], task["type"], task["assignee_id"], task["priority"]) == (
        "Call Ada about North wind", "task", owner, "high",
    )  # fmt: skip
    assert task["due_date"] > runs.now
    assert runs.notified(owner) == ["North wind is won"]
    # The same change once more is none.
    runs.rows("update deals set status = 'won' where id = :id returning id", id=deal)
    play(runs)
    assert (runs.got(), len(runs.activities())) == (1, 1)


@pytest.mark.parametrize("replies", [True, False])
def test_the_follow_up_takes_the_branch_of_what_happened(runs: RunHarness, *, replies: bool) -> None:
    published(runs.db, EXAMPLES[2])
    contact = runs.contact(status="new")
    runs.rows("update contacts set status = 'qualified' where id = :id returning id", id=contact)
    play(runs)
    assert [(each.status, each.waits_for) for each in list_runs(runs.db)] == [("running", "event:replied")]
    if replies:
        columns = {"source": "bison", "external_id": "1", "from_address": "Ada@example.com"}
        runs.insert("inbox_items", received_at=runs.now, **columns)
        runs.wait(hours=1)
    else:
        runs.wait(days=5, minutes=1)
    play(runs)
    assert [each.status for each in list_runs(runs.db)] == ["completed"]
    assert [each["subject"] for each in runs.activities()] == (["Answer Ada"] if replies else [])
    assert runs.got() == (1 if replies else 2)


def test_leads_go_round(runs: RunHarness, sales: UUID) -> None:
    published(runs.db, EXAMPLES[3])
    other = runs.person("otto", role="sales")
    contacts = [runs.contact(f"lead{place}") for place in range(4)]
    play(runs)
    owners = [row["owner_id"] for row in runs.rows("select owner_id from contacts where id = any (:ids::uuid[])",
                                                  ids=contacts)]  # fmt: skip
    assert sorted(owners) == sorted([sales, sales, other, other])
    assert len(runs.notified(sales)) == len(runs.notified(other)) >= 1
