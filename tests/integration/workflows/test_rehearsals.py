"""What a rehearsal says: its span, what was not recorded, who would have got what, and what it costs."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput
from crm_relay.workflows.definition.drafts import create
from crm_relay.workflows.events.watch import list_recordings, stop_watching_draft
from crm_relay.workflows.models import EntityType
from crm_relay.workflows.rehearsal.models import Rehearsal
from crm_relay.workflows.rehearsal.rehearse import rehearse
from crm_relay.workflows.rehearsal.why_drafts import explain_record
from tests.support.platform.counting_proxy import CountingProxy
from tests.support.workflows.rounds import WON, won_deal
from tests.support.workflows.run_harness import RunHarness


def drafted(runs: RunHarness, **definition: Any) -> UUID:
    made = create(runs.db, {**WON, "definition": {**WON["definition"], **definition}})
    assert made.problems == ()
    return made.id


def rehearsed(runs: RunHarness, draft: UUID, **options: Any) -> Rehearsal:
    return rehearse(runs.db, draft, utc_now(), **options)


def test_a_draft_is_held_against_what_happened_since_it_was_saved(runs: RunHarness) -> None:
    draft = drafted(runs)
    contact, owner = runs.contact(), runs.person()
    deal = won_deal(runs, contact=contact, owner=owner)
    won_deal(runs, value=10, contact=contact, owner=owner)
    said = rehearsed(runs, draft)
    assert said.starts.started == 1
    assert [(each.reason, each.starts) for each in said.starts.refused] == [("conditions", 1)]
    assert said.starts.refused[0].explanation[0]["actual"] == 10
    assert {step.kind: step.completed for step in said.steps} == {
        "send_email": 1, "create_task": 1, "condition": 1, "send_notification": 1,
    }  # fmt: skip
    assert [(each.kind, each.entity_id) for each in said.effects] == [
        ("send_email", deal), ("create_task", deal), ("send_notification", deal),
    ]  # fmt: skip
    assert said.effects[0].to == (str(contact),)
    assert said.effects[1].to == said.effects[2].to == (str(owner),)
    (day,) = said.days
    assert (day.started, day.emails, day.records, day.notifications) == (1, 1, 1, 1)
    assert [(each.contact_id, each.emails) for each in said.busiest] == [(contact, 1)]
    assert said.runs == {"completed": 1}
    assert runs.rows("select from workflow_executions") == runs.rows("select from email_sends") == []


def test_the_span_begins_where_all_is_recorded(runs: RunHarness) -> None:
    before = utc_now()
    won_deal(runs)
    draft = drafted(runs)
    said = rehearsed(runs, draft)
    topics = {each.field: each.since for each in said.span.topics}
    assert set(topics) == {"deals.status", "deals.stage"}
    assert said.span.complete_from == said.span.since == max(each for each in topics.values() if each) > before
    assert (said.span.events, said.span.not_rehearsed) == (0, ())


def test_what_was_not_recorded_is_named(runs: RunHarness) -> None:
    draft = drafted(runs, triggers=[*WON["definition"]["triggers"], {"type": "manual"}])
    stop_watching_draft(runs.db, draft, utc_now())
    assert list_recordings(runs.db) == []
    said = rehearsed(runs, draft)
    assert said.span.complete_from is None
    assert said.span.not_rehearsed == (
        "manual: it happens without an event",
        "deals.stage: it is not recorded",
        "deals.status: it is not recorded",
    )


def hourly(runs: RunHarness) -> UUID:
    return drafted(
        runs, triggers=[{"type": "scheduled", "cron": "0 * * * *"}], conditions=[], settings={"reEntry": "parallel"}
    )


def test_a_schedule_starts_nothing_for_a_record_that_was_not_there_yet(runs: RunHarness) -> None:
    now, draft = datetime(2026, 11, 20, 12, 30, tzinfo=UTC), hourly(runs)
    old, new = runs.deal(created_at=now - timedelta(days=9)), runs.deal(created_at=now - timedelta(minutes=45))
    runs.deal(created_at=now + timedelta(days=1)), runs.deal(created_at=now - timedelta(days=9), deleted_at=now)
    said = rehearse(runs.db, draft, now, since=now - timedelta(hours=3))
    started = Counter(each.entity_id for each in said.effects if each.kind == "create_task")
    assert (started, said.span.due_times) == ({old: 3, new: 1}, 3)
    assert (said.span.not_rehearsed, said.span.complete_from) == ((), said.span.since)
    assert any(each.startswith("A schedule") for each in said.assumptions)


def test_of_too_many_starts_by_a_schedule_the_newest_are_taken(runs: RunHarness) -> None:
    now, draft = datetime(2026, 11, 20, 12, 30, tzinfo=UTC), hourly(runs)
    for _ in range(2):
        runs.deal(created_at=now - timedelta(days=60))
    said = rehearse(runs.db, draft, now, since=now - timedelta(days=40), most_events=16)
    assert (said.span.due_times, said.starts.started) == (2, 4)
    assert said.span.not_rehearsed == ("scheduled: due until 2026-11-20 10:00:00 UTC, too many starts",)
    many = rehearse(runs.db, draft, now, most_events=1)
    assert (many.span.due_times, many.span.not_rehearsed) == (0, ("scheduled: there are more than 1 records",))
    assert rehearse(runs.db, draft, now).span.due_times == 30 * 24, "not from before events are kept"


def test_of_too_many_events_the_newest_are_taken(runs: RunHarness) -> None:
    draft = drafted(runs)
    deals = [won_deal(runs, contact=runs.contact(f"c{n}"), owner=None) for n in range(4)]
    said = rehearsed(runs, draft, most_events=2)
    assert (said.span.events, said.span.is_cut, said.starts.started) == (2, True, 1)
    assert said.effects[0].entity_id == deals[-1]
    assert not rehearsed(runs, draft, most_events=8).span.is_cut


def test_effects_are_counted_where_they_are_not_listed(runs: RunHarness) -> None:
    draft = drafted(runs)
    won_deal(runs)
    said = rehearsed(runs, draft, most_effects=1)
    assert (len(said.effects), said.has_more_effects, said.days[0].records) == (1, True, 1)


def test_what_is_assumed_is_said(runs: RunHarness) -> None:
    hook = {"type": "webhook", "config": {"url": "https://billing.example.com/hooks"}}
    plain = rehearsed(runs, drafted(runs, actions=[{"type": "create_task", "config": {"title": "Call"}}]))
    assert len(plain.assumptions) == 1
    runs.rows("delete from workflows returning id")
    said = rehearsed(runs, drafted(runs, actions=[hook], settings={"atMost": {"emails": 5}}))
    assert [each.split()[0] for each in said.assumptions] == ["Conditions", "Every", "A"]


def test_a_draft_with_problems_and_one_that_is_not_there_are_refused(runs: RunHarness) -> None:
    broken = {"type": "update_field", "config": {"field": "org_id", "value": "x"}}
    made = create(runs.db, {**WON, "definition": {**WON["definition"], "actions": [broken]}})
    with pytest.raises(RejectedInput) as refused:
        rehearsed(runs, made.id)
    assert refused.value.status == 422
    assert "actions[0]" in refused.value.details[0]
    with pytest.raises(RejectedInput) as missing:
        rehearsed(runs, uuid4())
    assert missing.value.status == 404


def test_a_page_of_events_costs_the_same_however_many_records_it_is_about(runs: RunHarness, database_url: str) -> None:
    draft = drafted(runs)
    owner, contact = runs.person(), runs.contact()
    runs.rows("delete from entity_events returning id")

    def statements(number: int) -> int:
        runs.rows(
            "with made as (insert into deals (org_id, name, status, value, owner_id, lead_contact_id)"
            " select :org, 'D', 'won', 5000, :owner, :contact from generate_series(1, :number) returning id)"
            " select id from made",
            org=runs.org, owner=owner, contact=contact, number=number,
        )  # fmt: skip
        with CountingProxy(database_url) as proxy:
            db = Database(proxy.url)
            said = rehearse(db, draft, utc_now())
            db.close()
            assert said.starts.started >= number
            return len(proxy.queries)

    few = statements(10)
    assert statements(900) == few


def test_a_wait_ends_within_the_span_or_is_shown_as_waiting(runs: RunHarness) -> None:
    wait = {"type": "wait", "config": {"days": 2}}
    draft = drafted(runs, actions=[wait, *WON["definition"]["actions"][:1]])
    won_deal(runs)
    now = rehearsed(runs, draft)
    assert (now.runs, now.steps[0].waiting, now.recipients) == ({"running": 1}, 1, 0)
    later = rehearse(runs.db, draft, utc_now() + timedelta(days=3), since=now.span.since)
    assert (later.runs, later.recipients) == ({"completed": 1}, 1)


def test_a_run_stays_at_an_approval(runs: RunHarness) -> None:
    approval = {"type": "approval", "config": {"approvers": [{"type": "user", "userId": str(runs.person("boss"))}]}}
    draft = drafted(runs, actions=[approval, *WON["definition"]["actions"][:1]])
    won_deal(runs)
    said = rehearse(runs.db, draft, utc_now() + timedelta(days=20))
    assert (said.runs, said.steps[0].waiting, said.recipients) == ({"running": 1}, 1, 0)
    assert any("approval" in each for each in said.assumptions)


def test_why_says_what_a_recorded_draft_would_have_decided(runs: RunHarness) -> None:
    draft = drafted(runs, settings={"coolDown": "1h"})
    contact, owner = runs.contact(), runs.person()
    small, big = (won_deal(runs, value=value, contact=contact, owner=owner) for value in (10, 5000))
    quiet = runs.deal(value=5000)

    def why(record: UUID) -> Any:
        (found,) = explain_record(runs.db, (EntityType.DEAL, record), utc_now()).drafts
        return found

    refused = why(small)
    assert (refused.workflow_id, refused.answer) == (draft, "would_not_have_started")
    assert (refused.decisions[0].reason, refused.decisions[0].explanation[0]["actual"]) == ("conditions", 10)
    assert (why(big).answer, why(big).decisions[0].topic) == ("would_have_started", "status")
    runs.rows("update deals set status = 'open' where id = :id returning id", id=big)
    runs.rows("update deals set status = 'won' where id = :id returning id", id=big)
    assert [each.reason for each in why(big).decisions] == ["cool_down", "trigger", None]
    assert why(quiet).answer == "nothing_recorded"
    stop_watching_draft(runs.db, draft, utc_now())
    assert explain_record(runs.db, (EntityType.DEAL, big), utc_now()).drafts == ()
