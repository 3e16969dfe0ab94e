"""One round over the workspaces: accounts, registrations, lost events, health; and what is wrong is told."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from crm_relay.incidents.models import Incident
from crm_relay.incidents.record import close_incidents, open_incidents
from crm_relay.outreach import store
from crm_relay.outreach.deliveries.give_opt_outs import give_opt_outs
from crm_relay.outreach.models import Polled
from crm_relay.outreach.polling.poll_accounts import AccountPoll
from crm_relay.outreach.polling.reconcile import reconcile
from crm_relay.outreach.polling.watch_webhooks import watch_webhooks
from crm_relay.outreach.polling.watch_workspaces import watch_workspaces
from crm_relay.platform.aws.lease import LeaseLost
from crm_relay.platform.clock import Clock, Deadline
from crm_relay.platform.database import Database
from crm_relay.platform.errors import FatalError, RejectedInput, TransientError
from crm_relay.platform.logging import count_metric, logger
from crm_relay.providers.bison.client import Bison

HOURLY = timedelta(hours=1)


@dataclass
class Round:
    """`bisons` and `tokens` by workspace; `tokens` are those that open the webhook now."""

    db: Database
    bisons: Mapping[str, Bison]
    tokens: Mapping[str, Sequence[str]]
    instance: str
    clock: Clock
    deadline: Deadline
    keep_lease: Callable[[], None] = lambda: None
    failed: dict[str, str] = field(default_factory=dict)

    def run(self) -> list[Polled]:
        """What of one workspace fails leaves the others alone; LeaseLost ends the round.

        All goes by the names of today: those of the tokens may be former ones.
        """
        today = store.present_names(self.db, sorted({*self.bisons, *self.tokens}))
        self.bisons = {today[name]: bison for name, bison in self.bisons.items()}
        self.tokens = {today[name]: tokens for name, tokens in self.tokens.items()}
        polled = [
            done
            for name in store.next_workspaces(self.db, list(self.bisons))
            if (done := self._guarded(name, self._poll)) is not None
        ]
        due = store.hooks_due(self.db, list(self.bisons), before=self.clock() - HOURLY)
        for name in due:
            self._guarded(name, self._look_closer)
        self._report_failures()
        watch_workspaces(self.db, self.clock())
        give_opt_outs(self.db)
        return polled

    def _guarded(self, name: str, work: Callable[[str], Polled | None]) -> Polled | None:
        try:
            return work(name)
        except LeaseLost:
            raise
        except (TransientError, FatalError, RejectedInput) as error:
            # Our own errors name what was asked, never what was answered.
            logger().warning("workspace not read", workspace=name, reason=str(error))
            count_metric("BisonPollFailed")
            store.fail_poll(self.db, name, str(error))
            self.failed[name] = "fatal" if isinstance(error, FatalError) else "transient"
            return None

    def _poll(self, name: str) -> Polled:
        poll = AccountPoll(
            self.db, self.bisons[name], name, self.instance, self.clock, self.deadline, keep_lease=self.keep_lease
        )
        return poll.run()

    def _look_closer(self, name: str) -> None:
        watch_webhooks(self.db, {name: self.bisons[name]}, self.tokens, self.clock)
        missing = reconcile(self.db, name, self.clock()).missing
        if missing:
            logger().warning("events that never came were filled in", workspace=name, events=missing)
            count_metric("BisonEventsFilledIn", missing)

    def _report_failures(self) -> None:
        """A token that is not taken any more will not heal by itself; everything else gets its next chance first."""
        title = "EmailBison does not let us in: check the workspace's token in BISON_API_TOKENS"
        fatal = [name for name, kind in self.failed.items() if kind == "fatal"]
        open_incidents(self.db, [Incident("bison_access", name, title, name) for name in fatal], self.clock())
        close_incidents(
            self.db, "bison_access", [name for name in self.bisons if name not in self.failed], self.clock()
        )
