"""Everything between Postgres and Mautic in a random history: the webhook and its end here, runs, the watch, deaths."""

from collections.abc import Callable
from contextlib import closing, suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

from crm_relay.customers.contacts.directory import CONTACTS
from crm_relay.customers.models import SyncOptions
from crm_relay.customers.syncing.sync_customers import sync_contacts
from crm_relay.engagement.match_waiting import match_waiting
from crm_relay.operations.watch_webhook import watch_webhook
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database
from crm_relay.platform.errors import FatalError, TransientError
from crm_relay.providers.mautic.client import Mautic
from crm_relay.providers.mautic.mapping_webhook import click_key, open_key
from crm_relay.providers.mautic.vocabulary import HOOK_EVENTS, OUR_DNC_COMMENT
from local.simulators.mautic.state import SimulatedContact, SimulatedHook
from local.simulators.mautic.wire import MauticApiError
from tests.support.customers.mautic_harness import CLIENT, MauticHarness
from tests.support.customers.mautic_receiver import MauticReceiver
from tests.support.processes.sudden_death import Killed, LeaseTable, Life, MortalDatabase, MortalHttp, MortalLease

SMALL = SyncOptions(batch_size=4, pause_seconds=0, audit_sample=0)


class Between:
    """Both sides share one clock; `story` tells what a reader of a failure cannot see in the steps."""

    def __init__(self, harness: MauticHarness) -> None:
        harness.now = harness.now.replace(microsecond=0)
        harness.simulator.mautic.now = lambda: harness.now
        self.harness = harness
        self.receiver = MauticReceiver(harness, Database(harness.url))
        self.hook = harness.simulator.hook("https://relay.example.com/webhooks/mautic", "secret", HOOK_EVENTS)
        self.lease = LeaseTable()
        self.patience = 0
        self.story: list[str] = []
        self.forgotten: set[str] = set()
        self.merged: set[int] = set()
        harness.simulator.webhooks.send = self._deliver  # type: ignore[method-assign]

    def close(self) -> None:
        """The receiver's connection."""
        if self.receiver.db is not None:
            self.receiver.db.close()

    # --- Mautic and its webhook -----------------------------------------------------------------------------------

    def happen(self, act: Callable[[], Any]) -> None:
        """Somebody acts in Mautic, at a second of their own; where that kills the webhook, they may see an error."""
        self.harness.now += timedelta(seconds=2)
        with suppress(MauticApiError):
            act()

    def merge(self, loser: int, winner: int) -> None:
        """An administrator merges two contacts: whoever left as the loser has left as the winner, without an event."""
        self.merged.add(winner)
        self.happen(lambda: self.harness.simulator.merge_contacts(loser, winner))

    def _deliver(self, hook: SimulatedHook, body: Any) -> int:
        status = self.receiver.send(hook, body)
        if status != 200:
            # Mautic's rule, made quick: the failures before the one that kills are lost as silently.
            survives = self.patience > 0 and status != 410
            self.patience -= survives
            hook.log, hook.modified = [], self.harness.now if survives else None
            self.note(f"lost with {status}: {', '.join(body)}; the webhook {'stays on' if survives else 'dies'}")
        return status

    def break_receiver(self, status: int, patience: int) -> None:
        """From now on deliveries fail; after `patience` of them Mautic switches the webhook off."""
        self.receiver.status, self.patience = status, patience

    def mend_receiver(self) -> None:
        """What Mautic sends arrives. A webhook that failed silently had been switched off by then."""
        if self.receiver.lost and self.receiver.status != 200 and self.hook.published:
            self.hook.published = False
            self.note("the webhook dies of its failures")
        self.receiver.status = 200
        self.receiver.lost.clear()

    def catch_up(self) -> None:
        """The deferred queue is worked off."""
        self.receiver.holds_back = False
        self.receiver.catch_up()

    # --- what runs here -------------------------------------------------------------------------------------------

    def sync(self, life: Life, *, full: bool = False) -> None:
        """One run in a new process."""

        def work(db: Database, mautic: Mautic) -> str:
            match_waiting(db, CONTACTS)
            lease = MortalLease(self.lease, lambda: self.harness.now, life)
            run = self.harness.run(options=SMALL, lease=lease, db=db)
            run.mautic = mautic
            report = sync_contacts(run, full=full)
            return f"{report.synced} synced, {len(report.failures)} failed, stopped: {report.stopped}"

        self._process("run", life, work)

    def watch(self, life: Life) -> None:
        """One watch in a new process."""

        def work(db: Database, mautic: Mautic) -> str:
            return watch_webhook(db, mautic, self.harness.now, Deadline.after(600)).trouble or "all is well"

        self._process("watch", life, work)

    def _process(self, name: str, life: Life, work: Callable[[Database, Mautic], str]) -> None:
        """Nothing of it is left afterwards but what Postgres, Mautic and the lease's table have."""
        http = MortalHttp(self.harness.simulator.url, timeout=(5, 5), life=life)
        with closing(MortalDatabase(self.harness.url, life)) as db:
            try:
                outcome = work(db, Mautic(http, *CLIENT))
            except Killed:
                outcome = f"killed {'before' if life.before else 'after'} step {life.last}"
            except (TransientError, FatalError) as error:
                outcome = f"{type(error).__name__}: {error}"
        http.session.close()
        self.note(f"{name}: {outcome}")

    def note(self, what: str) -> None:
        """One line of the story."""
        self.story.append(f"  {self.harness.now:%d %H:%M:%S} {what}")

    def forget(self, who: UUID) -> None:
        """A customer is about to be deleted, and what is known of their opens and clicks with them."""
        rows = self.harness.sql("select event_key from customer_email_engagement where customer_id = :who", who=who)
        self.forgotten.update(row["event_key"] for row in rows)

    # --- the end --------------------------------------------------------------------------------------------------

    def end_of_faults(self) -> None:
        """Nothing fails any more; the next watches find what is to be found."""
        self.harness.simulator.faults.clear()
        self.mend_receiver()
        self.catch_up()
        for _ in range(2):
            self.harness.now += timedelta(hours=1)
            self.watch(Life())

    def missed(self, *, but_merged: bool = False) -> list[str]:
        """What people did in Mautic and Postgres does not know, or knows and it never happened.

        `but_merged` leaves out opt-outs of contacts that were merged: only an audit learns of them.
        """
        simulator = self.harness.simulator
        opened = {
            open_key(each.hash, each.id, n + 1)
            for each in simulator.mautic.sendings.values()
            for n in range(each.opens)
        }
        clicked = {click_key(each.id, each.at): each for each in simulator.mautic.hits if each.email_id is not None}
        # Of a contact that is deleted Mautic tells no click any more.
        certain = opened | {key for key, each in clicked.items() if each.contact_id in simulator.contacts}
        rows = self.harness.sql("select event_key from customer_email_engagement where event_type in ('open', 'click')")
        known = {row["event_key"] for row in rows}
        return [
            *(f"never known here: {key}" for key in sorted(certain - known - self.forgotten)),
            *(f"never happened: {key}" for key in sorted(known - opened - clicked.keys())),
            *self._unknown_opt_outs(self.merged if but_merged else set()),
            *([] if self.hook.published else ["the webhook is off, and nobody switches it on"]),
        ]

    def _unknown_opt_outs(self, exempt: set[int]) -> list[str]:
        rows = self.harness.sql(
            """select status.mautic_contact_id as contact, source.customer_id::text as who
               from mautic_sync_source source
               join mautic_sync_status status on status.customer_id = source.customer_id
               where source.dnc_reason is null"""
        )
        consenting = {(row["contact"], row["who"]) for row in rows}
        return [
            f"{each.fields['supabase_id']}: left by contact {each.id}, and nobody here knows"
            for each in self.harness.simulator.contacts.values()
            if has_left(each) and each.id not in exempt and (each.id, each.fields.get("supabase_id")) in consenting
        ]


def has_left(contact: SimulatedContact) -> bool:
    """By a hand of their own or an administrator's; what we push says so in its comment."""
    entry = contact.suppressions.get("email")
    return entry is not None and not entry.comments.startswith(OUR_DNC_COMMENT)
