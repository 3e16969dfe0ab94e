"""Random histories: whatever happens on both sides and on the way, they end in agreement."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from crm_relay.customers.audit import audit_everybody, repair
from local.simulators.mautic import MauticFault
from tests.integration.conftest import database_of_its_own
from tests.support.customers.mautic_between import SMALL, Between
from tests.support.customers.mautic_harness import MauticHarness
from tests.support.processes.sudden_death import Life

STEPS = st.integers(1, 30)
WHICH = st.integers(0, 99)
SEGMENTS = st.sampled_from(["vip", "regular", "new", "inactive", "newsletter"])
ADDRESSES = st.integers(0, 9).map(lambda number: f"p{number}@example.com")
FAULTS = st.sampled_from(["500_before", "500_after_partial", "429", "drop", "expire_token", "slow"])
WHERE = st.sampled_from(["batch/new", "batch/edit", "segments", "oauth", "PUT", "/dnc/", "hooks", "stats"])


class MauticHistories(RuleBasedStateMachine):
    """A small CRM, a Mautic, people and administrators in both, and a way between them that fails now and then."""

    url: str

    def __init__(self) -> None:
        super().__init__()
        self.context = database_of_its_own(self.url)
        self.harness: MauticHarness = self.context.__enter__()
        self.between = Between(self.harness)
        self.customers: list[UUID] = []
        self.opted_out: set[UUID] = set()

    def teardown(self) -> None:
        try:
            found = self.until_quiet() + self.between.missed() + self.harness.disagreements() + self.still_mailable()
        finally:
            self.between.close()
            self.context.__exit__(None, None, None)
        if found:
            raise AssertionError("\n".join(["in the end", *found, "", "On the way:", *self.between.story, ""]))

    def still_mailable(self) -> list[str]:
        """Whoever opted out here, by any column or address since, may not be mailable there."""
        contacts = [(who, self.harness.contact(who)) for who in self.opted_out]
        return [f"{who}: opted out" for who, each in contacts if each and self.harness.simulator.mailable(each.id)]

    def until_quiet(self) -> list[str]:
        """The faults end; watches and runs come as the schedule brings them. What Mautic had told, or the watch had to
        read, has to be known then; only after that an audit finds what administrators did in Mautic itself.
        """
        self.between.end_of_faults()
        self.run_until_idle()
        missed = self.between.missed(but_merged=True)
        repair(
            self.harness.db, audit_everybody(self.harness.db, self.harness.mautic(), self.harness.now), self.harness.now
        )
        self.run_until_idle()
        return missed

    def run_until_idle(self) -> None:
        for _ in range(8):
            self.harness.now += timedelta(hours=25)
            report = self.harness.sync(options=SMALL)
            if report.requests == 0 and report.stopped is None:
                return

    @initialize(emails=st.lists(ADDRESSES, min_size=1, max_size=5), owned=st.booleans(), known=st.booleans())
    def begin(self, emails: list[str], owned: bool, known: bool) -> None:
        self.between.hook.created_by = 1 if owned else None
        for email in emails:
            self.add(email, 5)
        if known:
            self.between.sync(Life())
            self.between.watch(Life())

    @rule(email=ADDRESSES, age=st.integers(1, 50))
    def add(self, email: str, age: int) -> None:
        if len(self.customers) < 12:
            self.customers.append(self.harness.customer(email, created_days_ago=age))

    @rule(which=WHICH, name=st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=70))
    def rename(self, which: int, name: str) -> None:
        self.harness.set_profile(self.someone(which), last_name=name)

    @rule(which=WHICH, email=ADDRESSES)
    def move(self, which: int, email: str) -> None:
        self.harness.sql(
            "update customer_emails set email = :email where customer_id = :id", email=email, id=self.someone(which)
        )

    @rule(which=WHICH, spent=st.sampled_from(["0", "0.5", "-0.25", "12.34", "1000"]), orders=st.integers(0, 3))
    def buy(self, which: int, spent: str, orders: int) -> None:
        self.harness.sql(
            """update customer_engagement_metrics
               set lifetime_net = :spent::text::numeric, lifetime_orders = :orders where customer_id = :id""",
            spent=spent,
            orders=orders,
            id=self.someone(which),
        )

    @rule(which=WHICH, slug=SEGMENTS)
    def join(self, which: int, slug: str) -> None:
        self.harness.join(self.someone(which), slug)

    @rule(which=WHICH, slug=SEGMENTS)
    def leave(self, which: int, slug: str) -> None:
        self.harness.leave(self.someone(which), slug)

    @rule(which=WHICH)
    def opt_out(self, which: int) -> None:
        who = self.someone(which)
        self.harness.set_profile(who, marketing_opt_in=True)
        self.harness.set_profile(who, marketing_opt_in=False)
        self.opted_out.add(who)

    @rule(which=WHICH)
    def opt_in_again_by_the_column(self, which: int) -> None:
        self.harness.set_profile(self.someone(which), marketing_opt_in=True)

    @rule(which=WHICH)
    def delete_here(self, which: int) -> None:
        if len(self.customers) > 1:
            who = self.someone(which)
            self.customers.remove(who)
            self.opted_out.discard(who)
            self.between.forget(who)
            self.harness.sql("delete from customer_profiles where id = :id", id=who)

    @rule(which=WHICH)
    def delete_there(self, which: int) -> None:
        self.happen(which, self.harness.simulator.delete_contact)

    @rule(which=WHICH, other=WHICH)
    def merge_there(self, which: int, other: int) -> None:
        loser, winner = self.some_contact(which), self.some_contact(other)
        if loser is not None and winner is not None and loser != winner:
            self.between.merge(loser, winner)

    @rule(which=WHICH)
    def unsubscribe_there(self, which: int) -> None:
        self.happen(which, lambda contact: self.harness.simulator.unsubscribe(1, contact))

    @rule(which=WHICH, mail=st.integers(1, 2))
    def open_there(self, which: int, mail: int) -> None:
        self.happen(which, lambda contact: self.harness.simulator.open_email(mail, contact))

    @rule(which=WHICH, mail=st.integers(1, 2))
    def click_there(self, which: int, mail: int) -> None:
        self.happen(which, lambda contact: self.harness.simulator.click(mail, contact))

    @rule(which=WHICH)
    def edit_there(self, which: int) -> None:
        contact = self.some_contact(which)
        if contact is not None:
            self.harness.simulator.mautic.set_value(self.harness.simulator.contacts[contact], "lastname", "By hand")

    @rule(kind=FAULTS, where=WHERE, times=st.integers(1, 3), after=st.integers(0, 3))
    def something_will_fail(self, kind: Any, where: str, times: int, after: int) -> None:
        self.harness.simulator.faults.add(MauticFault(where, kind, times=times, after_items=after, seconds=0.01))

    @rule(status=st.sampled_from([500, 410]), patience=st.integers(0, 3))
    def deliveries_fail(self, status: int, patience: int) -> None:
        self.between.break_receiver(status, patience)

    @rule()
    def deliveries_arrive_again(self) -> None:
        self.between.mend_receiver()

    @rule()
    def deliveries_are_deferred(self) -> None:
        self.between.receiver.holds_back = True

    @rule()
    def deferred_deliveries_arrive(self) -> None:
        self.between.catch_up()

    @rule(which=WHICH)
    def a_delivery_arrives_again(self, which: int) -> None:
        self.between.receiver.again(which)

    @rule(minutes=st.integers(1, 300))
    def run(self, minutes: int) -> None:
        self.harness.now += timedelta(minutes=minutes)
        self.between.sync(Life())

    @rule(last=STEPS, before=st.booleans())
    def run_dies(self, last: int, before: bool) -> None:
        self.between.sync(Life(last, before))

    @rule()
    def night(self) -> None:
        self.between.sync(Life(), full=True)

    @rule()
    def watch(self) -> None:
        self.between.watch(Life())

    @rule(last=STEPS, before=st.booleans())
    def watch_dies(self, last: int, before: bool) -> None:
        self.between.watch(Life(last, before))

    @invariant()
    def nobody_stands_in_mautic_twice(self) -> None:
        addresses = [
            str(each.fields["email"]).lower()
            for each in self.harness.simulator.contacts.values()
            if each.fields.get("email")
        ]
        assert len(addresses) == len(set(addresses))

    def someone(self, which: int) -> UUID:
        return self.customers[which % len(self.customers)]

    def happen(self, which: int, act: Callable[[int], Any]) -> None:
        """Somebody does something in Mautic."""
        contact = self.some_contact(which)
        if contact is not None:
            self.between.happen(lambda: act(contact))

    def some_contact(self, which: int) -> int | None:
        """What is drawn never depends on what is there: a history has to be the same each time it is told."""
        contacts = sorted(self.harness.simulator.contacts)
        return contacts[which % len(contacts)] if contacts else None


# Telling a failure as the shortest history that has it takes minutes.
@pytest.mark.timeout(900)
def test_random_histories_end_in_agreement_and_nobody_who_opted_out_is_mailable(postgres_url: str) -> None:
    machine = type("WithDatabase", (MauticHistories,), {"url": postgres_url})
    run_state_machine_as_test(machine, settings=_settings(examples=15, steps=25))


# 600 histories, half a second each, most of which waits for databases and sockets: in parts that share the cores, each
# of which ends by itself.
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", range(12))
def test_many_more_random_histories(postgres_url: str, part: int) -> None:
    machine = type(f"WithDatabase{part}", (MauticHistories,), {"url": postgres_url})
    run_state_machine_as_test(machine, settings=_settings(examples=50, steps=40))


def _settings(examples: int, steps: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        print_blob=True,
    )
