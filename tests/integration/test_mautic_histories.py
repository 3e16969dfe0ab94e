"""Random histories: whatever happens on both sides and on the way, they end in agreement."""

from contextlib import suppress
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
    precondition,
    rule,
    run_state_machine_as_test,
)

from crm_relay.contacts.models import Options
from crm_relay.platform.errors import FatalError
from local.simulators.mautic import Fault
from tests.integration.conftest import database_of_its_own
from tests.support.mautic_world import MauticWorld

FORGET = "update mautic_sync_status set sync_hash = null where customer_id = :id::text::uuid"
SMALL = Options(batch_size=4, pause_seconds=0)
SEGMENTS = st.sampled_from(["vip", "regular", "new", "inactive", "newsletter"])
ADDRESSES = st.integers(0, 9).map(lambda number: f"p{number}@example.com")
FAULTS = st.sampled_from(["500_before", "500_after_partial", "429", "drop", "expire_token", "slow"])
WHERE = st.sampled_from(["batch/new", "batch/edit", "segments", "oauth", "PUT", "/dnc/"])


class Histories(RuleBasedStateMachine):
    """A small CRM, a Mautic, people and administrators in both, and a way between them that fails now and then."""

    url: str

    def __init__(self) -> None:
        super().__init__()
        self.context = database_of_its_own(self.url)
        self.world: MauticWorld = self.context.__enter__()
        self.customers: list[UUID] = []
        self.opted_out: set[UUID] = set()

    def teardown(self) -> None:
        self.until_quiet()
        found = self.world.disagreements()
        self.context.__exit__(None, None, None)
        assert found == []

    def until_quiet(self) -> None:
        """The faults end; runs come as the schedule brings them."""
        self.world.simulator.faults.clear()
        for _ in range(8):
            self.world.now += timedelta(hours=25)
            report = self.world.sync(options=SMALL)
            if report.requests == 0 and report.stopped is None:
                return

    @initialize(emails=st.lists(ADDRESSES, min_size=1, max_size=5))
    def begin(self, emails: list[str]) -> None:
        for email in emails:
            self.add(email, 5)

    @rule(email=ADDRESSES, age=st.integers(1, 50))
    def add(self, email: str, age: int) -> None:
        if len(self.customers) < 12:
            self.customers.append(self.world.customer(email, created_days_ago=age))

    @precondition(lambda self: self.customers)
    @rule(data=st.data(), name=st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=70))
    def rename(self, data: st.DataObject, name: str) -> None:
        self.world.set_profile(self.someone(data), last_name=name)

    @precondition(lambda self: self.customers)
    @rule(data=st.data(), email=ADDRESSES)
    def move(self, data: st.DataObject, email: str) -> None:
        self.world.sql(
            "update customer_emails set email = :email where customer_id = :id", email=email, id=self.someone(data)
        )

    @precondition(lambda self: self.customers)
    @rule(data=st.data(), spent=st.sampled_from(["0", "0.5", "-0.25", "12.34", "1000"]), orders=st.integers(0, 3))
    def buy(self, data: st.DataObject, spent: str, orders: int) -> None:
        self.world.sql(
            """update customer_engagement_metrics
               set lifetime_net = :spent::text::numeric, lifetime_orders = :orders where customer_id = :id""",
            spent=spent,
            orders=orders,
            id=self.someone(data),
        )

    @precondition(lambda self: self.customers)
    @rule(data=st.data(), slug=SEGMENTS)
    def join(self, data: st.DataObject, slug: str) -> None:
        self.world.join(self.someone(data), slug)

    @precondition(lambda self: self.customers)
    @rule(data=st.data(), slug=SEGMENTS)
    def leave(self, data: st.DataObject, slug: str) -> None:
        self.world.leave(self.someone(data), slug)

    @precondition(lambda self: self.customers)
    @rule(data=st.data())
    def opt_out(self, data: st.DataObject) -> None:
        who = self.someone(data)
        self.world.set_profile(who, marketing_opt_in=True)
        self.world.set_profile(who, marketing_opt_in=False)
        self.opted_out.add(who)

    @precondition(lambda self: self.customers)
    @rule(data=st.data())
    def opt_in_again_by_the_column(self, data: st.DataObject) -> None:
        self.world.set_profile(self.someone(data), marketing_opt_in=True)

    @precondition(lambda self: len(self.customers) > 1)
    @rule(data=st.data())
    def delete_here(self, data: st.DataObject) -> None:
        who = self.someone(data)
        self.customers.remove(who)
        self.opted_out.discard(who)
        self.world.sql("delete from customer_profiles where id = :id", id=who)

    @precondition(lambda self: self.world.simulator.contacts)
    @rule(data=st.data())
    def delete_there(self, data: st.DataObject) -> None:
        contact_id = data.draw(st.sampled_from(sorted(self.world.simulator.contacts)))
        owner = self.world.simulator.contacts[contact_id].fields.get("supabase_id")
        self.world.simulator.delete_contact(contact_id)
        self.noticed(owner)

    @precondition(lambda self: len(self.world.simulator.contacts) > 1)
    @rule(data=st.data())
    def merge_there(self, data: st.DataObject) -> None:
        ids = sorted(self.world.simulator.contacts)
        loser, winner = data.draw(st.permutations(ids))[:2]
        owners = [self.world.simulator.contacts[each].fields.get("supabase_id") for each in (loser, winner)]
        self.world.simulator.merge_contacts(loser, winner)
        for owner in owners:
            self.noticed(owner)

    @rule(kind=FAULTS, where=WHERE, times=st.integers(1, 3), after=st.integers(0, 3))
    def something_will_fail(self, kind: Any, where: str, times: int, after: int) -> None:
        self.world.simulator.faults.add(Fault(where, kind, times=times, after_items=after, seconds=0.01))

    @rule(minutes=st.integers(1, 300))
    def run(self, minutes: int) -> None:
        self.world.now += timedelta(minutes=minutes)
        self.sync(full=False)

    @rule()
    def night(self) -> None:
        self.sync(full=True)

    def sync(self, *, full: bool) -> None:
        """A run; one that needs the operator ends like one that was killed."""
        with suppress(FatalError):
            self.world.sync(full=full, options=SMALL, timeout=5)

    @invariant()
    def nobody_stands_in_mautic_twice(self) -> None:
        addresses = [
            str(each.fields["email"]).lower()
            for each in self.world.simulator.contacts.values()
            if each.fields.get("email")
        ]
        assert len(addresses) == len(set(addresses))

    def someone(self, data: st.DataObject) -> UUID:
        return data.draw(st.sampled_from(self.customers))

    def noticed(self, owner: object) -> None:
        """What Mautic's webhook or the audit would do: have the customer looked at again."""
        if owner:
            self.world.sql(FORGET, id=str(owner))
            self.world.sql("insert into mautic_dirty (customer_id) values (:id::text::uuid)", id=str(owner))


def test_random_histories_end_in_agreement_and_nobody_who_opted_out_is_mailable(postgres_url: str) -> None:
    machine = type("WithDatabase", (Histories,), {"url": postgres_url})
    run_state_machine_as_test(machine, settings=_settings(examples=25, steps=25))


@pytest.mark.slow
def test_many_more_random_histories(postgres_url: str) -> None:
    machine = type("WithDatabase", (Histories,), {"url": postgres_url})
    run_state_machine_as_test(machine, settings=_settings(examples=600, steps=40))


def _settings(examples: int, steps: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        print_blob=True,
    )
