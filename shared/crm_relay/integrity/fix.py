"""Mends what was found, each change with its log and with the way back."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crm_relay.campaigns.engine.settle import settle_what_can_be
from crm_relay.campaigns.unsettled.store import EMAIL, SMS
from crm_relay.integrity import store
from crm_relay.integrity.models import (
    CheckName,
    DropStatus,
    Finding,
    Inspection,
    MendEmail,
    MendEnrollment,
    PushNow,
    Replicate,
    SettleLine,
)
from crm_relay.integrity.replicate_again import RepeatedReplication
from crm_relay.mail.models import Settled
from crm_relay.platform.database import Queryable, Transaction
from crm_relay.rules.in_parts import in_parts

_MARKS = {"orphaned", "duplicate_of", "org_id"}
Numbered = tuple[int, Finding]
"""A finding with its number."""


@dataclass(frozen=True)
class Fixing:
    """The fixes of one check in one run; `who` stands in the log."""

    inspection: Inspection
    run_id: int
    check: CheckName
    who: str
    approved: bool

    def mend(self, found: Sequence[Numbered]) -> tuple[set[int], set[int]]:
        """Findings that were settled, and those for which somebody has to be asked first."""
        now = self.inspection.clock()
        settled = self._emails(found, now) | self._statuses(found, now) | self._enrollments(found, now)
        settled |= self._push(found, now)
        lines, refused = self._lines([pair for pair in found if isinstance(pair[1].remedy, SettleLine)], now)
        settled |= lines
        suspects = [(number, each.remedy.suspect) for number, each in found if isinstance(each.remedy, Replicate)]
        replication = RepeatedReplication(self.inspection, self.run_id, self.check, self.who, self.approved)
        again, doubtful = replication.run(suspects)
        return settled | again, doubtful | refused

    def _emails(self, found: Sequence[Numbered], now: datetime) -> set[int]:
        """Marks in one transaction, what changes an e-mail itself in another: only the latter was written just now."""
        fixes = [
            fix for number, each in found if isinstance(each.remedy, MendEmail) for fix in _rows(number, each.remedy)
        ]
        content = {str(fix["whole"]) for fix in fixes if not fix["changes"].keys() <= _MARKS}
        marks = [fix for fix in fixes if fix["whole"] not in content]
        rest = [fix for fix in fixes if fix["whole"] in content]
        return self._emails_at_once(marks, now, quiet=True) | self._emails_at_once(rest, now, quiet=False)

    def _emails_at_once(self, fixes: Sequence[Mapping[str, Any]], now: datetime, *, quiet: bool) -> set[int]:
        """An e-mail that the database refuses stays found, and those that it belongs to; the others are mended."""
        settled: set[int] = set()

        def work(transaction: Queryable, wholes: Collection[str]) -> set[int]:
            if quiet:
                store.leave_time(transaction)
            some = [fix for fix in fixes if fix["whole"] in wholes]
            return store.fix_emails(transaction, self.run_id, self.check, some, self.who, now)

        def mend(wholes: Sequence[str]) -> None:
            settled.update(self.inspection.db.transact(lambda transaction: work(transaction, set(wholes))))

        in_parts(list(dict.fromkeys(str(fix["whole"]) for fix in fixes)), mend, believes=True)
        return settled

    def _statuses(self, found: Sequence[Numbered], now: datetime) -> set[int]:
        fixes = [
            {"finding_id": number, "customer_id": each.remedy.customer_id}
            for number, each in found
            if isinstance(each.remedy, DropStatus)
        ]
        if not fixes:
            return set()
        return store.drop_statuses(self.inspection.db, self.run_id, self.check, fixes, self.who, now)

    def _enrollments(self, found: Sequence[Numbered], now: datetime) -> set[int]:
        fixes = [
            {"finding_id": number, "row_id": each.remedy.enrollment_id, "action": each.remedy.action}
            | {"seen": dict(each.remedy.seen), "changes": dict(each.remedy.values)}
            for number, each in found
            if isinstance(each.remedy, MendEnrollment)
        ]
        if not fixes:
            return set()
        return store.fix_enrollments(self.inspection.db, self.run_id, self.check, fixes, self.who, now)

    def _lines(self, found: Sequence[Numbered], now: datetime) -> tuple[set[int], set[int]]:
        """By the engine's own rules. Somebody has to look at those that the database refuses still."""
        return self.inspection.db.transact(lambda tx: self._settle(tx, found, now)) if found else (set(), set())

    def _settle(self, tx: Transaction, found: Sequence[Numbered], now: datetime) -> tuple[set[int], set[int]]:
        remedies = {number: each.remedy for number, each in found if isinstance(each.remedy, SettleLine)}
        before = store.lock_lines(tx, [each.line_id for each in remedies.values()])
        waits: set[Settled] = set()
        for channel in (EMAIL, SMS):
            ours = [each.settled for each in remedies.values() if each.line_id in before and each.channel == channel]
            waits.update(settle_what_can_be(tx, ours, channel, now, keeps=False))
        done = {n: each for n, each in remedies.items() if each.line_id in before and each.settled not in waits}
        after = store.lines(tx, [each.line_id for each in done.values()])
        fixes = [
            {"finding_id": number, "entity": "campaign_sequence_logs", "row_id": str(each.line_id)}
            | {"action": "settled by its ledger", "before": before[each.line_id]["state"]}
            | {"after": after[each.line_id]["state"]}
            for number, each in done.items()
        ]
        numbers = store.log_fixes(tx, self.run_id, self.check, fixes, self.who, now)
        store.confirm_fixes(tx, list(numbers.values()), now)
        return set(numbers), {number for number, each in remedies.items() if each.settled in waits}

    def _push(self, found: Sequence[Numbered], now: datetime) -> set[int]:
        """The ordinary run, only at once: it has an audit trail of its own, and nothing to be taken back."""
        pushes = [(number, each) for number, each in found if isinstance(each.remedy, PushNow)]
        if not pushes:
            return set()
        fixes = [
            {"finding_id": number, "entity": each.entity, "row_id": each.row_id, "action": "pushed"}
            | {"before": each.details, "after": None}
            for number, each in pushes
        ]
        numbers = store.log_fixes(self.inspection.db, self.run_id, self.check, fixes, self.who, now)
        if not self.inspection.push_now():
            return set()
        store.confirm_fixes(self.inspection.db, list(numbers.values()), self.inspection.clock())
        return set(numbers)


def _rows(number: int, remedy: MendEmail) -> list[dict[str, Any]]:
    return [
        {
            "finding_id": number,
            "whole": remedy.whole,
            "row_id": change.row_id,
            "seen_version": change.seen_version,
            "action": change.action,
            "changes": dict(change.values),
        }
        for change in remedy.changes
    ]
