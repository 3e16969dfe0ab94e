"""Everything that is due of notifications: gathered, decided, queued, and only then sent."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from crm_relay.mail.purposes import NOTIFICATION_LANES
from crm_relay.mail.sending.send_batches import SendContext, SendReport, send_due
from crm_relay.mail.texts.send_texts import TextContext, TextReport, send_texts
from crm_relay.notifications.release import store
from crm_relay.notifications.release.context import ReleaseContext
from crm_relay.notifications.release.release_deliveries import ReleasedBatch, give_up, release_deliveries
from crm_relay.notifications.release.release_digests import ReleasedDigests, release_digests, set_aside
from crm_relay.notifications.release.settle import settle, still_wanted
from crm_relay.notifications.release.slack.post_to_slack import post_to_slack
from crm_relay.platform.clock import Clock, Deadline
from crm_relay.platform.database import Database
from crm_relay.platform.errors import OF_ONE_ROW, describe_error
from crm_relay.platform.fence.clone_fence import ensure_armed

BATCH = 500
DIGESTS = 200
_BATCH_SECONDS = 10.0


@dataclass
class ReleaseReport:
    """What a run did. `verdicts` counts deliveries, `digests` counts digests, by what became of them.

    `is_finished` False: the time was up, or a provider wants a rest. `refused`: what the database did not take.
    """

    verdicts: Counter[str] = field(default_factory=Counter)
    digests: Counter[str] = field(default_factory=Counter)
    mail: SendReport = field(default_factory=SendReport)
    texts: TextReport = field(default_factory=TextReport)
    posts: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    is_idle: bool = False
    is_finished: bool = True


def run_due_deliveries(db: Database, context: ReleaseContext, clock: Clock, deadline: Deadline) -> ReleaseReport:
    """Until nothing is due or time is up. Any number may run side by side and be killed at any line.

    One statement where there is nothing to do. What is queued leaves between the batches, the most urgent first: a
    long list of digests never delays an urgent mail. Raises what the database raises; a delivery that cannot be made
    is its own error and nobody else's.
    """
    due = store.what_is_due(db, clock(), purposes=NOTIFICATION_LANES)
    if not due.is_anything:
        return ReleaseReport(is_idle=True)
    ensure_armed(db)
    return _Release(db, context, clock, deadline).run()


@dataclass
class _Release:
    db: Database
    context: ReleaseContext
    clock: Clock
    deadline: Deadline
    report: ReleaseReport = field(default_factory=ReleaseReport)

    def run(self) -> ReleaseReport:
        self._until_done(self._deliveries, BATCH)
        self._until_done(self._digests, DIGESTS)
        # What dropped out of a digest is settled by the gates.
        self._until_done(self._deliveries, BATCH)
        self._send_mail(between=lambda: self._deliveries(BATCH))
        self._send_texts()
        self.report.posts = post_to_slack(self.db, self.context, self.clock, self.deadline)
        self.report.is_finished &= self.report.mail.stopped is None
        return self.report

    def _until_done(self, batch: Callable[[int], int], size: int) -> None:
        """Batch by batch; one that the database refuses is taken up in parts, until the one at fault stands alone."""
        limit = size
        while self.deadline.allows(_BATCH_SECONDS):
            taken = batch(limit)
            if taken < 0:
                limit = max(1, limit // 10)
                continue
            if taken == 0:
                return
            limit = size
            self._send_urgent()
        self.report.is_finished = False

    def _deliveries(self, limit: int) -> int:
        """How many were taken up; -1: the next try takes fewer."""
        now, batch = self.clock(), ReleasedBatch()
        try:
            self.db.transact(lambda tx: release_deliveries(tx, self.context, now, batch, limit=limit))
        except OF_ONE_ROW as error:
            return self._refused(
                limit, error, lambda why: self.db.transact(lambda tx: give_up(tx, batch.claimed, why, now))
            )
        self.report.verdicts.update(batch.verdicts)
        return len(batch.claimed)

    def _digests(self, limit: int) -> int:
        now, batch = self.clock(), ReleasedDigests()
        try:
            self.db.transact(lambda tx: release_digests(tx, self.context, now, batch, limit=limit))
        except OF_ONE_ROW as error:
            return self._refused(limit, error, lambda why: set_aside(self.db, self.context, batch.claimed, why, now))
        self.report.digests.update(batch.fates)
        return len(batch.claimed)

    def _refused(self, limit: int, error: Exception, alone: Callable[[str], None]) -> int:
        if limit > 1:
            return -1
        alone(describe_error(error))
        self.report.refused += 1
        return 1

    def _send_urgent(self) -> None:
        """Between two batches: what cannot wait."""
        self._send_mail(NOTIFICATION_LANES[:1])

    def _send_mail(
        self, purposes: Sequence[str] = NOTIFICATION_LANES, between: Callable[[], object] | None = None
    ) -> None:
        """Nothing where the provider wants a rest."""
        if self.report.mail.stopped is not None:
            return
        self.report.mail += send_due(
            SendContext(self.db, self.context.emails, self.context.policy),
            clock=self.clock,
            deadline=self.deadline,
            settle=settle,
            still_wanted=still_wanted,
            purposes=purposes,
            between=between,
        )

    def _send_texts(self) -> None:
        if self.context.texts is None:
            return
        context = TextContext(self.db, self.context.texts, self.context.policy)
        self.report.texts = send_texts(
            context,
            clock=self.clock,
            deadline=self.deadline,
            settle=settle,
            still_wanted=still_wanted,
            purposes=NOTIFICATION_LANES,
        )
