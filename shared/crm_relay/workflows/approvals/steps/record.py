"""What the engine writes of approvals: who was asked, what became of those who were, and whether nobody is there."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Final
from uuid import UUID

from crm_relay.incidents.models import Incident
from crm_relay.notifications.withdraw import withdrawing
from crm_relay.platform.database import Row
from crm_relay.platform.sql import Rows, SqlValue, Statement, queries_beside
from crm_relay.workflows.actions.effects import Effect
from crm_relay.workflows.approvals.models import (
    ENTITY,
    UNDECIDABLE,
    ApprovalAsked,
    ApprovalChanged,
    ApprovalFacts,
    ApprovalLink,
    AskedApproval,
    NobodyToAsk,
)
from crm_relay.workflows.run_models import Letterhead

_SQL = queries_beside(__file__, "engine.sql")
_TITLE: Final = "A run of a workflow waits for an approval, and nobody is there who can give it"

RunEffects = Iterable[tuple[UUID, Sequence[Effect]]]
"""Runs, each with its effects in their order."""


def reading_approvals(runs: Sequence[UUID]) -> Statement:
    """What `facts_of` is made of."""
    return _SQL["read_approvals"].bind(runs=list(runs))


def facts_of(rows: Iterable[Row], letterhead: Letterhead) -> dict[UUID, ApprovalFacts]:
    """By run."""
    asked: dict[UUID, list[AskedApproval]] = {}
    troubled: set[UUID] = set()
    for row in rows:
        known = asked.setdefault(row["run_id"], [])
        if row["id"] is not None:
            known.append(AskedApproval.from_row(row))
        if row["has_incident"]:
            troubled.add(row["run_id"])
    return {
        run: ApprovalFacts(tuple(known), run in troubled, letterhead.public_url, letterhead.link_keys)
        for run, known in asked.items()
    }


def recording_approvals(runs: RunEffects, now: datetime) -> list[Statement]:
    """Behind the rows of steps that they belong to; none where no step waits for people."""
    effects = [effect for _, each in runs for effect in each]
    changes = [each for each in effects if isinstance(each, ApprovalChanged)]
    asked = [each for each in effects if isinstance(each, ApprovalAsked)]
    links = [(each.link_sha256, each.row["id"]) for each in asked]
    links += [(each.sha256, each.approval_id) for each in effects if isinstance(each, ApprovalLink)]
    statements = []
    if changes:
        statements.append(changing_approvals(changes, now))
    if asked:
        statements.append(_SQL["ask_approvals"].bind(approvals=Rows([dict(each.row) for each in asked]), now=now))
    if links:
        given = Rows([{"sha256": sha256, "approval_id": approval} for sha256, approval in links])
        statements.append(_SQL["add_links"].bind(links=given, now=now))
    if over := [each.id for each in changes if each.status is not None]:
        statements.append(withdrawing(ENTITY, over, now))
    return statements


def changing_approvals(changes: Sequence[ApprovalChanged], now: datetime) -> Statement:
    """Several changes of an approval are one, in which the last one counts."""
    rows: dict[UUID, dict[str, SqlValue]] = {}
    for each in changes:
        entries = None if each.entries is None else list(each.entries)
        given: dict[str, SqlValue] = {**asdict(each), "entries": entries}
        before = rows.get(each.id, {})
        rows[each.id] = given | {name: value for name, value in before.items() if given[name] in (None, False)}
    return _SQL["change_approvals"].bind(changes=Rows(list(rows.values())), now=now)


def undecidable(runs: RunEffects) -> list[Incident]:
    """Runs for which nobody is there."""
    return [
        Incident(UNDECIDABLE, str(run), _TITLE, details={"execution_id": str(run)})
        for run, effects in runs
        if any(isinstance(each, NobodyToAsk) and each.is_so for each in effects)
    ]


def decidable_again(runs: RunEffects) -> list[str]:
    """The subjects of incidents that are over."""
    return sorted(
        str(run) for run, effects in runs if any(isinstance(each, NobodyToAsk) and not each.is_so for each in effects)
    )
