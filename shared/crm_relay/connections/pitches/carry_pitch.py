"""One pitch that is ours: its draft, the gate again, then it leaves; or what may have left is looked for."""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import assert_never
from uuid import UUID

from crm_relay.connections.pitches import store
from crm_relay.connections.pitches.decisions import (
    GIVEN_UP_AFTER,
    RECEIVES_ONLY,
    Afterwards,
    Evidence,
    after_unclear,
    judge_pitch,
    wait_until,
)
from crm_relay.connections.pitches.letter import letter_of
from crm_relay.connections.pitches.models import ClaimedPitch, MailboxSender, PitchRecord
from crm_relay.connections.pitches.park import parked, pitch_goes_on
from crm_relay.mail.models import Fate, SendPolicy
from crm_relay.mail.sending.gate import PAUSES_ARE_LOOKED_AT_AGAIN, GateVerdict
from crm_relay.mail.sending.record_answer import rest_of
from crm_relay.mail.sending.repeat import LOOKED_UP_AFTER
from crm_relay.platform.clock import Clock
from crm_relay.platform.database import Database, Transaction
from crm_relay.platform.errors import (
    FatalError,
    NoAnswer,
    RateLimited,
    RejectedInput,
    ServerFailed,
    TransientError,
    describe_error,
)
from crm_relay.platform.logging import logger
from crm_relay.providers.connectors.mailbox import DraftGone, DraftRef, Mailbox, SentRef

_PAUSE = timedelta(minutes=1)
_FATES = {Fate.DRY_RUN: "dry_run", Fate.REFUSED: "refused", Fate.FAILED: "failed"}


@dataclass
class PitchDesk:
    """What carrying pitches needs. `counts`: sent, refused, dry_run, failed, cancelled, held, unclear, unknown.

    `receives_only`: nothing leaves any more, and what may have left is still looked for.
    """

    db: Database
    mailbox: Mailbox
    sender: MailboxSender
    policy: SendPolicy
    clock: Clock
    receives_only: bool = False
    counts: Counter[str] = field(default_factory=Counter)

    def judge(self, pitch: ClaimedPitch, now: datetime) -> GateVerdict:
        """Every question."""
        verdict = judge_pitch(pitch, self.policy, self.sender.daily, now)
        if self.receives_only and verdict.may_leave:
            return GateVerdict(until=now + PAUSES_ARE_LOOKED_AT_AGAIN, reason=RECEIVES_ONLY)
        return verdict


@dataclass
class CarriedPitch:
    """Ours until its claim ends."""

    desk: PitchDesk
    pitch: ClaimedPitch
    lease: UUID

    def leave_first(self) -> None:
        """Its draft, then the gate again, then it leaves. Raises what is wrong with the account or the service."""
        try:
            if self.pitch.draft is None:
                found = self._earlier() if self.pitch.attempts > 0 else None
                if isinstance(found, SentRef):
                    self._record_sent(found, self.desk.clock())
                    return
                self.pitch = replace(self.pitch, draft=found or self._draft())
        except RejectedInput as error:
            self._record(PitchRecord("failed", reason=describe_error(error)))
            return
        except ValueError:
            self._record(PitchRecord("failed", reason="content"))
            return
        except (TransientError, FatalError) as error:
            # Whatever became of the draft: nobody asked for it to be sent.
            self._put_back(error)
            raise
        self._ask_and_send()

    def look(self, left_at: datetime) -> None:
        """It may have left: what the mailbox shows decides."""
        evidence, sent = self._evidence()
        now = self.desk.clock()
        match after_unclear(evidence, left_at, now):
            case Afterwards.SENT:
                self._record_sent(sent, left_at)
            case Afterwards.SEND:
                self._ask_and_send()
            case Afterwards.WAIT:
                self._wait(left_at, wait_until(evidence, now))
            case Afterwards.PARK:
                hours = GIVEN_UP_AFTER // timedelta(hours=1)
                self._record(
                    PitchRecord(
                        "unknown",
                        reason=f"no draft and no message after {hours} hours",
                        draft=self.pitch.draft,
                        left_at=left_at,
                    )
                )
            case other:
                assert_never(other)

    def take_back(self, verdict: GateVerdict) -> None:
        """It may not leave, and its draft is in the mailbox: one that is gone meanwhile may have left by hand."""
        draft, left_at, mailbox = self.pitch.draft, self.pitch.left_at, self.desk.mailbox
        is_there = draft is None or mailbox.delete_draft(draft.id)
        sent = None if is_there else mailbox.find_sent(self.pitch.message_id, draft.thread_id if draft else None)
        now = self.desk.clock()
        if sent is not None:
            self._record_sent(sent, left_at or now)
        elif not is_there and left_at is not None:
            self._wait(left_at, wait_until(Evidence.NOTHING, now))
        else:
            self._record(settled(verdict))

    def _earlier(self) -> DraftRef | SentRef | None:
        """Of an attempt that died before the draft's id was stored; somebody may have sent that draft by hand."""
        mailbox, pitch = self.desk.mailbox, self.pitch
        return mailbox.find_draft(pitch.message_id) or mailbox.find_sent(pitch.message_id, None)

    def _draft(self) -> DraftRef:
        return self.desk.mailbox.create_draft(letter_of(self.pitch, self.desk.sender.address, self.desk.clock()))

    def _ask_and_send(self) -> None:
        """Every question is asked again in the transaction that says that it leaves, behind all that is waited for."""
        try:
            self.desk.mailbox.ready_to_send()
        except (TransientError, FatalError) as error:
            self._put_back(error)
            raise
        now = self.desk.clock()
        verdict = self.desk.db.transact(lambda tx: self._leave(tx, now))
        if verdict is None or verdict.until is not None:
            return
        if verdict.may_leave:
            self._send(now)
        else:
            self.take_back(verdict)

    def _leave(self, tx: Transaction, now: datetime) -> GateVerdict | None:
        """None: it is not ours any more. Its draft is stored whatever the verdict is."""
        known = store.claimed_again(tx, self.pitch.id, self.desk.sender, self.lease, now)
        if known is None:
            return None
        before, self.pitch = self.pitch, replace(known, draft=self.pitch.draft)
        verdict = self.desk.judge(self.pitch, now)
        if verdict.until is not None:
            record = held(self.pitch, verdict)
            self.desk.counts["held"] += 1
        else:
            left_at = now if verdict.may_leave else before.left_at
            record = PitchRecord("sending", draft=self.pitch.draft, left_at=left_at, keeps=True)
        tx.finish([store.recording(self.pitch.id, self.lease, record, now)])
        return verdict

    def _send(self, left_at: datetime) -> None:
        draft = self.pitch.draft
        try:
            sent = self.desk.mailbox.send_draft(draft.id if draft else "")
        except DraftGone:
            self.look(left_at)
        except (NoAnswer, ServerFailed) as error:
            logger().warning("a pitch may have left", pitch=str(self.pitch.id), reason=describe_error(error))
            self._wait(left_at, self.desk.clock() + LOOKED_UP_AFTER)
            raise
        except RejectedInput as error:
            self.pitch = replace(self.pitch, left_at=None)
            self.take_back(GateVerdict(Fate.FAILED, reason=describe_error(error)))
        except (TransientError, FatalError) as error:
            # Refused, or never sent.
            self._put_back(error)
            raise
        else:
            self._record_sent(sent, left_at)

    def _evidence(self) -> tuple[Evidence, SentRef | None]:
        mailbox, draft = self.desk.mailbox, self.pitch.draft
        if draft is not None and mailbox.has_draft(draft.id):
            return Evidence.DRAFT_THERE, None
        sent = mailbox.find_sent(self.pitch.message_id, draft.thread_id if draft else None)
        return (Evidence.NOTHING, None) if sent is None else (Evidence.SENT, sent)

    def _wait(self, left_at: datetime, until: datetime) -> None:
        waits = PitchRecord(
            "sending", held_for="unclear", not_before=until, draft=self.pitch.draft, left_at=left_at, counted="unclear"
        )
        self._record(waits)

    def _put_back(self, error: Exception) -> None:
        """It surely did not leave, and waits with its draft; one that may just have been made is looked for later."""
        pause = LOOKED_UP_AFTER if isinstance(error, NoAnswer | ServerFailed) else _PAUSE
        if isinstance(error, RateLimited):
            pause = rest_of(error.retry_after, _PAUSE)
        verdict = GateVerdict(until=self.desk.clock() + pause, reason="provider_rest")
        self._record(held(self.pitch, verdict))

    def _record_sent(self, sent: SentRef | None, left_at: datetime) -> None:
        draft, external_id = self.pitch.draft, None if sent is None else sent.id
        if draft is not None and sent is not None and sent.thread_id:
            draft = DraftRef(draft.id, sent.thread_id)
        self._record(PitchRecord("sent", draft=draft, external_id=external_id, left_at=left_at, sent_at=left_at))

    def _record(self, record: PitchRecord) -> None:
        now, desk = self.desk.clock(), self.desk

        def write(tx: Transaction) -> bool:
            (rows,) = tx.send_all([store.recording(self.pitch.id, self.lease, record, now)])
            if rows and record.status == "unknown":
                parked(tx, [self.pitch.id], now)
            elif rows and record.status == "sent":
                pitch_goes_on(tx, [self.pitch.id], now)
            return bool(rows)

        if desk.db.transact(write):
            desk.counts[record.counted or record.status] += 1


def held(pitch: ClaimedPitch, verdict: GateVerdict) -> PitchRecord:
    """It waits with its draft, and every question is asked again then."""
    return PitchRecord("queued", held_for=verdict.reason, not_before=verdict.until, draft=pitch.draft, counted="held")


def settled(verdict: GateVerdict) -> PitchRecord:
    """It never leaves, and nothing of it is in the mailbox."""
    status = "refused" if verdict.fate is None else _FATES[verdict.fate]
    return PitchRecord("cancelled" if verdict.reason == "cancelled" else status, reason=verdict.reason)
