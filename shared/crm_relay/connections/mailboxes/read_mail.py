"""Reads what came into a mailbox: behind the stored cursor, and by a bounded listing where that is too old."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from crm_relay.connections.mailboxes import mail_store
from crm_relay.connections.mailboxes.keep_mail import keep_mails
from crm_relay.connections.mailboxes.mail_cursor import LONGEST_LOOK_BACK, MailCursor, listing_since
from crm_relay.connections.mailboxes.mail_store import MailboxState
from crm_relay.connections.mailboxes.models import MailPlace
from crm_relay.connections.records import store as record_store
from crm_relay.connections.records.each_alone import each_alone
from crm_relay.connections.records.stream_run import FROM_EXTERNAL
from crm_relay.platform.clock import Clock, Deadline
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput, ServerFailed, describe_error
from crm_relay.platform.logging import logger
from crm_relay.providers.connectors.failures import CursorLost, TimeUsedUp
from crm_relay.providers.connectors.mailbox import Mailbox, MailboxMessage, MailboxProfile, MailPage

_CHUNK = 100
_RETRIED = 50
_LEAST_SECONDS = 20.0
_FAILED_IN_A_ROW = 3
"""So many messages one after the other that cannot be read are the service's fault, and one is that message's."""


@dataclass
class MailReader:
    """One run over one mailbox. `counts`: created (kept), known, left_out, failed."""

    db: Database
    mailbox: Mailbox
    place: MailPlace
    state: MailboxState
    connected_at: datetime
    clock: Clock
    deadline: Deadline
    profile: MailboxProfile | None = None
    counts: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)

    def read(self) -> None:
        """To the end; what is read is kept on the way. Raises what is wrong with the account, and TimeUsedUp."""
        self._try_refused_again()
        cursor = MailCursor.parse(self.state.cursor) or self._pinned(self.state.completed_at)
        has_begun_again = False
        while True:
            try:
                self._read_from(cursor)
            except CursorLost:
                if has_begun_again:
                    raise
                has_begun_again = True
                cursor = self._begun_again()
            else:
                return

    def _read_from(self, cursor: MailCursor) -> None:
        # Fewer labels may be watched than when the listing began.
        while (since := cursor.since) is not None and cursor.label < len(self.place.labels):
            page = self.mailbox.listing(since, self.place.labels[cursor.label], cursor.page)
            self._take(page.ids)
            cursor = cursor.after_page(page.next_page, len(self.place.labels))
            self._save(cursor, is_complete=False)
        page = self._changes(cursor.newest, None)
        while page.next_page is not None:
            page = self._changes(cursor.newest, page.next_page)
        self._save(MailCursor(page.cursor or cursor.newest), is_complete=True)

    def _changes(self, newest: str, page: str | None) -> MailPage:
        found = self.mailbox.changes(newest, self.place.labels, page)
        self._take(found.ids)
        return found

    def _begun_again(self) -> MailCursor:
        """The newest change is pinned before anything is listed, so that nothing falls between both."""
        self.profile = None
        return self._pinned(self.state.completed_at)

    def _pinned(self, read_at: datetime | None) -> MailCursor:
        profile = self.profile or self.mailbox.profile()
        since = listing_since(read_at, self.connected_at, self.clock())
        if read_at is not None and read_at < since:
            self.errors.append(f"mail of more than {LONGEST_LOOK_BACK.days} days ago was not read")
        return MailCursor(profile.newest, since)

    def _save(self, cursor: MailCursor, *, is_complete: bool) -> None:
        mail_store.save_cursor(self.db, self.place, cursor.text, self.clock(), is_complete=is_complete)

    def _take(self, ids: Sequence[str]) -> None:
        """Each is asked for once, whatever it is by now; what is kept or waits for a second try is not asked for."""
        if not ids:
            return
        known = mail_store.known_mail(self.db, self.place, ids)
        self.counts["known"] += len(known)
        wanted = [each for each in dict.fromkeys(ids) if each not in known]
        for start in range(0, len(wanted), _CHUNK):
            self._fetch(wanted[start : start + _CHUNK])

    def _fetch(self, ids: Sequence[str], *, is_second_try: bool = False) -> list[str]:
        """Those that are done. `is_second_try`: several that fail again end it, and prove nothing about the service."""
        found: list[MailboxMessage] = []
        refused: dict[str, str] = {}
        done, failed_in_a_row = list[str](), 0
        try:
            for message_id in ids:
                if not self.deadline.allows(_LEAST_SECONDS):
                    raise TimeUsedUp("the rest of the mailbox is read by the next run")
                try:
                    message = self.mailbox.message(message_id)
                except (ServerFailed, RejectedInput) as error:
                    failed_in_a_row += 1
                    refused[message_id] = describe_error(error)
                    if failed_in_a_row < _FAILED_IN_A_ROW:
                        continue
                    if is_second_try:
                        break
                    raise
                failed_in_a_row = 0
                done.append(message_id)
                if message is not None:
                    found.append(message)
        finally:
            self._keep(found, refused)
        return [each for each in done if each not in refused]

    def _keep(self, found: Sequence[MailboxMessage], refused: dict[str, str]) -> None:
        by_id = {each.id: each for each in found}
        own, now = self.state.own, self.clock()

        def keep(part: Sequence[str]) -> None:
            kept = keep_mails(self.db, self.place, [by_id[each] for each in part], own, now)
            self.counts["created"] += kept
            self.counts["left_out"] += len(part) - kept

        if by_id:
            refused |= {one: describe_error(error) for one, error in each_alone(list(by_id), keep).items()}
        if not refused:
            return
        self.counts["failed"] += len(refused)
        logger().warning("messages of a mailbox cannot be read", number=len(refused))
        rejects = [
            {"direction": FROM_EXTERNAL, "record_id": message_id, "reason": reason, "our_version": None}
            for message_id, reason in refused.items()
        ]
        record_store.run(self.db, record_store.putting_rejects(self.place.key, rejects, now))

    def _try_refused_again(self) -> None:
        waiting = record_store.rejected_there(self.db, self.place.key, self.clock(), _RETRIED)
        if not waiting:
            return
        done = self._fetch(waiting, is_second_try=True)
        if done:
            record_store.run(self.db, record_store.clearing_rejects(self.place.key, FROM_EXTERNAL, done))
