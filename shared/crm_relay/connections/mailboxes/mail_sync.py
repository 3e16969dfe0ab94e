"""A connection with a mailbox: what came in is read first, then pitches leave."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast
from uuid import UUID

from crm_relay.connections.decisions import classify
from crm_relay.connections.engine.record_sync import RecordSync, SyncProgress
from crm_relay.connections.engine.sync_settings import SyncSettings, read_sync_settings
from crm_relay.connections.engine.sync_stream import StreamOrder, StreamReport
from crm_relay.connections.mailboxes import mail_store
from crm_relay.connections.mailboxes.mail_store import MailboxState
from crm_relay.connections.mailboxes.models import MAIL, PITCHES, MailPlace
from crm_relay.connections.mailboxes.read_mail import MailReader
from crm_relay.connections.pitches import store as pitch_store
from crm_relay.connections.pitches.carry_pitch import PitchDesk
from crm_relay.connections.pitches.models import MailboxSender
from crm_relay.connections.pitches.send_pitches import PitchRun
from crm_relay.connections.records import store as record_store
from crm_relay.consent.address import normalise
from crm_relay.platform.errors import OF_ONE_ROW, FatalError, RejectedInput, TransientError, describe_error
from crm_relay.platform.logging import logger
from crm_relay.providers.connectors.mailbox import Mailbox, MailboxProfile
from crm_relay.providers.connectors.mailbox_connector import MailboxAccount

_PREVIEWED = 1_000
_OF_ACCOUNT = {"billing", "reconnect"}


class MailboxSync(RecordSync):
    """By the connector of this name, which has to be one of a mailbox."""

    def _run_streams(self, run: SyncProgress, order: StreamOrder) -> None:
        row = self.connection
        if row.org_id is None:
            raise RejectedInput("the workspace belongs to no organization")
        settings = read_sync_settings(row.settings)
        place = MailPlace(
            row.id, row.workspace_id, row.org_id, row.integration_type, settings.labels, settings.new_mail == "known"
        )
        with self.opened() as account:
            one = _OneRun(self, cast("MailboxAccount", account).mailbox(), place, settings, order)
            if settings.direction != "out":
                run.reports.append(one.read())
            if order.writes and run.failure not in _OF_ACCOUNT:
                run.reports.append(one.send())
            run.requests = self._limiter.requests if self._limiter else 0


class _OneRun:
    """Both streams of one run; whatever stops one of them stops nothing else."""

    def __init__(
        self, sync: MailboxSync, mailbox: Mailbox, place: MailPlace, settings: SyncSettings, order: StreamOrder
    ) -> None:
        self.sync, self.mailbox, self.place, self.settings, self.order = sync, mailbox, place, settings, order
        self._state: MailboxState | None = None
        self._profile: MailboxProfile | None = None

    def read(self) -> StreamReport:
        """What came in."""
        report = StreamReport(MAIL)
        with self._kept(report):
            state = self._identified()
            report.was_stopped = state.stopped_reason is not None
            if self.order.is_dry:
                self._preview_mail(report)
                return report
            reader = MailReader(
                self.sync.db,
                self.mailbox,
                self.place,
                state,
                self.sync.connection.created_at or self.sync.now(),
                self.sync.now,
                self.sync.run_deadline(),
                self._profile,
                report.incoming,
                report.errors,
            )
            reader.read()
        return report

    def send(self) -> StreamReport:
        """What waits to leave."""
        report = StreamReport(PITCHES)
        with self._kept(report):
            sender = self._sender(self._identified())
            if self.order.is_dry:
                if self.settings.direction != "in":
                    self._preview_pitches(report, sender)
                return report
            policy = self.sync.context.mail_policy
            desk = PitchDesk(
                self.sync.db,
                self.mailbox,
                sender,
                policy,
                self.sync.now,
                receives_only=self.settings.direction == "in",
            )
            run = PitchRun(desk, self.sync.run_deadline())
            try:
                is_finished = run.send_due(self._chosen())
            finally:
                report.errors += run.errors
                report.outgoing.update(desk.counts)
                report.outgoing["created"] = desk.counts["sent"]
            report.failure = "none" if is_finished else "partial"
        return report

    @contextmanager
    def _kept(self, report: StreamReport) -> Iterator[None]:
        try:
            yield
        except (TransientError, FatalError, *OF_ONE_ROW) as error:
            report.failure = classify(error)
            report.errors.append(describe_error(error))
            logger().warning(
                "a stream stopped", stream=report.stream, reason=describe_error(error), kind=report.failure
            )
            if report.failure == "stream" and not self.order.is_dry:
                report.has_stopped = True
                record_store.stop_stream(self.sync.db, self.place.key, describe_error(error), self.sync.now())

    def _identified(self) -> MailboxState:
        """With whose mailbox it is, which is asked for where nothing says it: at first, and after a reconnect."""
        if self._state is not None:
            return self._state
        db, state = self.sync.db, mail_store.read_state(self.sync.db, self.place)
        if state.mailbox_address is None or state.account_label is None:
            self._profile = self.mailbox.profile()
            address = self._profile.address
            is_another = state.mailbox_address is not None and normalise(state.mailbox_address) != normalise(address)
            if not self.order.is_dry:
                mail_store.adopt_mailbox(db, self.place, address, self.sync.now(), is_another=is_another)
                state = mail_store.read_state(db, self.place)
        self._state = state
        return state

    def _sender(self, state: MailboxState) -> MailboxSender:
        address = self._profile.address if self._profile is not None else state.mailbox_address
        place = self.place
        return MailboxSender(
            place.connection_id,
            place.workspace_id,
            place.org_id,
            place.source,
            address or "",
            self.settings.daily_pitches,
        )

    def _chosen(self) -> list[UUID] | None:
        return None if self.order.chosen is None else sorted(self.order.chosen)

    def _preview_mail(self, report: StreamReport) -> None:
        known = self.mailbox.labels()
        names: list[Any] = [known.get(each, f"{each} (not there)") for each in self.place.labels]
        report.consequences.append(f"would read new mail of {', '.join(names)} from when it was connected")

    def _preview_pitches(self, report: StreamReport, sender: MailboxSender) -> None:
        waiting = pitch_store.due_pitches(self.sync.db, sender, self.sync.now(), limit=_PREVIEWED)
        mode = self.sync.context.mail_policy.mode.value
        report.consequences.append(f"would send {len(waiting)} pitch(es) that wait (SEND_MODE is {mode})")
