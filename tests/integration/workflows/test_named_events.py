"""Replies, bounces and opt-outs are events of the contacts with that address; others are emitted."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from crm_relay.consent.models import ConsentChannel, ConsentEvent, ConsentKind
from crm_relay.consent.record import record_events
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database, Transaction
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.sql import Json, SqlValue
from crm_relay.workflows.entities import is_event_name
from crm_relay.workflows.events.emit import LARGEST_PAYLOAD, Emitted, emit_event, problems_of_event
from crm_relay.workflows.events.erase import redact_events
from crm_relay.workflows.events.listen import NOT_LISTENING, close_recovered, listen_to_changes
from crm_relay.workflows.events.tidy_up import remove_old_events
from crm_relay.workflows.models import EntityType
from crm_relay.workflows.operations.what_is_due import what_is_due
from tests.support.platform.rows import parse
from tests.support.workflows.event_stage import EventStage

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def reply(stage: EventStage, sender: str = "Ada@Example.com", **columns: SqlValue) -> UUID:
    given: dict[str, SqlValue] = {"source": "bison", "external_id": "1", "from_address": sender, **columns}
    return stage.add("inbox_items", **given)


def consent(stage: EventStage, kind: ConsentKind, address: str = "ada@example.com", channel: str = "email") -> None:
    record_events(
        stage.db,
        [
            ConsentEvent(
                org_id=stage.org,
                channel=ConsentChannel(channel),
                address=address,
                kind=kind,
                source="test",
                source_event=f"{kind.value}:{address}",
                occurred_at=datetime.now(UTC) - timedelta(minutes=1),
            )
        ],
    )


def topics(stage: EventStage) -> list[tuple[str, UUID]]:
    return [(row["topic"], row["entity_id"]) for row in stage.events()]


def test_a_reply_is_an_event_of_every_contact_of_the_organization_with_its_address(stage: EventStage) -> None:
    stage.listen("contact", "event:replied")
    twins = {stage.contact("ADA@example.com "), stage.contact("ada@example.com")}
    stage.contact("bob@example.com")
    stage.contact("ada@example.com", org_id=stage.other_org())
    item = reply(stage)
    events = stage.events()
    assert {row["entity_id"] for row in events} == twins
    assert {(row["kind"], row["topic"], row["org_id"], row["entity_type"]) for row in events} == {
        ("event", "event:replied", stage.org, "contact")
    }
    assert {row["payload"]["inbox_item_id"] for row in events} == {str(item)}
    assert "ada" not in str([row["payload"] for row in events]).lower()


def test_nobody_listens_to_replies(stage: EventStage) -> None:
    stage.listen("contact", "title", "event:bounced")
    stage.listen("contact", "event:replied", org=stage.other_org())
    stage.contact()
    reply(stage)
    assert topics(stage) == []


def test_an_automatic_reply_is_no_event(stage: EventStage) -> None:
    stage.listen("contact", "event:replied")
    stage.contact()
    reply(stage, is_auto_reply=True)
    assert topics(stage) == []


@pytest.mark.parametrize("automatic", [True, False])
def test_a_mail_of_resend_is_a_reply_once_its_headers_are_read(stage: EventStage, *, automatic: bool) -> None:
    stage.listen("contact", "event:replied")
    ada = stage.contact()
    item = reply(stage, source="resend")
    assert topics(stage) == []
    stage.update("inbox_items", item, headers_read_at=NOW, is_auto_reply=automatic)
    stage.update("inbox_items", item, headers_read_at=NOW + timedelta(minutes=1))
    assert topics(stage) == ([] if automatic else [("event:replied", ada)])


def test_a_reply_from_another_address_is_one_of_whose_enrollment_it_matches(stage: EventStage) -> None:
    stage.listen("contact", "event:replied")
    ada = stage.contact()
    campaign = stage.add("campaigns", name="C")
    enrollment = stage.add("campaign_enrollments", campaign_id=campaign, contact_id=ada, address="ada@example.com")
    item = reply(stage, "ada@home.example")
    assert topics(stage) == []
    stage.update("inbox_items", item, enrollment_id=enrollment)
    stage.update("inbox_items", item, enrollment_id=enrollment)
    assert topics(stage) == [("event:replied", ada)]


@pytest.mark.parametrize(
    ("kind", "topic"),
    [
        (ConsentKind.HARD_BOUNCE, "event:bounced"),
        (ConsentKind.OPT_OUT, "event:unsubscribed"),
        (ConsentKind.COMPLAINT, "event:unsubscribed"),
        (ConsentKind.ERASED, None),
    ],
)
def test_the_ledger_of_consent(stage: EventStage, kind: ConsentKind, topic: str | None) -> None:
    stage.listen("contact", "event:bounced", "event:unsubscribed")
    ada = stage.contact()
    stage.contact("bob@example.com")
    consent(stage, kind)
    consent(stage, kind)
    assert topics(stage) == ([] if topic is None else [(topic, ada)])


def test_a_number_that_opts_out(stage: EventStage) -> None:
    stage.listen("contact", "event:unsubscribed")
    ada = stage.contact(None, phone="+49 30 1234567")
    consent(stage, ConsentKind.OPT_OUT, "+49301234567", "sms")
    assert topics(stage) == [("event:unsubscribed", ada)]


def test_a_ledger_that_nobody_listens_to(stage: EventStage) -> None:
    stage.listen("contact", "event:bounced")
    stage.contact()
    consent(stage, ConsentKind.OPT_OUT)
    assert topics(stage) == []


@pytest.mark.parametrize("fault", ["alter table entity_events rename to gone", "alter table contacts rename to gone"])
def test_replies_and_opt_outs_are_kept_whatever_is_wrong_with_events(stage: EventStage, fault: str) -> None:
    stage.listen("contact", "event:replied", "event:unsubscribed")
    stage.contact()
    if "contacts" not in fault:
        stage.db.run_script(fault)
        consent(stage, ConsentKind.OPT_OUT)
    else:
        stage.db.run_script(fault)
    reply(stage)
    subjects = ["inbox_items"] if "contacts" in fault else ["consent_events", "inbox_items"]
    assert stage.incidents() == [("workflow_events", each) for each in subjects]


def test_an_enrollment_that_ends_is_a_change_of_it(stage: EventStage) -> None:
    stage.listen("campaign_enrollment", "status")
    campaign = stage.add("campaigns", name="C")
    enrollment = stage.add(
        "campaign_enrollments", campaign_id=campaign, contact_id=stage.contact(), address="ada@example.com"
    )
    stage.update("campaign_enrollments", enrollment, status="replied", next_step_at=None)
    assert [change["status"] for _, _, change in stage.changes()] == [[None, "active"], ["active", "replied"]]


def test_an_event_with_a_key_is_kept_once(stage: EventStage) -> None:
    stage.listen("contact", "event:form.filled")
    ada = stage.contact()
    first = emit_event(stage.db, stage.org, (EntityType.CONTACT, ada), "form.filled", {"form": "demo"}, "f1")
    again = emit_event(stage.db, stage.org, (EntityType.CONTACT, ada), "form.filled", {"form": "other"}, "f1")
    assert (first.is_new, again) == (True, Emitted(first.id, is_new=False))
    (event,) = stage.events()
    assert (event["topic"], event["payload"]) == ("event:form.filled", {"form": "demo"})
    assert emit_event(stage.db, stage.org, (EntityType.CONTACT, ada), "form.filled").is_new
    assert emit_event(stage.db, stage.org, (EntityType.CONTACT, ada), "form.filled").is_new


def test_an_event_that_nobody_listens_to_is_not_kept(stage: EventStage) -> None:
    ada = stage.contact()
    found = emit_event(stage.db, stage.org, (EntityType.CONTACT, ada), "form.filled", key="f1")
    assert (found, topics(stage)) == (Emitted(None, is_new=False), [])


@pytest.mark.parametrize(
    ("name", "payload", "key", "part"),
    [
        ("Form", {}, None, "name"),
        ("x" * 65, {}, None, "name"),
        ("form", {"x": "y" * LARGEST_PAYLOAD}, None, "payload"),
        ("form", {"x": float("nan")}, None, "payload"),
        ("form", {}, "", "key"),
        ("form", {}, "k" * 201, "key"),
    ],
)
def test_an_event_that_cannot_be_kept_is_refused(
    stage: EventStage, name: str, payload: dict[str, object], key: str | None, part: str
) -> None:
    with pytest.raises(RejectedInput, match=f"event: {part}"):
        emit_event(stage.db, stage.org, (EntityType.CONTACT, stage.contact()), name, payload, key)


def test_old_events_go_once_they_were_handled(stage: EventStage) -> None:
    stage.listen("deal", "status")
    for _ in range(3):
        stage.update("deals", stage.deal(), status="won")
    rows = [row["id"] for row in stage.events()]
    old, waiting = rows[:2], rows[2]
    stage.execute("update entity_events set occurred_at = :at where id = any (:ids)", at=NOW, ids=[*old, waiting])
    stage.execute("update entity_events set handled_at = :at where id <> :id", at=NOW, id=waiting)
    late = NOW + timedelta(days=30, minutes=1)
    assert remove_old_events(stage.db, NOW + timedelta(days=29), Deadline.after(60)) == 0
    assert remove_old_events(stage.db, late, Deadline.after(60)) == 2
    assert [row["id"] for row in stage.events()] == rows[2:]


def plant_start(stage: EventStage, workflow: UUID, person: UUID) -> None:
    """A start that was decided, and its run."""
    instance = stage.add("workflow_instances", workflow_id=workflow, entity_type="contact", entity_id=person)
    of_person: dict[str, SqlValue] = {"workflow_id": workflow, "entity_type": "contact", "entity_id": person}
    explanation = [{"field": "first_name", "actual": "Ada", "wanted": "Bob"}, {"field": "x", "actual": None}]
    stage.execute(
        """insert into workflow_start_decisions
               (org_id, workflow_id, entity_type, entity_id, verdict, explanation, decided_at)
           values (:org, :workflow_id, :entity_type, :entity_id, 'not_started', :explanation, now())""",
        org=stage.org,
        explanation=Json(explanation),
        **of_person,
    )
    event = {"id": 1, "changed": {"first_name": ["Ada", "Eve"]}, "payload": {"a": "Ada"}}
    stage.add("workflow_executions", instance_id=instance, trigger_event=Json(event), **of_person)


def test_erasure_takes_the_values_and_leaves_what_was_decided(stage: EventStage) -> None:
    workflow = stage.listen("contact", "+", "status", "first_name", "event:form")
    ada, bob = stage.contact(first_name="Ada"), stage.contact("bob@example.com", first_name="Bob")
    emit_event(stage.db, stage.org, (EntityType.CONTACT, ada), "form", {"name": "Ada"})
    for person in (ada, bob):
        plant_start(stage, workflow, person)
    done = stage.db.transact(lambda tx: redact_events(tx, [ada]))
    assert done == {"entity_events": 2, "workflow_start_decisions": 1, "workflow_executions": 1}
    created, other, form = stage.events()
    assert created["changed"] == {"status": ["redacted", "redacted"], "first_name": ["redacted", "redacted"]}
    assert (form["payload"], other["changed"]["first_name"]) == ({}, [None, "Bob"])
    kept = {row["entity_id"]: row for row in stage.execute("select * from workflow_start_decisions")}
    assert [entry["actual"] for entry in kept[ada]["explanation"]] == ["redacted", None]
    assert kept[bob]["explanation"][0]["actual"] == "Ada"
    runs = {row["entity_id"]: row["trigger_event"] for row in stage.execute("select * from workflow_executions")}
    assert runs[ada] == {"id": 1, "changed": {"first_name": ["redacted", "redacted"]}}
    assert runs[bob]["payload"] == {"a": "Ada"}
    assert stage.db.transact(lambda tx: redact_events(tx, [ada]))["entity_events"] == 1


@pytest.mark.parametrize("name", ["2nd-visit", "x" * 64])
def test_what_a_trigger_may_be_called_can_be_sent(name: str) -> None:
    assert is_event_name(name)
    assert problems_of_event(name, {}, None) == []


def test_listening_reports_what_is_in_its_way(stage: EventStage) -> None:
    stage.listener("deal", "status")
    stage.db.run_script("alter function note_changed() rename to note_changed_away")
    found = listen_to_changes(stage.db, NOW)
    assert (found.refused, found.is_complete) == ({"deals": "42883"}, False)
    assert stage.incidents() == [(NOT_LISTENING, "deals")]
    stage.db.run_script("alter function note_changed_away() rename to note_changed")
    assert listen_to_changes(stage.db, NOW).changed == ("deals",)
    assert stage.incidents() == []
    assert listen_to_changes(stage.db, NOW).is_complete


def test_a_column_that_is_renamed_while_it_is_listened_to_has_an_incident(stage: EventStage) -> None:
    stage.db.run_script("alter table deals add column tier text")
    stage.listen("deal", "tier", "status")
    stage.db.run_script("alter table deals rename column tier to level")
    found = listen_to_changes(stage.db, NOW)
    assert (found.changed, found.lost, found.refused) == (("deals",), ("deals.tier",), {})
    assert stage.incidents() == [(NOT_LISTENING, "deals.tier")]
    stage.execute("update workflow_listeners set topic = 'level' where topic = 'tier'")
    assert listen_to_changes(stage.db, NOW).lost == ()
    assert stage.incidents() == []


def test_a_table_that_stays_busy_has_an_incident_until_it_is_heard(stage: EventStage) -> None:
    deal = stage.deal()
    stage.listener("deal", "status")
    writer = Database(stage.url)

    def write(tx: Transaction) -> None:
        tx.run(parse("update deals set status = 'won' where id = :id"), id=deal)
        assert listen_to_changes(stage.db, NOW).busy == ("deals",)

    writer.transact(write)
    writer.close()
    assert stage.incidents() == [(NOT_LISTENING, "deals")]
    assert what_is_due(stage.db, NOW).listening
    assert listen_to_changes(stage.db, NOW).is_complete
    assert stage.incidents() == []
    assert not what_is_due(stage.db, NOW).listening


def test_the_incident_of_changes_that_were_not_noted_ends_with_the_next_event(stage: EventStage) -> None:
    stage.listen("deal", "status")
    stage.db.run_script("alter table entity_events rename to gone")
    deal = stage.deal()
    stage.db.run_script("alter table gone rename to entity_events")
    assert close_recovered(stage.db, NOW) == 0
    stage.update("deals", deal, status="won")
    assert close_recovered(stage.db, NOW) == 1
    assert stage.incidents() == []
