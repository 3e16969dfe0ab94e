"""Brings the people of a file into the CRM, a transaction for each batch: it can be interrupted and repeated."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from uuid import UUID

from crm_relay.consent.models import ConsentKind
from crm_relay.consent.read_list import BadLine, GoodLine
from crm_relay.consent.store import organization_called
from crm_relay.imports.batch import BatchOutcome, PeopleBatch
from crm_relay.imports.decisions import Action, Consented
from crm_relay.imports.models import ImportCounts, LeftOut, PersonLine
from crm_relay.imports.read_people import PeopleFile
from crm_relay.imports.store import organizations
from crm_relay.platform.database import Database, Queryable
from crm_relay.platform.errors import RejectedInput, describe_error
from crm_relay.rules.in_parts import in_parts

BATCH = 1000
Good = GoodLine[PersonLine]


def organization_of(db: Queryable, wanted: str | None) -> UUID:
    """By id or name; without one the only organization. RejectedInput where there are several to choose from."""
    if wanted is not None:
        found = organization_called(db, wanted)
        if found is None:
            raise RejectedInput("--org: there is no such organization, or two have this name")
        return found
    known = organizations(db)
    if len(known) != 1:
        raise RejectedInput("--org: say for which organization", details=[f"{name} ({one})" for one, name in known])
    return known[0][0]


@dataclass
class ImportRun:
    """One import of one file; `on_batch` is called with the counts so far."""

    db: Database
    file: PeopleFile
    org_id: UUID
    now: datetime
    is_dry: bool = False
    restores: bool = False
    on_batch: Callable[[ImportCounts], None] = lambda _: None
    counts: ImportCounts = field(default_factory=ImportCounts)

    def run(self) -> ImportCounts:
        """Raises what the database raises where that is no fault of a line; what was done until then stays done."""
        opted_out = self._opted_out()
        seen: dict[str, tuple[int, int]] = {}
        lines = self.file.lines()
        while batch := list(islice(lines, BATCH)):
            self._take(batch, seen, opted_out)
            self.on_batch(self.counts)
        return self.counts

    def _opted_out(self) -> frozenset[str]:
        """Read before all else: an opt-out of the last line holds against a consent of the first one."""
        if not {"consent", "opt_out"} & self.file.mapping.keys():
            return frozenset()
        people = (line.value for line in self.file.lines() if isinstance(line, GoodLine))
        return frozenset(
            each.address for each in people if each.consent is not None and each.consent.kind is ConsentKind.OPT_OUT
        )

    def _take(
        self, batch: Sequence[Good | BadLine], seen: dict[str, tuple[int, int]], opted_out: frozenset[str]
    ) -> None:
        self.counts.read += len(batch)
        people: dict[int, PersonLine] = {}
        repeated: set[int] = set()
        for line in batch:
            if isinstance(line, BadLine):
                self._leave_out(line.line, line.reason)
                continue
            people[line.line] = line.value
            if self._is_repeated(line, seen):
                repeated.add(line.line)
        if not people:
            return
        done: list[BatchOutcome] = []
        batched = PeopleBatch(self.db, self.file.kind, self.org_id, self.now, opted_out, self.is_dry, self.restores)
        refused = in_parts(
            list(people),
            lambda part: done.append(batched.write({line: people[line] for line in part}, repeated)),
        )
        for outcome in done:
            self._add(outcome)
        # Of a repeated line only its consent was refused.
        for number, error in refused.items():
            self._leave_out(number, describe_error(error), is_repeated=number in repeated)

    def _is_repeated(self, line: Good, seen: dict[str, tuple[int, int]]) -> bool:
        """A line that has a problem of its own is no first one: a later line may be right."""
        if line.value.problem is not None:
            return False
        said = hash(frozenset(line.value.fields.items()))
        first, said_first = seen.setdefault(line.value.address, (line.line, said))
        if first == line.line:
            return False
        self.counts.repeated += 1
        if said != said_first:
            self._leave_out(line.line, f"line {first} has the same address and says something else", is_repeated=True)
        return True

    def _add(self, outcome: BatchOutcome) -> None:
        counts = self.counts
        for line, reason in outcome.bad.items():
            self._leave_out(line, reason)
        counts.new += outcome.actions[Action.NEW]
        counts.changed += outcome.actions[Action.CHANGED]
        counts.unchanged += outcome.actions[Action.UNCHANGED]
        counts.opt_outs_recorded += outcome.opt_outs
        counts.opt_ins_recorded += outcome.opt_ins
        counts.opt_ins_refused += outcome.consents[Consented.REFUSED]
        counts.opt_ins_unproven += outcome.consents[Consented.UNPROVEN]

    def _leave_out(self, line: int, reason: str, *, is_repeated: bool = False) -> None:
        self.counts.bad += not is_repeated
        self.counts.left_out.append(LeftOut(line, reason, is_repeated))
