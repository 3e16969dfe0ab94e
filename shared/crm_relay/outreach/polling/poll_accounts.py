"""Reads a workspace's sender accounts from the first to the last page, and goes on where it was cut off."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from crm_relay.incidents.models import Incident
from crm_relay.incidents.record import keep_open
from crm_relay.outreach import store
from crm_relay.outreach.decisions import needs_another_pass
from crm_relay.outreach.models import Polled, PollState
from crm_relay.platform.clock import Clock, Deadline
from crm_relay.platform.database import Queryable
from crm_relay.platform.errors import RateLimited
from crm_relay.providers.bison.client import Bison
from crm_relay.providers.bison.events import SenderAccount

_PAGE_SECONDS = 35.0
"""A page may take its whole time-out; less than that left, and the next run goes on."""

_PAUSE_SECONDS = 60.0
"""For an EmailBison that says "too many" without saying until when."""


@dataclass
class AccountPoll:
    """One workspace, one token, one run."""

    db: Queryable
    bison: Bison
    workspace_name: str
    instance: str
    clock: Clock
    deadline: Deadline
    keep_lease: Callable[[], None] = lambda: None
    pause: Callable[[float], None] = time.sleep
    pages: int = 0

    def run(self) -> Polled:
        """One statement a page of 15. Errors as in Bison; what was read until then is kept."""
        self._recheck()
        state = store.begin_poll(self.db, self.workspace_name, self.clock())
        removed = 0
        while self._read_pages(state):
            outcome = store.pass_outcome(self.db, self.workspace_name)
            if needs_another_pass(outcome, state.pass_number):
                store.next_pass(self.db, self.workspace_name)
                state = PollState(state.cycle, 1, state.pass_number + 1)
                continue
            removed = self._ask_for(outcome.unseen)
            store.complete_poll(self.db, self.workspace_name, state.cycle, accounts=outcome.seen, now=self.clock())
            self._report_disconnected()
            return Polled(self.workspace_name, self.pages, outcome.seen, removed, is_complete=True)
        return Polled(self.workspace_name, self.pages, 0, removed, is_complete=False)

    def _read_pages(self, state: PollState) -> bool:
        """False where the time was up before the last page."""
        number = state.next_page
        while self.deadline.allows(_PAGE_SECONDS):
            self.keep_lease()
            asked_at = self.clock()
            try:
                page = self.bison.sender_emails(number)
            except RateLimited as error:
                if not self._waited(error):
                    return False
                continue
            self.pages += 1
            self._keep(page.accounts, asked_at, cycle=state.cycle, page=number, total=page.total)
            if number >= page.last_page:
                return True
            number += 1
        return False

    def _waited(self, error: RateLimited) -> bool:
        """As long as EmailBison asks for; False where that is longer than there is time."""
        seconds = _PAUSE_SECONDS if error.retry_after is None else error.retry_after
        if not self.deadline.allows(seconds + _PAGE_SECONDS):
            return False
        self.pause(seconds)
        return True

    def _keep(
        self,
        accounts: tuple[SenderAccount, ...],
        asked_at: datetime,
        *,
        cycle: datetime | None = None,
        page: int = 0,
        total: int | None = None,
    ) -> None:
        store.keep_page(
            self.db,
            # An account that moved between two pages may stand on one of them twice.
            list({account.account_id: account for account in accounts}.values()),
            workspace_name=self.workspace_name,
            instance=self.instance,
            asked_at=asked_at,
            cycle=cycle,
            page=page,
            total=total,
        )

    def _recheck(self) -> None:
        """Accounts of which a webhook said that they are disconnected, before anybody is told."""
        waiting = store.accounts_to_recheck(self.db, self.workspace_name)
        if waiting:
            self._ask_for(waiting)
            self._report_disconnected()

    def _ask_for(self, account_ids: tuple[int, ...] | list[int]) -> int:
        """Each by its number; one that EmailBison does not know any more is marked as removed. How many were."""
        asked_at = self.clock()
        found = [(each, self.bison.sender_email(each)) for each in account_ids if self.deadline.allows(_PAGE_SECONDS)]
        listed = tuple(account for _, account in found if account is not None)
        gone = [account_id for account_id, account in found if account is None]
        if listed:
            self._keep(listed, asked_at)
        if gone:
            store.remove_accounts(
                self.db, gone, workspace_name=self.workspace_name, instance=self.instance, now=asked_at
            )
        return len(gone)

    def _report_disconnected(self) -> None:
        rows = store.disconnected_accounts(self.db, self.workspace_name)
        incidents = [
            Incident(
                "account_disconnected",
                f"{row['email_address']} (account {row['sender_email_id']})",
                "Sender account(s) disconnected",
                self.workspace_name,
                {"account_id": row["sender_email_id"], "provider": row["email_provider"]},
            )
            for row in rows
        ]
        keep_open(self.db, "account_disconnected", incidents, self.clock(), scope=self.workspace_name)
