"""One run in one direction: begins and ends in the audit trail, whatever happens in between."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from crm_relay.edge_cache import store
from crm_relay.edge_cache.keys import ENTITIES, Entity
from crm_relay.edge_cache.read import LAST_CONFIRMED, mark_of
from crm_relay.edge_cache.replication.push_edits import Push
from crm_relay.edge_cache.replication.replicate import Replication
from crm_relay.edge_cache.replication.resync import Resync, ignore_progress
from crm_relay.edge_cache.replication.resync_store import ResyncState, all_running, never_synced
from crm_relay.edge_cache.store import Counts
from crm_relay.edge_cache.table import EdgeTable
from crm_relay.platform.clock import Clock, Deadline
from crm_relay.platform.database import Database
from crm_relay.platform.errors import FatalError, RejectedInput, TransientError

Direction = Literal["to_cache", "to_postgres", "resync"]


@dataclass(frozen=True)
class SyncRun:
    """What a run has to do with; `ordered_by` is the schedule, or the name of somebody's token."""

    db: Database
    table: EdgeTable
    clock: Clock
    deadline: Deadline
    ordered_by: str = "schedule"
    shrink_limit_percent: float = 20.0

    def to_cache(self, only: Sequence[Entity] | None = None) -> dict[str, Any]:
        """What changed. Entities that a resync is writing wait for it: the first one of each is begun here."""
        for entity in sorted({*never_synced(self.db), *(state.entity for state in all_running(self.db))}):
            self.resync(entity, clears=False)
        waiting = {state.entity for state in all_running(self.db)}
        names = [name for name in (only or ENTITIES) if name not in waiting]
        began = self.clock()
        work = Replication(self.db, self.table, self.clock, self.deadline, names, self.shrink_limit_percent)
        answer = self._logged("to_cache", work.counts, work.run)
        if answer["finished"]:
            confirmed = [name for name in names if name not in work.blocked]
            marks = [*map(mark_of, confirmed), *([LAST_CONFIRMED] if set(confirmed) == set(ENTITIES) else [])]
            self.table.set_config(dict.fromkeys(marks, began.isoformat()))
        return answer | {"held_back": list(work.blocked)}

    def to_postgres(self) -> dict[str, Any]:
        """E-mails and edits that were made at the edge."""
        work = Push(self.db, self.table, self.clock, self.deadline)
        return self._logged("to_postgres", work.counts, work.run)

    def resync(
        self, entity: Entity, progress: Callable[[ResyncState], None] = ignore_progress, *, clears: bool = True
    ) -> dict[str, Any]:
        """Everything again, or on with what was begun. `clears` False: nothing is cleared away."""
        work = Resync(
            self.db,
            self.table,
            entity,
            self.clock,
            self.deadline,
            self.ordered_by,
            self.shrink_limit_percent,
            progress,
            clears,
        )
        counts, states = Counts(), []

        def run() -> bool:
            states.append(work.run())
            counts.written, counts.deleted = states[-1].written, states[-1].swept
            return states[-1].is_finished

        answer = self._logged("resync", counts, run, entity=entity)
        return answer | {"entity": entity, "phase": states[-1].phase, "error": states[-1].error}

    def _logged(
        self, direction: Direction, counts: Counts, work: Callable[[], bool], *, entity: Entity | None = None
    ) -> dict[str, Any]:
        """`finished` False: the time was up, and the next run goes on. Raises what `work` raises, once it is logged."""
        run_id = store.begin_run(self.db, direction, ordered_by=self.ordered_by, now=self.clock(), entity=entity)
        status: str = "failed"
        error: str | None = "not foreseen"
        try:
            finished = work()
            status, error = ("success", None) if finished else ("stopped", "the time was up; the next run goes on")
        except (TransientError, FatalError, RejectedInput) as problem:
            error = str(problem)
            raise
        finally:
            pending = sum(waiting for waiting, _ in store.pending_changes(self.db).values())
            store.finish_run(self.db, run_id, counts, status=status, error=error, pending=pending, now=self.clock())
        return {"success": True, "direction": direction, "finished": finished, **asdict(counts)}
