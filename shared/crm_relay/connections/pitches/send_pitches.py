"""Sends pitches by a mailbox: a draft whose id is stored, the gate again, then the draft leaves; kill it anywhere.

A draft can be sent only once, so a repetition after an unclear answer sends nothing twice. What may have left is looked
for before anything else is done: the draft that is gone, and the message that is there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid4

from crm_relay.connections.pitches import store
from crm_relay.connections.pitches.carry_pitch import CarriedPitch, PitchDesk, held, settled
from crm_relay.connections.pitches.models import ClaimedPitch, PitchRecord
from crm_relay.mail.sending.gate import GateVerdict
from crm_relay.mail.sending.repeat import LOOKED_UP_AFTER
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Transaction
from crm_relay.platform.errors import OF_ONE_ROW, NoAnswer, ServerFailed, TransientError, describe_error
from crm_relay.platform.logging import logger

_AT_ONCE = 100
_LEAST_SECONDS = 30.0
_FAILED_IN_A_ROW = 3
"""So many pitches one after the other that the service fails at are an outage."""
_CLAIM = LOOKED_UP_AFTER
"""Longer than both requests may take; what is cut off is not looked for sooner than the mailbox can know it."""


@dataclass
class PitchRun:
    """What one run does for one mailbox."""

    desk: PitchDesk
    deadline: Deadline
    errors: list[str] = field(default_factory=list)
    _failed_in_a_row: int = 0
    _has_worked: bool = False
    _failure: TransientError | None = None

    def send_due(self, chosen: Sequence[UUID] | None = None) -> bool:
        """Every pitch that is due; whether none was left for want of time. One that cannot be worked on stops no other.

        Raises what is wrong with the account or the service, which one pitch that the service fails at does not prove;
        what had begun is carried on by a later run.
        """
        desk, tried = self.desk, set[UUID]()
        while True:
            due = store.due_pitches(
                desk.db, desk.sender, desk.clock(), limit=_AT_ONCE, chosen=chosen, tried=sorted(tried)
            )
            if not due:
                if self._failure is not None and not self._has_worked:
                    raise self._failure
                return True
            for pitch_id in due:
                if not self.deadline.allows(_LEAST_SECONDS):
                    return False
                tried.add(pitch_id)
                self._one(pitch_id)

    def _one(self, pitch_id: UUID) -> None:
        try:
            self._carry(pitch_id, uuid4())
        except OF_ONE_ROW as error:
            problem = describe_error(error)
            logger().error("a pitch cannot be worked on", pitch=str(pitch_id), reason=problem)
            self.desk.counts["failed"] += 1
            self.errors.append(problem)
        except (NoAnswer, ServerFailed) as error:
            self._failed_in_a_row += 1
            self._failure = error
            self.errors.append(describe_error(error))
            if self._failed_in_a_row >= _FAILED_IN_A_ROW:
                raise
        else:
            self._failed_in_a_row, self._has_worked = 0, True

    def _carry(self, pitch_id: UUID, lease: UUID) -> None:
        now = self.desk.clock()
        pitch, verdict = self.desk.db.transact(lambda tx: self._begin(tx, pitch_id, lease, now))
        if pitch is None:
            return
        carried = CarriedPitch(self.desk, pitch, lease)
        if pitch.left_at is not None:
            carried.look(pitch.left_at)
        elif verdict.may_leave:
            carried.leave_first()
        elif verdict.fate is not None and pitch.draft is not None:
            carried.take_back(verdict)

    def _begin(
        self, tx: Transaction, pitch_id: UUID, lease: UUID, now: datetime
    ) -> tuple[ClaimedPitch | None, GateVerdict]:
        """Claimed and judged in one transaction; what may not leave and is in no mailbox is settled in it."""
        pitch = store.claim_pitch(tx, pitch_id, self.desk.sender, lease, now=now, until=now + _CLAIM)
        if pitch is None or pitch.left_at is not None:
            return pitch, GateVerdict()
        verdict = self.desk.judge(pitch, now)
        if verdict.until is not None:
            record = held(pitch, verdict)
        elif verdict.fate is not None and pitch.draft is None:
            record = settled(verdict)
        else:
            record = PitchRecord("sending", draft=pitch.draft, more_attempts=int(verdict.may_leave), keeps=True)
        if not record.keeps:
            self.desk.counts[record.counted or record.status] += 1
        tx.finish([store.recording(pitch_id, lease, record, now)])
        return pitch, verdict
