"""The table of checks as faults: how each is planted, what it is found as, what mends it, and what that leaves."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from crm_relay.edge_cache.keys import ENTITIES, Entity
from tests.support.campaigns.planted_enrollments import add_campaign, add_enrollment, enrollment_of
from tests.support.integrity.integrity_harness import IntegrityHarness
from tests.support.platform.rows import add_customer

STAMPS = {"sync_version", "updated_at"}
State = Mapping[str, object] | None


@dataclass
class BusyIntegrityHarness(IntegrityHarness):
    """`taken`: rows of a fault, which are no other's."""

    taken: set[UUID] = field(default_factory=set)


@dataclass(frozen=True)
class Fault:
    """`rows` are those of the findings; `state` is everything that mending may change."""

    rows: tuple[str, ...]
    state: Callable[[], State]


@dataclass(frozen=True)
class IntegrityCase:
    """`actions`: the fixes that mend it; `mended`: what they leave; none: it is only told. `late`:
    it is about no row, or about what waits at the edge, and what that costs to look at is not the looking for drift."""

    name: str
    check: str
    what: str
    plant: Callable[[BusyIntegrityHarness], Fault]
    actions: tuple[str, ...] = ()
    mended: Callable[[State], Mapping[str, object]] | None = None
    at_edge: bool = False
    late: bool = False
    can_be_undone: bool = True


def item_state(harness: BusyIntegrityHarness, entity: Entity, row_id: UUID) -> State:
    """Of an item: what stands there, whether it waits, and whether it says what PostgreSQL has."""
    item = harness.item(entity, row_id)
    if item is None:
        return None
    rows = harness.rows(
        "select version, doc from edge_source where entity = :entity and id = :id", entity=entity, id=row_id
    )
    agrees = rows == [{"version": item.version, "doc": item.doc}]
    return {"doc": item.doc, "version": item.version, "waits": item.edited_at is not None, "agrees": agrees}


def agreeing(before: State) -> Mapping[str, object]:
    """Whatever stood there before: now it is what PostgreSQL has."""
    return {"waits": False, "agrees": True}


def of_item(
    entity: Entity, change: Callable[[BusyIntegrityHarness, UUID], UUID | None]
) -> Callable[[BusyIntegrityHarness], Fault]:
    """Of a row that both sides have; `change` answers with another row where it made one."""

    def plant(harness: BusyIntegrityHarness) -> Fault:
        sound = harness.one(
            "select id from edge_source where entity = :entity and not id = any (:taken) order by id limit 1",
            entity=entity,
            taken=list(harness.taken),
        )["id"]
        row_id = change(harness, sound) or sound
        harness.taken.add(row_id)
        return Fault((str(row_id),), lambda: item_state(harness, entity, row_id))

    return plant


def tampered(entity: Entity) -> Callable[[BusyIntegrityHarness], Fault]:
    """Its name is another one."""

    def change(harness: BusyIntegrityHarness, row_id: UUID) -> None:
        harness.tamper(entity, row_id, name="Mallory")

    return of_item(entity, change)


def stale(harness: BusyIntegrityHarness, row_id: UUID) -> None:
    """A change of the row never arrived."""
    item = harness.item("prospects", row_id)
    assert item is not None
    harness.table.restore("prospects", row_id, replace(item, version=item.version - 1), now=harness.now)


def missing(harness: BusyIntegrityHarness, row_id: UUID) -> None:
    harness.table.restore("prospects", row_id, None, now=harness.now)


def of_emails(*emails: Mapping[str, Any], found: int | None = None) -> Callable[[BusyIntegrityHarness], Fault]:
    """As add_email takes them, with times as hours ago; findings are of the last `found`."""

    def plant(harness: BusyIntegrityHarness) -> Fault:
        def at(value: Any) -> Any:
            return harness.now - timedelta(hours=value) if isinstance(value, int | float) else value

        ids = [harness.add_email(**{name: at(value) for name, value in each.items()}) for each in emails]
        harness.taken.update(ids)

        def state() -> State:
            rows = [harness.email(each) for each in ids]
            return {
                f"{number} {name}": value
                for number, row in enumerate(rows)
                for name, value in row.items()
                if name not in STAMPS
            }

        return Fault(tuple(map(str, ids[-found:] if found else ids)), state)

    return plant


def becomes(**columns: str | bool | None) -> Callable[[State], Mapping[str, object]]:
    """`_0_status` is the status of the first e-mail; a value that names another column is that one's before."""

    def expected(before: State) -> Mapping[str, object]:
        assert before is not None
        stored = {name[1:].replace("_", " ", 1): value for name, value in columns.items()}
        return {name: before.get(str(value), value) for name, value in stored.items()}

    return expected


def orphan_with_an_owner(harness: BusyIntegrityHarness) -> Fault:
    fault = of_emails({"prospect_id": uuid4(), "to_email": "Owner@example.com "})(harness)
    harness.rows("insert into prospects (name, contact_email) values ('Owner', 'owner@example.com')")

    def state() -> State:
        prospect = harness.email(UUID(fault.rows[0]))["prospect_id"]
        owner = harness.rows("select name from prospects where id = :id", id=prospect)
        return {"prospect_id": prospect, "owner": [row["name"] for row in owner]}

    return replace(fault, state=state)


def stray_status(harness: BusyIntegrityHarness) -> Fault:
    harness.rows("alter table mautic_sync_status drop constraint mautic_sync_status_customer_id_fkey")
    add_customer(harness.db, "ada@example.com", contact_id=7)
    stray = uuid4()
    harness.rows("insert into mautic_sync_status (customer_id, mautic_contact_id) values (:id, 8)", id=stray)

    def state() -> State:
        rows = harness.rows("select * from mautic_sync_status where customer_id = :id", id=stray)
        removals = harness.rows("select mautic_contact_id from mautic_removals")
        return {"rows": rows, "removals": [row["mautic_contact_id"] for row in removals]}

    return Fault((str(stray),), state)


def backlog(harness: BusyIntegrityHarness) -> Fault:
    prospect = harness.one("select id from prospects order by id limit 1")["id"]
    for _ in range(101):
        row_id = uuid4()
        doc = f'{{"id": "{row_id}", "prospect_id": "{prospect}", "status": "draft"}}'
        harness.table.edit("emails", row_id, doc, edited_at=harness.now - timedelta(hours=2))
        harness.taken.add(row_id)
    return Fault(("backlog",), lambda: {"waiting": harness.table.count_unsynced()})


def long_parked(harness: BusyIntegrityHarness) -> Fault:
    row_id = uuid4()
    harness.rows(
        "insert into edge_parked (direction, entity, id, reason, parked_at) "
        "values ('to_postgres', 'emails', :id, 'not a document of emails', :at)",
        id=row_id,
        at=harness.now - timedelta(hours=2),
    )
    return Fault((str(row_id),), lambda: harness.one("select * from edge_parked where id = :id", id=row_id))


def counters(harness: BusyIntegrityHarness) -> Fault:
    month = harness.now.strftime("%Y-%m-01")
    sql = "insert into client_metrics (workspace_name, month, bounced_mtd) values ('Acme', cast(:month as date), 3)"
    harness.rows(sql, month=month)
    return Fault((f"Acme {month} bounced_mtd",), lambda: harness.one("select bounced_mtd from client_metrics"))


def forgotten_task(harness: BusyIntegrityHarness) -> Fault:
    row = harness.one(
        "insert into failed_tasks (source, task_key, payload, failed_at) values ('mautic', 'k', '', :at) returning id",
        at=harness.now - timedelta(hours=25),
    )
    return Fault((str(row["id"]),), lambda: harness.one("select replayed_at from failed_tasks"))


def of_enrollment(**columns: Any) -> Callable[[BusyIntegrityHarness], Fault]:
    """Of somebody who has done one step of three."""

    def plant(harness: BusyIntegrityHarness) -> Fault:
        campaign = add_campaign(harness)
        harness.taken.add(campaign)
        row = add_enrollment(harness, campaign, **columns)
        return Fault((str(row),), lambda: enrollment_of(harness, row))

    return plant


def unbalanced_step(harness: BusyIntegrityHarness) -> Fault:
    campaign = add_campaign(harness)
    harness.taken.add(campaign)
    add_enrollment(harness, campaign)
    row = harness.one(
        "update campaign_sequences set reached = 2 where campaign_id = :id and step_number = 1 returning id",
        id=campaign,
    )["id"]
    return Fault((str(row),), lambda: harness.one("select * from campaign_sequences where id = :id", id=row))


def notification(harness: BusyIntegrityHarness) -> Fault:
    person = uuid4()
    harness.rows("insert into user_profiles (id, org_id) values (:id, default_org_id())", id=person)
    shown = harness.one(
        """insert into notifications (user_id, title, message, category, group_count, delivery_status)
           values (:id, 'x', 'y', 'deal', 1, '{"email": "waiting"}') returning id""",
        id=person,
    )["id"]
    row = harness.one(
        """insert into notification_deliveries
               (notification_id, org_id, user_id, channel, category, state, created_at, updated_at)
           values (:shown, default_org_id(), :id, 'email', 'deal', 'sent', :at, :at) returning id""",
        shown=shown,
        id=person,
        at=harness.now - timedelta(hours=2),
    )["id"]
    return Fault((str(row),), lambda: harness.one("select * from notification_deliveries where id = :id", id=row))


def dead_lease(harness: BusyIntegrityHarness) -> Fault:
    """A request of a worker that has died."""
    run = harness.one(
        """with workflow as (
               insert into workflows (org_id, name, entity_type) values (default_org_id(), 'W', 'deal')
               returning id, org_id
           ),
           instance as (
               insert into workflow_instances (org_id, workflow_id, entity_type, entity_id)
               select org_id, id, 'deal', gen_random_uuid() from workflow returning id, org_id, workflow_id
           )
           insert into workflow_executions (org_id, instance_id, workflow_id, status, start_key)
           select org_id, id, workflow_id, 'completed', 'x' from instance returning id"""
    )["id"]
    row = harness.one(
        """insert into workflow_webhooks (id, org_id, execution_id, url, host, method, body, state, next_attempt_at,
               leased_until, created_at, updated_at)
           values (gen_random_uuid(), default_org_id(), :run, 'https://x.example/', 'x.example', 'POST', '{}',
               'sending', :at, :at, :at, :at)
           returning id""",
        run=run,
        at=harness.now - timedelta(hours=2),
    )["id"]
    return Fault((str(row),), lambda: harness.one("select * from workflow_webhooks where id = :id", id=row))


def unsynced(harness: BusyIntegrityHarness) -> Fault:
    """A connection that is due, and that nobody tries."""
    row = harness.one(
        """with workspace as (
               insert into workspaces (org_id, name) values (default_org_id(), 'Unsynced') returning id
           ),
           connection as (
               insert into integration_connections (workspace_id, integration_type, credentials, next_sync_at)
               select id, 'airtable', '{"api_key": "x"}', :at from workspace returning id
           )
           select id from connection""",
        at=harness.now - timedelta(hours=2),
    )["id"]
    return Fault((str(row),), lambda: harness.one("select * from integration_connections where id = :id", id=row))


def total(harness: BusyIntegrityHarness) -> Fault:
    campaign = add_campaign(harness)
    harness.taken.add(campaign)
    harness.rows("update campaigns set total_active = 7 where id = :id", id=campaign)
    sql = "select total_active from campaigns where id = :id"
    return Fault((f"{campaign} total_active",), lambda: harness.one(sql, id=campaign))


REPLICATED, BY_TIMES, BY_LOG = ("replicated",), ("state by its times",), ("state by its log",)
OTHER, EARLY = "other content at the edge", "before it was sent"
UNANSWERED, BOTH = "replied without an inbound e-mail", "bounced and delivered"
CASES = [
    *(
        IntegrityCase(
            f"{entity} changed at the edge", "drift", OTHER, tampered(entity), REPLICATED, agreeing, at_edge=True
        )
        for entity in ENTITIES
    ),
    IntegrityCase(
        "an item is behind",
        "drift",
        "another version at the edge",
        of_item("prospects", stale),
        REPLICATED,
        agreeing,
        at_edge=True,
    ),
    IntegrityCase(
        "an item is gone",
        "drift",
        "missing at the edge",
        of_item("prospects", missing),
        REPLICATED,
        agreeing,
        at_edge=True,
    ),
    IntegrityCase(
        "an item without a row",
        "drift",
        "only at the edge",
        of_item("prospects", lambda harness, _: harness.add_at_edge("prospects", version=3)),
        ("deleted",),
        lambda _: {"doc": None, "waits": False},
        at_edge=True,
    ),
    IntegrityCase(
        "an e-mail without a row",
        "drift",
        "only at the edge",
        of_item("emails", lambda harness, _: harness.add_at_edge("emails")),
        ("pushed from the edge",),
        lambda before: {**(before or {}), "waits": True},
        at_edge=True,
    ),
    IntegrityCase(
        "an orphan with an owner",
        "orphaned_email",
        "no prospect",
        orphan_with_an_owner,
        ("linked",),
        lambda _: {"owner": ["Owner"]},
    ),
    IntegrityCase(
        "an orphan without",
        "orphaned_email",
        "no prospect",
        of_emails({"prospect_id": None}),
        ("marked orphaned",),
        becomes(_0_orphaned=True),
    ),
    IntegrityCase(
        "one message in three e-mails",
        "duplicate_message",
        "same message_id",
        of_emails(
            {"message_id": "<m>", "created_at": 90},
            {"message_id": "<m>", "status": "opened", "opened_at": 2},
            {"message_id": "<m>", "sent_at": 4},
            found=2,
        ),
        ("marked duplicate", "times merged", "marked duplicate"),
        becomes(_0_opened_at="1 opened_at", _0_sent_at="2 sent_at", _1_duplicate_of="0 id", _2_duplicate_of="0 id"),
    ),
    IntegrityCase(
        "an unknown status",
        "invalid_state",
        "unknown status",
        of_emails({"status": "unheard"}),
        BY_TIMES,
        becomes(_0_status="sent"),
    ),
    *(
        IntegrityCase(
            f"{verb} before it was sent",
            "invalid_state",
            EARLY,
            of_emails({f"{verb}_at": 3.05, "to_email": "answered@example.org"}),
            BY_TIMES,
            becomes(**{f"_0_{verb}_at": "0 sent_at"}),
        )
        for verb in ("opened", "clicked", "replied")
    ),
    IntegrityCase(
        "replied without an inbound e-mail",
        "invalid_state",
        UNANSWERED,
        of_emails({"status": "replied", "opened_at": 2}),
        BY_TIMES,
        becomes(_0_status="opened"),
    ),
    IntegrityCase(
        "bounced and delivered",
        "invalid_state",
        BOTH,
        of_emails({"status": "delivered", "bounced_at": 2}),
        BY_TIMES,
        becomes(_0_status="bounced"),
    ),
    IntegrityCase(
        "a step past the last",
        "invalid_state",
        "current_step past the last",
        of_enrollment(current_step=9),
        BY_LOG,
        lambda before: {**(before or {}), "current_step": 1},
    ),
    IntegrityCase(
        "a time of somebody who has finished",
        "invalid_state",
        "next_step_at on a finished enrollment",
        of_enrollment(status="completed"),
        BY_LOG,
        lambda before: {**(before or {}), "next_step_at": None},
    ),
    IntegrityCase(
        "a sync status without a customer",
        "invalid_state",
        "sync status without a customer",
        stray_status,
        ("deleted",),
        lambda _: {"rows": [], "removals": [8]},
    ),
    IntegrityCase(
        "a backlog",
        "backlog",
        "waits at the edge",
        backlog,
        ("pushed",),
        lambda _: {"waiting": 1},  # the e-mail without a row
        late=True,
        can_be_undone=False,
    ),
    IntegrityCase("a parked edit", "parked", "parked", long_parked),
    IntegrityCase("a step", "accounting", "reached is not the sum of its log", unbalanced_step),
    IntegrityCase("a total", "counters", "not what its rows say", total),
    IntegrityCase("a counter", "counters", "not the sum of its log", counters, late=True),
    IntegrityCase("a notification", "notifications", "the notification shows another state", notification),
    IntegrityCase("a request", "workflows", "its lease has died", dead_lease),
    IntegrityCase("a connection", "connections", "due for more than an hour", unsynced),
    IntegrityCase("a failed task", "retention", "older than a day", forgotten_task, late=True),
]
