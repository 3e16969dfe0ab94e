"""Starters, requests and erasures of events lock rows in the one order of the house."""

from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database
from crm_relay.workflows.events.erase import redact_events
from crm_relay.workflows.models import EntityType, ReEntry, TriggerKind
from crm_relay.workflows.starting.by_hand import StartedBy, start_entity
from crm_relay.workflows.starting.scheduled.start_scheduled import start_scheduled
from crm_relay.workflows.starting.start_runs import start_runs
from tests.support.platform.lock_recorder import LockOrder, LockRecorder
from tests.support.source_tree import ROOT
from tests.support.workflows.start_stage import StartStage, trigger

ORDER = LockOrder.read(ROOT / "schema" / "lock_order.toml")


def test_every_transaction_keeps_to_the_order(database: Database, database_url: str) -> None:
    stage = StartStage(database, database_url)
    triggers = (
        trigger(TriggerKind.FIELD_CHANGE, column="value"),
        trigger(TriggerKind.SCHEDULED, cron="* * * * *"),
    )
    workflow = stage.publish(*triggers, re_entry=ReEntry.RESTART)
    deals = [stage.deal(value=0) for _ in range(5)]
    recorder = LockRecorder(database_url)
    for value in (1, 2):
        stage.execute("update deals set value = :value", value=value)
        start_runs(recorder, stage.programs, stage.clock, Deadline.after(600))
    start_scheduled(recorder, stage.programs, stage.clock, Deadline.after(600))
    start_entity(recorder, workflow, (EntityType.DEAL, deals[0]), StartedBy(), stage.clock)
    person = stage.contact()
    recorder.transact(lambda tx: redact_events(tx, [person]))
    recorder.close()
    assert stage.statuses()["cancelled"] == 11
    assert ORDER.disorder(recorder.transactions) == []
