"""Events start runs, once each; what does not start has its reason and the values that decided."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from crm_relay.platform.database import Database, Transaction
from crm_relay.platform.sql import Json
from crm_relay.workflows.events.emit import emit_event
from crm_relay.workflows.models import EntityType, ReEntry, TriggerKind
from tests.support.platform.rows import parse
from tests.support.workflows.start_stage import CREATED, WON, StartStage, trigger, where

FIELD = trigger(TriggerKind.FIELD_CHANGE, column="value")
FORM = trigger(TriggerKind.EVENT, event="form")


@pytest.fixture
def stage(database: Database, database_url: str) -> StartStage:
    return StartStage(database, database_url)


def test_a_won_deal_starts_its_workflow_once(stage: StartStage) -> None:
    workflow = stage.publish()
    deal = stage.won_deal()
    done = stage.start()
    assert (done.started, done.is_finished, stage.waiting_events()) == (1, True, 0)
    (run,) = stage.runs()
    event = stage.events()[-1]
    assert run["start_key"] == f"event:{event['id']}"
    assert (run["workflow_id"], run["version"], run["entity_type"], run["entity_id"]) == (workflow, 1, "deal", deal)
    assert (run["status"], run["trigger_type"], run["next_run_at"]) == ("pending", "automatic", stage.now)
    assert (run["total_steps"], run["max_retries"], run["depth"], run["event_id"]) == (1, 3, 0, event["id"])
    assert run["trigger_event"]["changed"] == {"status": ["open", "won"]}
    (instance,) = stage.execute("select * from workflow_instances")
    assert (instance["id"], instance["last_started_at"]) == (run["instance_id"], stage.now)
    assert stage.reasons() == [("started", None)]
    assert stage.decisions()[0]["execution_id"] == run["id"]
    assert stage.start().started == 0


@pytest.mark.parametrize(("column", "word"), [("status", "won"), ("stage", "closed_won")])
def test_a_deal_is_won_by_its_status_or_its_stage(stage: StartStage, column: str, word: str) -> None:
    stage.publish(trigger(TriggerKind.STATUS_CHANGE, becomes=word))
    deal = stage.deal()
    stage.update("deals", deal, **{column: word})
    assert stage.start().started == 1


def test_a_deal_that_is_born_won_starts_too(stage: StartStage) -> None:
    stage.publish()
    stage.deal(status="won")
    stage.deal()
    done = stage.start()
    assert (done.started, done.refused) == (1, {})


def test_a_change_of_status_from_a_certain_one(stage: StartStage) -> None:
    stage.publish(trigger(TriggerKind.STATUS_CHANGE, was="open", becomes="won"))
    stage.won_deal()
    stage.win(stage.deal(status="lost"))
    stage.deal(status="won")
    assert stage.start().started == 1
    assert stage.reasons().count(("not_started", "trigger")) == 1
    (refused,) = [row for row in stage.decisions() if row["verdict"] == "not_started"]
    (compared,) = refused["explanation"]
    assert (compared["field"], compared["actual"]) == ("status", ["lost", "won"])
    assert compared["wanted"] == {"from": "open", "to": "won"}


def test_any_change_of_status(stage: StartStage) -> None:
    stage.publish(trigger(TriggerKind.STATUS_CHANGE))
    stage.won_deal()
    assert stage.start().started == 1


def test_a_new_record(stage: StartStage) -> None:
    stage.publish(CREATED)
    stage.deal()
    assert stage.start().started == 1


def test_a_changed_field(stage: StartStage) -> None:
    stage.publish(FIELD)
    deal = stage.deal(value=1)
    stage.update("deals", deal, value=2)
    stage.update("deals", deal, name="x")
    assert stage.start().started == 1


def test_a_named_event(stage: StartStage) -> None:
    stage.publish(FORM)
    deal = stage.deal()
    emit_event(stage.db, stage.org, (EntityType.DEAL, deal), "form", {"size": 3}, "f1")
    assert stage.start().started == 1
    (run,) = stage.runs()
    assert (run["trigger_type"], run["trigger_event"]["payload"]) == ("event", {"size": 3})


def test_two_triggers_that_match_start_one_run(stage: StartStage) -> None:
    stage.publish(WON, FIELD, CREATED)
    deal = stage.deal()
    assert stage.start().started == 1
    stage.execute("update workflow_executions set status = 'completed', next_run_at = null")
    stage.update("deals", deal, status="won", value=3)
    assert stage.start().started == 1


def test_each_workflow_that_listens_starts(stage: StartStage) -> None:
    one, other = stage.publish(), stage.publish()
    stage.publish(org=stage.other_org())
    stage.won_deal()
    assert stage.start().started == 2
    assert {row["workflow_id"] for row in stage.runs()} == {one, other}


def test_the_actor_is_who_started_it_where_the_organization_knows_them(stage: StartStage) -> None:
    stage.publish()
    ada = stage.add("user_profiles", email="ada@example.com")
    for actor in (ada, uuid4()):
        deal = stage.deal()
        stage.within(
            lambda tx, deal=deal: tx.run(parse("update deals set status = 'won' where id = :id"), id=deal),  # type: ignore[misc]
            app__user_id=str(actor),
        )
    assert stage.start().started == 2
    assert [row["triggered_by"] for row in stage.runs()] == [ada, None]


def test_an_import_starts_only_what_names_it(stage: StartStage) -> None:
    plain, asks = stage.publish(), stage.publish(origins=frozenset({"import"}))
    deal = stage.deal()
    stage.within(lambda tx: tx.run(parse("update deals set status = 'won'")), app__origin="import")
    assert deal
    assert stage.start().started == 1
    assert stage.runs()[0]["workflow_id"] == asks
    (refused,) = stage.decisions(plain)
    assert (refused["reason"], refused["explanation"][0]["actual"]) == ("origin", "import")


@pytest.mark.parametrize(("depth", "starts"), [(2, 1), (3, 0)])
def test_a_chain_of_causes_ends_at_its_depth(stage: StartStage, depth: int, starts: int) -> None:
    stage.publish(max_depth=2)
    stage.deal()
    stage.within(lambda tx: tx.run(parse("update deals set status = 'won'")), app__workflow_causes=f'{{"*": {depth}}}')
    assert stage.start().started == starts
    assert stage.reasons() == [("started", None) if starts else ("not_started", "depth")]
    assert [row["depth"] for row in stage.runs()] == [depth] * starts


@pytest.mark.parametrize("gone", ["delete", "deleted_at", "moved"])
def test_a_record_that_is_gone(stage: StartStage, gone: str) -> None:
    stage.publish()
    deal = stage.won_deal()
    if gone == "delete":
        stage.execute("delete from deals")
    elif gone == "moved":
        stage.update("deals", deal, org_id=stage.other_org())
    else:
        stage.update("deals", deal, deleted_at=stage.now)
    assert stage.start().started == 0
    assert stage.reasons() == [("not_started", "record_gone")]


def test_truncated_records_start_nothing_and_stop_nobody(stage: StartStage) -> None:
    stage.publish()
    stage.won_deal()
    stage.db.run_script("truncate deals cascade")
    stage.won_deal()
    assert stage.start().started == 1
    assert stage.reasons() == [("not_started", "record_gone"), ("started", None)]


def test_conditions_are_of_the_record_as_it_is_now_and_what_hangs_on_it(stage: StartStage) -> None:
    owner = stage.add("user_profiles", email="o@example.com", role="sales")
    account = stage.add("accounts", name="A", industry="tech")
    ada = stage.contact(first_name="Ada")
    rules = where(
        ("value", "gte", 1000),
        ("contact.first_name", "eq", "Ada"),
        ("account.industry", "eq", "tech"),
        ("owner.role", "eq", "sales"),
        ("event.status", "eq", "won"),
    )
    stage.publish(conditions=rules)
    rich = stage.won_deal(value=1, owner_id=owner, account_id=account, lead_contact_id=ada)
    stage.won_deal(value=5000)
    stage.update("deals", rich, value=2000)
    assert stage.start().started == 1
    assert [row["entity_id"] for row in stage.runs()] == [rich]
    (refused,) = [row for row in stage.decisions() if row["verdict"] == "not_started"]
    assert refused["reason"] == "conditions"
    assert [(each["field"], each["actual"], each["holds"]) for each in refused["explanation"]] == [
        ("value", 5000.0, True),
        ("contact.first_name", None, False),
        ("account.industry", None, False),
        ("owner.role", None, False),
        ("event.status", "won", True),
    ]


@pytest.mark.parametrize("entity", list(EntityType))
def test_records_of_every_type_are_read_with_what_hangs_on_them(stage: StartStage, entity: EntityType) -> None:
    owner = stage.add("user_profiles", email="o@example.com")
    account = stage.add("accounts", name="A", owner_id=owner)
    ada = stage.contact(account_id=account, owner_id=owner)
    job = stage.add("jobs", title="J", account_id=account, owner_id=owner)
    campaign = stage.add("campaigns", name="C")
    needs = [("owner.email", "eq", "o@example.com")]
    needs += [("account.name", "eq", "A")]
    needs += [] if entity in {EntityType.ACCOUNT, EntityType.JOB} else [("contact.email", "eq", "ada@example.com")]
    stage.publish(CREATED, entity=entity, conditions=where(*needs))
    match entity:
        case EntityType.ACCOUNT:
            stage.add("accounts", name="A", owner_id=owner)
        case EntityType.CONTACT:
            stage.contact(account_id=account, owner_id=owner)
        case EntityType.DEAL:
            stage.deal(lead_contact_id=ada, owner_id=owner)
        case EntityType.JOB:
            stage.add("jobs", title="J", account_id=account, owner_id=owner)
        case EntityType.SUBMISSION | EntityType.PLACEMENT:
            stage.add(f"{entity.value}s", job_id=job, candidate_id=ada, owner_id=owner)
        case EntityType.ACTIVITY:
            stage.add("activities", entity_type="contact", entity_id=ada, type="note", assignee_id=owner)
        case EntityType.ENROLLMENT:
            stage.add("campaign_enrollments", campaign_id=campaign, contact_id=ada, address="ada@example.com")
    assert stage.start().started == 1
    assert {each["holds"] for each in stage.decisions()[0]["explanation"]} == {True}


def test_a_cool_down_counts_from_the_last_start(stage: StartStage) -> None:
    stage.publish(FIELD, cool_down=timedelta(hours=1), re_entry=ReEntry.PARALLEL)
    deal = stage.deal(value=0)
    for minutes, started in ((0, 1), (59, 0), (2, 1)):
        stage.wait(minutes=minutes)
        stage.update("deals", deal, value=minutes + 100)
        assert stage.start().started == started
    assert stage.reasons() == [("started", None), ("not_started", "cool_down"), ("started", None)]
    assert stage.decisions()[1]["explanation"][0]["actual"] is not None


RE_ENTRIES = {
    ReEntry.SKIP: (["pending"], ["started", "not_started"]),
    ReEntry.QUEUE: (["pending", "pending"], ["started", "queued"]),
    ReEntry.RESTART: (["cancelled", "pending"], ["started", "started"]),
    ReEntry.PARALLEL: (["pending", "pending"], ["started", "started"]),
}


@pytest.mark.parametrize("at_once", [True, False], ids=["in one batch", "in two"])
@pytest.mark.parametrize("re_entry", list(ReEntry))
def test_two_events_of_one_record_in_one_second(stage: StartStage, re_entry: ReEntry, *, at_once: bool) -> None:
    stage.publish(FIELD, re_entry=re_entry)
    deal = stage.deal(value=0)
    for value in (1, 2):
        stage.update("deals", deal, value=value)
        if not at_once:
            stage.start()
    stage.start()
    statuses, verdicts = RE_ENTRIES[re_entry]
    assert [row["status"] for row in stage.runs()] == statuses
    assert [row["verdict"] for row in stage.decisions()] == verdicts
    due = [row["next_run_at"] is not None for row in stage.runs()]
    assert due == {ReEntry.QUEUE: [True, False], ReEntry.RESTART: [False, True]}.get(re_entry, [True] * len(due))
    assert len(stage.execute("select from workflow_instances")) == 1


@pytest.mark.parametrize("status", ["completed", "cancelled", "failed"])
def test_a_run_that_is_over_is_in_nobodys_way(stage: StartStage, status: str) -> None:
    stage.publish(FIELD)
    deal = stage.deal(value=0)
    stage.update("deals", deal, value=1)
    stage.start()
    stage.execute("update workflow_executions set status = :status, next_run_at = null", status=status)
    stage.update("deals", deal, value=2)
    assert stage.start().started == 1


def test_a_restart_ends_what_the_former_run_waits_for(stage: StartStage) -> None:
    stage.publish(FIELD, re_entry=ReEntry.RESTART)
    deal = stage.deal(value=0)
    stage.update("deals", deal, value=1)
    stage.start()
    (run,) = stage.runs()
    stage.execute(
        "update workflow_executions set status = 'running', waits_for = 'event:replied', waits_for_id = :id", id=deal
    )
    stage.execute(
        "insert into workflow_steps (execution_id, step_type, position, status) values (:id, 'wait', 0, 'waiting')",
        id=run["id"],
    )
    stage.update("deals", deal, value=2)
    stage.start()
    first, second = stage.runs()
    assert (first["status"], first["error_message"], first["waits_for"]) == ("cancelled", "restarted", None)
    assert (second["status"], first["next_run_at"]) == ("pending", None)
    assert [row["status"] for row in stage.execute("select status from workflow_steps")] == ["skipped"]


def test_starts_over_the_bucket_begin_later_and_none_is_lost(stage: StartStage) -> None:
    stage.publish(starts_per_minute=60)
    for _ in range(63):
        stage.won_deal()
    assert stage.start().started == 63
    times = sorted(row["next_run_at"] for row in stage.runs())
    assert times[:60] == [stage.now] * 60
    assert times[60:] == [stage.now + timedelta(seconds=each) for each in (1, 2, 3)]
    stage.wait(seconds=30)
    stage.won_deal()
    stage.start()
    assert max(row["next_run_at"] for row in stage.runs()) == stage.now


def test_an_event_before_the_publication_starts_nothing(stage: StartStage) -> None:
    stage.listen("deal", "status")
    stage.won_deal()
    stage.publish(starts_from=datetime.now(UTC) + timedelta(seconds=1))
    assert stage.start().started == 0
    assert set(stage.reasons()) == {("not_started", "before_publication")}


def test_an_event_that_commits_while_its_workflow_is_published(stage: StartStage) -> None:
    stage.listen("deal", "status")
    deal = stage.deal()
    writer = Database(stage.url)

    def write(tx: Transaction) -> None:
        tx.run(parse("update deals set status = 'won' where id = :id"), id=deal)
        stage.publish(trigger(TriggerKind.STATUS_CHANGE, column="status", becomes="won"), starts_from=datetime.now(UTC))

    writer.transact(write)
    writer.close()
    other = stage.won_deal()
    stage.start()
    assert [row["entity_id"] for row in stage.runs()] == [other]
    assert ("not_started", "before_publication") in stage.reasons()


def test_a_new_version_starts_from_the_next_event_on(stage: StartStage) -> None:
    workflow = stage.publish(conditions=where(("value", "gte", 1000)))
    stage.won_deal(value=5)
    stage.start()
    stage.publish(workflow=workflow)
    stage.won_deal(value=5)
    assert stage.start().started == 1
    assert [row["version"] for row in stage.runs()] == [2]


def test_a_workflow_that_is_not_active_or_deleted_starts_nothing(stage: StartStage) -> None:
    stage.execute("update workflow_versions set is_active = false where workflow_id = :id", id=stage.publish())
    stage.execute("update workflows set deleted_at = now() where id = :id", id=stage.publish())
    stage.won_deal()
    assert (stage.start().started, stage.waiting_events(), stage.reasons()) == (0, 0, [])


def test_the_initial_state_of_an_instance(stage: StartStage) -> None:
    workflow = stage.listener("deal")
    state: UUID = stage.execute(
        "insert into workflow_states (workflow_id, name) values (:id, 'new') returning id", id=workflow
    )[0]["id"]
    stage.publish(initial_state=state)
    stage.publish(initial_state=uuid4())
    stage.won_deal()
    assert stage.start().started == 2
    found = {row["current_state_id"] for row in stage.execute("select current_state_id from workflow_instances")}
    assert found == {state, None}


@pytest.mark.parametrize("status", ["running", "paused", "cancelled"])
def test_a_run_that_waits_for_an_event_looks_at_it_at_once(stage: StartStage, status: str) -> None:
    stage.listen("contact", "event:replied")
    stage.publish()
    ada, bob = stage.contact(), stage.contact("bob@example.com")
    for person in (ada, bob):
        stage.won_deal()
        stage.start()
        stage.execute(
            """update workflow_executions set status = :status, next_run_at = null, waits_for = 'event:replied',
               waits_for_id = :person where waits_for is null""",
            status=status,
            person=person,
        )
    stage.wait(minutes=1)
    stage.add("inbox_items", source="bison", external_id="1", from_address="ada@example.com")
    assert stage.start().woken == (status == "running")
    due = {row["waits_for_id"]: row["next_run_at"] for row in stage.runs()}
    assert due == {ada: stage.now if status == "running" else None, bob: None}


def test_a_bad_version_stops_only_itself(stage: StartStage) -> None:
    broken = stage.listen("deal", "status")
    stage.keep_version(broken, stage.org, EntityType.DEAL, {"no": "program"}, datetime(2020, 1, 1, tzinfo=UTC))
    good = stage.publish()
    stage.won_deal()
    assert stage.start().started == 1
    assert stage.reasons(good) == [("started", None)]
    assert ("not_started", "unreadable") in stage.reasons(broken)
    assert stage.incidents() == [("workflow_unreadable", str(broken))]


def test_a_changed_column_that_holds_something_else_stops_nobody(stage: StartStage) -> None:
    stage.publish()
    deal = stage.won_deal()
    for changed in ("[]", '{"status": "won"}', '{"status": [1]}', '{"status": [null, {"a": [1]}]}', "7"):
        stage.execute(
            """insert into entity_events (org_id, entity_type, entity_id, kind, topic, changed)
               values (:org, 'deal', :deal, 'changed', 'status', cast(:changed as jsonb))""",
            org=stage.org,
            deal=deal,
            changed=changed,
        )
    assert (stage.start().started, stage.waiting_events()) == (1, 0)


def test_an_entity_that_is_none_of_ours_is_handled(stage: StartStage) -> None:
    stage.execute(
        """insert into entity_events (org_id, entity_type, entity_id, kind, topic, changed)
           values (:org, 'spaceship', :org, 'changed', 'status', :changed)""",
        org=stage.org,
        changed=Json({"status": [None, "won"]}),
    )
    assert (stage.start().events, stage.waiting_events()) == (1, 0)
