"""Follows what SQL has done to rows of `workflows`: set active, changed, set inactive, deleted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from crm_relay.incidents.models import Incident
from crm_relay.incidents.record import close_incidents, open_incidents
from crm_relay.platform.database import Database, Row, Transaction
from crm_relay.platform.errors import describe_error
from crm_relay.platform.logging import logger
from crm_relay.rules.in_parts import in_parts
from crm_relay.workflows.definition import store
from crm_relay.workflows.definition.prove_drafts import ProvenDraft, prove_drafts, record_ended, record_published
from crm_relay.workflows.definition.publish import subject_of

BY_SQL = "sql"
"""Who published a version whose row was set active or changed by SQL."""

BATCH = 100

_TITLE = "A workflow was set active that cannot be published"
_MOST_PROBLEMS_KEPT = 20


@dataclass(frozen=True)
class AdoptReport:
    """Workflows by what became of them. `failed`: rows that the database refused, which are tried again."""

    adopted: tuple[UUID, ...] = ()
    refused: tuple[UUID, ...] = ()
    ended: tuple[UUID, ...] = ()
    failed: tuple[UUID, ...] = ()

    @property
    def has_changed(self) -> bool:
        """Whether other columns may be listened to now, so that the triggers have to be looked at."""
        return bool(self.adopted or self.ended)


def adopt(db: Database, now: datetime, *, limit: int = BATCH) -> AdoptReport:
    """One statement where rows and versions agree; a batch costs the same, however large, and the next call goes on.

    A row that cannot be published has an incident until it is mended, inactive or gone; its former version runs on.
    """
    differing = store.to_adopt(db, now, limit)
    if not differing:
        return AdoptReport()
    by_kind: dict[str, list[Row]] = {"adopt": [], "end": [], "forget": []}
    for row in differing:
        by_kind[row["what"]].append(row)
    close_incidents(db, store.INCIDENT, [row["subject"] for row in by_kind["forget"]], now)
    ended: set[UUID] = set()
    adopted: set[UUID] = set()
    refused: set[UUID] = set()

    def end_some(ids: Sequence[UUID]) -> None:
        ended.update(db.transact(lambda tx: record_ended(tx, ids, by_row=True)))

    def adopt_some(ids: Sequence[UUID]) -> None:
        taken, left = db.transact(lambda tx: _adopt(tx, ids, now))
        adopted.update(taken)
        refused.update(left)

    failed = in_parts([row["id"] for row in by_kind["end"]], end_some)
    failed |= in_parts([row["id"] for row in by_kind["adopt"]], adopt_some)
    for workflow_id, error in failed.items():
        logger().error("a workflow cannot be adopted", workflow_id=workflow_id, reason=describe_error(error))
    return AdoptReport(*(tuple(sorted(each)) for each in (adopted, refused, ended, failed)))


def _adopt(tx: Transaction, ids: Sequence[UUID], now: datetime) -> tuple[list[UUID], list[UUID]]:
    """Those that have a version now, and those that cannot."""
    drafts = [draft for draft in prove_drafts(tx, ids) if _is_wanted(draft)]
    good = [draft for draft in drafts if not draft.problems]
    bad = [draft for draft in drafts if draft.problems]
    if good:
        record_published(tx, good, BY_SQL)
    close_incidents(tx, store.INCIDENT, [subject_of(draft.row["org_id"], draft.id) for draft in good], now)
    open_incidents(tx, [_incident(draft) for draft in bad], now)
    return [draft.id for draft in good], [draft.id for draft in bad]


def _is_wanted(draft: ProvenDraft) -> bool:
    """The row may have changed again since it was found."""
    return bool(draft.row["is_active"] and not draft.row["is_deleted"] and not draft.is_published)


def _incident(draft: ProvenDraft) -> Incident:
    details = {"name": draft.row["name"], "problems": list(draft.problems[:_MOST_PROBLEMS_KEPT])}
    return Incident(store.INCIDENT, subject_of(draft.row["org_id"], draft.id), _TITLE, details=details)
