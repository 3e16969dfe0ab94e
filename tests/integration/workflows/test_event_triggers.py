"""Changes of the CRM become events in the transaction that made them, only where somebody listens."""

import json
import threading
from uuid import uuid4

import pytest

from crm_relay.platform.database import Database, Transaction
from crm_relay.platform.errors import RejectedInput
from crm_relay.workflows.entities import ENTITIES
from tests.support.platform.rows import one, parse
from tests.support.workflows.event_stage import EventStage

WON = "update deals set status = 'won' where id = :id"


def test_a_change_that_nobody_listens_to_leaves_nothing(stage: EventStage) -> None:
    deal = stage.deal()
    stage.update("deals", deal, status="won")
    assert stage.events() == []


def test_a_changed_column_is_an_event_with_both_values(stage: EventStage) -> None:
    stage.listen("deal", "status")
    deal = stage.deal(status="open", value=12)
    stage.execute("delete from entity_events")
    stage.update("deals", deal, status="won", value=15)
    (event,) = stage.events()
    assert (event["kind"], event["topic"], event["changed"]) == ("changed", "status", {"status": ["open", "won"]})
    assert (event["org_id"], event["entity_type"], event["entity_id"]) == (stage.org, "deal", deal)
    assert (event["depth"], event["cause"], event["actor"], event["origin"], event["handled_at"]) == (0, *[None] * 4)


def test_columns_that_do_not_differ_and_columns_of_nobody_leave_nothing(stage: EventStage) -> None:
    stage.listen("deal", "value")
    deal = stage.deal(value=10, status="open")
    stage.update("deals", deal, status="won")
    stage.update("deals", deal, value=10)
    stage.execute("update deals set value = 10.00 where id = :id", id=deal)
    assert stage.events() == []
    stage.update("deals", deal, value=None)
    assert stage.changes() == [("changed", "value", {"value": [10.0, None]})]


def test_an_organization_hears_only_of_its_own_and_only_what_it_listens_to(stage: EventStage) -> None:
    other = stage.other_org()
    stage.listen("deal", "status")
    stage.listen("deal", "value", org=other)
    ours, theirs = stage.deal(), stage.deal(org_id=other)
    stage.execute("delete from entity_events")
    stage.execute("update deals set status = 'won', value = 5")
    found = {(row["org_id"], row["entity_id"]): row["changed"] for row in stage.events()}
    assert found == {
        (stage.org, ours): {"status": ["open", "won"]},
        (other, theirs): {"value": [None, 5]},
    }


def test_a_new_row_is_an_event_where_somebody_listens_to_new_ones(stage: EventStage) -> None:
    stage.listen("deal", "+", "value")
    deal = stage.deal(value=5)
    (event,) = stage.events()
    assert (event["kind"], event["topic"], event["entity_id"]) == ("created", "+", deal)
    assert event["changed"] == {"value": [None, 5]}


@pytest.mark.parametrize(("column", "word"), [("status", "won"), ("stage", "closed_won")])
def test_a_deal_that_is_born_won_has_become_won(stage: EventStage, column: str, word: str) -> None:
    stage.listen("deal", column)
    stage.deal(**{column: word})
    assert stage.changes() == [("created", "+", {column: [None, word]})]


def test_a_new_row_is_no_change_of_a_field_that_is_not_its_status(stage: EventStage) -> None:
    stage.listen("deal", "value", "stage")
    stage.deal(value=5)
    assert stage.events() == []


def test_many_new_rows_of_one_statement(stage: EventStage) -> None:
    stage.listen("contact", "+")
    stage.execute(
        "insert into contacts (org_id, email) select :org, n || '@example.com' from generate_series(1, 50) n",
        org=stage.org,
    )
    assert len({row["entity_id"] for row in stage.events()}) == 50


@pytest.mark.parametrize("entity", [each.value for each in ENTITIES])
def test_every_entity_has_its_triggers(stage: EventStage, entity: str) -> None:
    (known,) = (each for kind, each in ENTITIES.items() if kind.value == entity)
    stage.listen(entity, known.status[0])
    rows = stage.execute(
        "select tgname, encode(tgargs, 'escape') as args from pg_trigger where tgrelid = cast(:table as regclass) "
        "and tgname in ('workflow_created', 'workflow_changed') order by tgname",
        table=known.table,
    )
    arguments = [row["args"].split("\\000")[:-1] for row in rows]
    assert arguments == [[entity, known.status[0]], [entity, *known.status]]


def test_update_triggers_exist_only_while_somebody_listens(stage: EventStage) -> None:
    triggers = "select oid, tgrelid::regclass::text as name from pg_trigger where tgname = 'workflow_changed'"
    workflow = stage.listen("deal", "status", "event:replied", "+")
    (before,) = stage.execute(triggers)
    assert before["name"] == "deals"
    assert stage.make_triggers() == [], "nothing differs"
    assert stage.execute(triggers) == [before]
    stage.execute("update workflow_listeners set topic = 'value' where topic = 'status'")
    assert [row["relation"] for row in stage.make_triggers()] == ["deals"]
    deal = stage.deal()
    stage.execute("delete from entity_events")
    stage.update("deals", deal, status="won")
    assert stage.events() == []
    stage.update("deals", deal, value=3)
    assert len(stage.events()) == 1
    stage.execute("delete from workflows where id = :id", id=workflow)
    assert [row["relation"] for row in stage.make_triggers()] == ["deals"]
    assert stage.execute(triggers) == []


def test_a_busy_table_is_left_to_the_next_try_and_holds_no_other_up(stage: EventStage) -> None:
    deal = stage.deal()
    stage.listener("deal", "status")
    stage.listener("contact", "status")
    writer = Database(stage.url)

    def write(tx: Transaction) -> None:
        tx.run(parse(WON), id=deal)
        outcome = {row["relation"]: row["sqlstate_of_failure"] for row in stage.make_triggers()}
        assert outcome == {"contacts": None, "deals": "55P03"}

    writer.transact(write)
    writer.close()
    assert stage.make_triggers() == [{"relation": "deals", "sqlstate_of_failure": None}]


def test_a_column_without_equality_is_compared_as_text(stage: EventStage) -> None:
    stage.db.run_script("alter table deals add column raw json, add column place point")
    stage.listen("deal", "raw", "place")
    deal = stage.deal()
    stage.execute("""update deals set raw = '{"a": 1}', place = '(1,2)' where id = :id""", id=deal)
    assert stage.changes() == [("changed", "place", {"raw": [None, {"a": 1}], "place": [None, "(1,2)"]})]


ODD = {
    "json[]": """array['{"a": 1}'::json]""",
    "point[]": "array['(1,2)'::point]",
    "a_row": """row('{"a": 1}', 2)::a_row""",
    "a_domain": """'{"a": 1}'""",
    "a_domain[]": """array['{"a": 1}'::a_domain]""",
    "jsonpath": "'$.a'",
    "refcursor": "'c'",
    "circle": "'<(0,0),1>'",
    "varchar(9)[]": "array['a']",
    "a_word": "'a'",
    "int4range": "'[1,3)'",
    "citext_like": "'a'",
}


@pytest.mark.parametrize("kind", ODD)
def test_no_type_of_a_column_makes_a_change_fail_or_keeps_others_from_being_heard(stage: EventStage, kind: str) -> None:
    stage.db.run_script(
        "create type a_row as (a json, b integer); create domain a_domain as json; create type a_word as enum ('a');"
        f"create domain citext_like as varchar(9); alter table deals add column odd {kind}"
    )
    stage.listen("deal", "odd", "status")
    deal = stage.deal()
    stage.execute("delete from entity_events")
    stage.db.run_script(f"update deals set odd = {ODD[kind]}; update deals set odd = {ODD[kind]}")
    assert [row["topic"] for row in stage.events()] == ["odd"]
    stage.update("deals", deal, status="won")
    assert [row["topic"] for row in stage.events()] == ["odd", "status"]


def test_a_name_that_needs_quotes(stage: EventStage) -> None:
    stage.db.run_script("""alter table deals add column "Größe in m'" text""")
    stage.listen("deal", "Größe in m'")
    deal = stage.deal()
    stage.execute("""update deals set "Größe in m'" = 'x' where id = :id""", id=deal)
    assert stage.make_triggers() == []
    assert len(stage.events()) == 1


def test_who_did_it_where_it_came_from_and_what_caused_it(stage: EventStage) -> None:
    stage.listen("deal", "status")
    caused, other = stage.deal(), stage.deal()
    stage.execute("delete from entity_events")
    actor, run = uuid4(), uuid4()
    causes = json.dumps({"*": 2, str(caused): [str(run), 4]})
    stage.within(
        lambda tx: tx.run(parse("update deals set status = 'won'")),
        app__user_id=str(actor),
        app__origin="import",
        app__workflow_causes=causes,
    )
    found = {row["entity_id"]: (row["depth"], row["cause"], row["actor"], row["origin"]) for row in stage.events()}
    assert found == {caused: (4, run, actor, "import"), other: (2, None, actor, "import")}


@pytest.mark.parametrize(
    "causes",
    ["{", "7", "[]", '{"*": "x"}', '{"*": 99999999999999999999}', '{"*": null}', '{"*": -4}', "\\", '{"*": []}'],
)
def test_settings_that_cannot_be_read_never_raise(stage: EventStage, causes: str) -> None:
    stage.listen("deal", "status", "+")
    deal = stage.deal()
    stage.within(
        lambda tx: tx.run(parse(WON), id=deal),
        app__workflow_causes=causes,
        app__user_id="clerk|nobody",
        app__origin="x" * 500,
        request__jwt="{",
    )
    assert [(row["depth"], row["actor"]) for row in stage.events()] == [(0, None), (0, None)]
    assert stage.incidents() == []


def test_a_rolled_back_change_leaves_no_event(stage: EventStage) -> None:
    stage.listen("deal", "status")
    deal = stage.deal()
    stage.execute("delete from entity_events")

    def fail(tx: Transaction) -> None:
        tx.run(parse(WON), id=deal)
        raise RejectedInput("changed my mind")

    with pytest.raises(RejectedInput):
        stage.within(fail)
    assert stage.events() == []


def test_a_savepoint_that_is_rolled_back_does_not_hide_a_later_change(stage: EventStage) -> None:
    stage.listen("deal", "status")
    deal = stage.deal()
    stage.execute("delete from entity_events")
    stage.db.run_script(
        f"""begin; savepoint a; update deals set status = 'won' where id = '{deal}'; rollback to a;
            update deals set status = 'lost' where id = '{deal}'; update deals set status = 'open' where id = '{deal}';
            commit"""
    )
    assert [row["changed"]["status"] for row in stage.events()] == [["open", "lost"], ["lost", "open"]]


LOST = {
    "the events renamed away": "alter table entity_events rename to gone",
    "the listeners renamed away": "alter table workflow_listeners rename to gone",
    "an event that is refused": "alter table entity_events add constraint never check (false) not valid",
    "no place for events": "alter table entity_events drop column topic",
}


@pytest.mark.parametrize("fault", LOST)
def test_the_business_write_works_whatever_is_wrong_with_events(stage: EventStage, fault: str) -> None:
    stage.listen("deal", "status", "+")
    stage.db.run_script(LOST[fault])
    deals = [stage.deal() for _ in range(3)]
    stage.db.run_script("update deals set status = 'won'; update deals set status = 'lost'")
    for deal in deals:
        stage.update("deals", deal, status="open")
    assert {row["status"] for row in stage.execute("select status from deals")} == {"open"}
    assert stage.incidents() == [("workflow_events", "deals")]


def test_the_business_write_works_without_incidents_too(stage: EventStage) -> None:
    stage.listen("deal", "status", "+")
    stage.db.run_script("alter table entity_events rename to gone; alter table incidents rename to gone_too")
    stage.update("deals", stage.deal(), status="won")
    assert one(stage.db, "select status from deals")["status"] == "won"


def test_the_business_write_waits_for_locked_events_a_moment_only(stage: EventStage) -> None:
    stage.listen("deal", "status", "+")
    deal = stage.deal()
    locked, release = threading.Event(), threading.Event()

    def hold() -> None:
        holder = Database(stage.url)

        def lock(tx: Transaction) -> None:
            tx.run(parse("lock table entity_events in access exclusive mode"))
            locked.set()
            release.wait(30)

        holder.transact(lock)
        holder.close()

    thread = threading.Thread(target=hold)
    thread.start()
    assert locked.wait(10)
    stage.db.run_script("begin; set local lock_timeout = '7s'; update deals set status = 'won'; commit")
    assert not release.is_set()
    release.set()
    thread.join()
    assert one(stage.db, "select status from deals where id = :id", id=deal)["status"] == "won"
    assert stage.incidents() == [("workflow_events", "deals")]


def test_the_writers_own_lock_timeout_stays(stage: EventStage) -> None:
    stage.listen("deal", "status", "+")
    seen: list[str] = []

    def work(tx: Transaction) -> None:
        tx.run(parse("set local lock_timeout = '7s'"))
        tx.run(parse("insert into deals (org_id, name) values (:org, 'x')"), org=stage.org)
        tx.run(parse("update deals set status = 'won'"))
        seen.append(tx.run(parse("show lock_timeout"))[0]["lock_timeout"])

    stage.within(work)
    assert seen == ["7s"]
    assert len(stage.events()) == 2


@pytest.mark.parametrize(
    "shape",
    [
        "alter table deals drop column org_id cascade",
        """alter table deals alter column org_id drop default, alter column org_id drop not null;
           update deals set org_id = null""",
        "alter table deals rename column org_id to tenant; alter table deals add column org_id text default 'no uuid'",
    ],
)
def test_a_table_of_another_shape_is_written_to_as_before(stage: EventStage, shape: str) -> None:
    stage.listen("deal", "status", "+")
    stage.deal()
    stage.execute("delete from entity_events")
    stage.db.run_script(shape)
    stage.db.run_script("insert into deals (name) values ('x'); update deals set status = 'won'")
    assert {row["status"] for row in stage.execute("select status from deals")} == {"won"}
    assert stage.events() == []
    assert stage.incidents() == []


def test_truncate_and_delete_are_no_events(stage: EventStage) -> None:
    stage.listen("deal", "status", "+")
    stage.deal()
    stage.execute("delete from entity_events")
    stage.db.run_script("delete from deals; truncate deals cascade")
    assert stage.events() == []


def test_the_owner_of_the_data_needs_no_right_on_our_tables(stage: EventStage) -> None:
    stage.listen("deal", "status", "+")
    stage.db.run_script(
        """create role plain_writer nologin; grant all on deals to plain_writer;
           create policy plain on deals to plain_writer using (true) with check (true)"""
    )
    try:
        stage.db.run_script(
            f"""begin; set local role plain_writer; insert into deals (org_id, name) values ('{stage.org}', 'x');
                update deals set status = 'won'; commit"""
        )
        assert [kind for kind, _, _ in stage.changes()] == ["created", "changed"]
        assert stage.incidents() == []
    finally:
        stage.db.run_script("drop owned by plain_writer; drop role plain_writer")


def test_a_bulk_update_takes_no_savepoint_a_row(stage: EventStage) -> None:
    stage.listen("deal", "status")
    stage.execute("insert into deals (org_id, name) select :org, 'd' from generate_series(1, 3000)", org=stage.org)
    stage.execute("delete from entity_events")
    # Savepoints that write consume transaction ids of the server, and so do other tests meanwhile.
    current = "select pg_snapshot_xmax(pg_current_snapshot())::text::bigint as id"
    before = one(stage.db, current)["id"]
    stage.execute("update deals set status = 'won'")
    assert one(stage.db, current)["id"] - before < 1500
    assert len(stage.events()) == 3000


def test_the_update_of_a_hundred_thousand_rows_is_a_hundred_thousand_events_of_one_origin(stage: EventStage) -> None:
    stage.listen("deal", "status")
    patient = Database(stage.url, timeout=300)
    patient.run_script(
        """alter table deals disable trigger workflow_created;
           insert into deals (org_id, name) select default_org_id(), 'd' from generate_series(1, 100000);
           begin; set local app.origin = 'import'; update deals set status = 'won'; commit"""
    )
    patient.close()
    (found,) = stage.execute("select count(*) as number, min(origin) as first, max(origin) as last from entity_events")
    assert found == {"number": 100_000, "first": "import", "last": "import"}


def test_what_commits_late_has_its_event_late_and_is_not_lost(stage: EventStage) -> None:
    stage.listen("deal", "status")
    first, second = stage.deal(), stage.deal()
    stage.execute("delete from entity_events")
    late = Database(stage.url)

    def write(tx: Transaction) -> None:
        tx.run(parse(WON), id=first)
        stage.update("deals", second, status="won")
        assert [row["entity_id"] for row in stage.events()] == [second]

    late.transact(write)
    assert [row["entity_id"] for row in stage.events()] == [first, second]
    late.close()
