"""A batch of runs that were claimed, each with its program and everything that its steps may look at."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.consent.address import normalise
from crm_relay.mail.models import Identity
from crm_relay.platform.database import Row, Transaction
from crm_relay.platform.errors import RejectedInput
from crm_relay.rules.record_conditions import ConditionSubject, RecordFacts
from crm_relay.workflows.approvals.models import ApprovalFacts
from crm_relay.workflows.approvals.steps.record import facts_of, reading_approvals
from crm_relay.workflows.definition.program_json import program_from_json
from crm_relay.workflows.engine import store
from crm_relay.workflows.engine.steps.programs import Needs, ProgramCache, RunnableProgram
from crm_relay.workflows.entities import ENTITIES
from crm_relay.workflows.models import EntityType
from crm_relay.workflows.run_models import (
    Assignee,
    Letterhead,
    LetterTemplate,
    OpenWait,
    StepFacts,
    TriggerEvent,
    WebhookAnswer,
    WorkflowRun,
)


@dataclass(frozen=True)
class ClaimedRun:
    """A run with its program and facts. `program` None: its version is missing or cannot be read."""

    run: WorkflowRun
    program: RunnableProgram | None
    facts: StepFacts
    is_busy: bool = False
    has_incident: bool = False

    @property
    def is_gone(self) -> bool:
        """Whether its record was deleted, or belongs to another organization by now."""
        record = self.facts.subject.facts.record
        if record is None or record.get("deleted_at") is not None:
            return True
        org = record.get("org_id")
        return org is not None and org != str(self.run.org_id)


@dataclass(frozen=True)
class ClaimedBatch:
    """What was claimed. `spent` is what workflows with a budget have done today."""

    claimed: tuple[ClaimedRun, ...] = ()
    spent: Mapping[tuple[UUID, str], int] = field(default_factory=dict, hash=False)
    turns: dict[UUID, dict[str, UUID | None]] = field(default_factory=dict, hash=False)


def read_batch(
    tx: Transaction, cache: ProgramCache, letterhead: Letterhead, found: Sequence[Row], now: datetime
) -> ClaimedBatch:
    """What the runs that `store.claim_runs` found may look at; at most three messages, none where it found nothing.

    `letterhead` is that of organizations without an identity of their own.
    """
    if not found:
        return ClaimedBatch()
    versions = {(row["workflow_id"], row["version"]) for row in found if row["version"] is not None}
    for row in store.read_versions(tx, cache.missing(versions)):
        cache.keep((row["workflow_id"], row["version"]), lambda stored=row["program"]: program_from_json(stored))  # type: ignore[misc]
    return _ReadingRuns(tx, cache, letterhead, now).read(found)


@dataclass
class _ReadingRuns:
    tx: Transaction
    cache: ProgramCache
    letterhead: Letterhead
    now: datetime

    def read(self, found: Sequence[Row]) -> ClaimedBatch:
        programs = {row["id"]: self._program(row) for row in found}
        places = {row["id"]: row["place"] for row in found}
        needs = {each: program.needs(places[each]) if program else Needs.NOTHING for each, program in programs.items()}
        targets: dict[str, set[UUID]] = {}
        for row in found:
            if Needs.RECORD_LOCK in needs[row["id"]]:
                targets.setdefault(ENTITIES[EntityType(row["entity_type"])].table, set()).add(row["entity_id"])
        wanted = {table: sorted(ids) for table, ids in targets.items()}
        free, rows = store.lock_and_read(self.tx, wanted, [row["id"] for row in found], self.now)
        more = SharedFacts.read(self, rows, programs, needs)
        claimed = [
            ClaimedRun(
                run := _run(row),
                programs[run.id],
                more.facts(row),
                is_busy=Needs.RECORD_LOCK in needs[run.id] and row["record"] is not None and run.entity_id not in free,
                has_incident=row["has_incident"],
            )
            for row in rows
        ]
        return ClaimedBatch(tuple(claimed), more.spent, more.turns)

    def _program(self, row: Row) -> RunnableProgram | None:
        try:
            return self.cache.get((row["workflow_id"], row["version"]))
        except RejectedInput:
            return None


@dataclass
class SharedFacts:
    """What only some steps need, in one message."""

    letterheads: dict[UUID, Letterhead] = field(default_factory=dict)
    templates: dict[UUID, dict[str, LetterTemplate]] = field(default_factory=dict)
    people: dict[UUID, dict[UUID, Assignee]] = field(default_factory=dict)
    turns: dict[UUID, dict[str, UUID | None]] = field(default_factory=dict)
    spent: dict[tuple[UUID, str], int] = field(default_factory=dict)
    happened: dict[UUID, dict[str, datetime]] = field(default_factory=dict)
    approvals: dict[UUID, ApprovalFacts] = field(default_factory=dict)

    @classmethod
    def read(
        cls,
        reading: _ReadingRuns,
        rows: Sequence[Row],
        programs: Mapping[UUID, RunnableProgram | None],
        needs: Mapping[UUID, Needs],
    ) -> "SharedFacts":
        """Nothing is asked that no step of the batch can need."""
        more, now = cls(), reading.now

        def orgs(need: Needs) -> list[UUID]:
            return sorted({row["org_id"] for row in rows if need in needs[row["id"]]})

        known = [(row, program) for row in rows if (program := programs[row["id"]]) is not None]
        keys = sorted({key for row, program in known for key in program.templates(row["place"])})
        pools = sorted({(row["workflow_id"], pool) for row, program in known for pool in program.pools(row["place"])})
        budgets = sorted({(row["workflow_id"], kind) for row, program in known for kind in _budget(program)})
        asked = [_asked(row) for row in rows if Needs.HAPPENED in needs[row["id"]]]
        approved = [row["id"] for row in rows if Needs.APPROVALS in needs[row["id"]]]
        parts = [
            (store.turns(pools), more._keep_turns) if pools else None,
            (store.budgets(budgets, now), more._keep_spent) if budgets else None,
            (store.senders(writing), lambda got: more.keep_senders(got, reading.letterhead))
            if (writing := orgs(Needs.SENDER))
            else None,
            (store.templates(writing, keys), more.keep_templates) if keys else None,
            (store.people(giving), more.keep_people) if (giving := orgs(Needs.PEOPLE)) else None,
            (store.happened(asked, now), more._keep_happened) if asked else None,
            (reading_approvals(approved), lambda got: more._keep_approvals(got, reading.letterhead))
            if approved
            else None,
        ]
        wanted = [part for part in parts if part is not None]
        answers = reading.tx.send_all([statement for statement, _ in wanted])
        for (_, keep), answer in zip(wanted, answers, strict=True):
            keep(answer)
        return more

    def facts(self, row: Row) -> StepFacts:
        """What the steps of one run may look at."""
        org = row["org_id"]
        records = RecordFacts(row["record"], row["contact"], row["account"], row["owner"])
        answer = None
        if row["webhook_state"] is not None:
            answer = WebhookAnswer(row["webhook_state"], row["webhook_status"], row["webhook_reason"])
        return StepFacts(
            ConditionSubject(row["entity_type"], records, TriggerEvent.from_json(row["trigger_event"])),
            letterhead=self.letterheads.get(org),
            templates=self.templates.get(org, {}),
            people=self.people.get(org, {}),
            rotations=self.turns.setdefault(row["workflow_id"], {}),
            happened=self.happened.get(row["id"], {}),
            webhook=answer,
            approvals=self.approvals.get(row["id"]),
        )

    def keep_senders(self, rows: Iterable[Row], head: Letterhead) -> None:
        """`head` is that of organizations without an identity of their own."""
        for row in rows:
            identity = head.identity if row["id"] is None else _identity(row)
            if identity is not None:
                identity = replace(identity, postal_address=row["postal_address"])
            self.letterheads[row["org_id"]] = replace(head, identity=identity)

    def keep_templates(self, rows: Iterable[Row]) -> None:
        """By id and by slug."""
        for row in rows:
            letter = LetterTemplate(
                row["subject"] or "", row["body_html"] or "", row["body_text"] or "", row["variables"]
            )
            named = self.templates.setdefault(row["org_id"], {})
            named[str(row["id"])] = letter
            if row["slug"]:
                named[row["slug"]] = letter

    def keep_people(self, rows: Iterable[Row]) -> None:
        """By organization."""
        for row in rows:
            self.people.setdefault(row["org_id"], {})[row["id"]] = Assignee(**row)

    def _keep_turns(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self.turns.setdefault(row["workflow_id"], {})[row["pool"]] = row["last_user_id"]

    def _keep_spent(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self.spent[row["workflow_id"], row["kind"]] = row["amount"]

    def _keep_approvals(self, rows: Iterable[Row], head: Letterhead) -> None:
        self.approvals |= facts_of(rows, head)

    def _keep_happened(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self.happened.setdefault(row["run_id"], {})[row["name"]] = row["at"]


def _run(row: Row) -> WorkflowRun:
    context = row["execution_context"] or {}
    retry_of = context.get("retry_of") if isinstance(context, Mapping) else None
    wait = None
    if row["wait_step_id"] is not None:
        wait = OpenWait(row["wait_step_id"], row["wait_position"], row["wait_since"], row["wait_until"])
    names = (
        "id", "org_id", "instance_id", "workflow_id", "workflow_name", "entity_type", "entity_id", "place", "position",
        "began_at", "depth", "retry_count", "max_retries", "triggered_by", "trigger_type", "workflow_owner",
        "waits_for", "waits_for_id",
    )  # fmt: skip
    known: dict[str, Any] = {name: row[name] for name in names}
    event = TriggerEvent.from_json(row["trigger_event"])
    return WorkflowRun(
        **known,
        version=row["version"] or 0,
        event=event,
        wait=wait,
        retry_of=retry_of if isinstance(retry_of, int) else None,
    )


def _budget(program: RunnableProgram) -> list[str]:
    budget = program.program.settings.budget
    return [kind for kind in ("emails", "records") if getattr(budget, kind) is not None]


def _asked(row: Row) -> store.SqlRow:
    contact = row["contact"] or {}
    return {
        "run_id": row["id"],
        "org_id": row["org_id"],
        "since": row["began_at"],
        "address": normalise(str(contact.get("email") or "")),
        "contact_id": UUID(contact["id"]) if contact.get("id") else None,
        "entity_type": row["entity_type"],
        "entity_id": row["entity_id"],
    }


def _identity(row: Row) -> Identity:
    return Identity(
        id=row["id"],
        from_address=row["from_address"],
        from_name=row["from_name"],
        reply_to=row["reply_to"],
        inbound_domain=row["inbound_domain"],
        paused=row["paused_at"] is not None,
    )
