"""The watch on Mautic's webhook dies at each of its steps in turn, and the next one makes up for it."""

from functools import partial

import pytest

from tests.integration.conftest import database_of_its_own
from tests.support.customers.mautic_between import Between
from tests.support.processes.sudden_death import Life


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_watch_killed_at_any_step_is_made_up_for_by_the_next(postgres_url: str, before: bool) -> None:
    with database_of_its_own(postgres_url) as harness:
        between = Between(harness)
        ana = harness.customer("ana@example.com")
        step = 0
        while step < 60:
            step += 1
            eva = harness.customer(f"eva{step}@example.com")
            harness.sync()
            between.break_receiver(500, patience=step % 3)
            between.happen(partial(harness.simulator.click, 1, harness.contact(ana).id))
            for act in (harness.simulator.open_email, harness.simulator.unsubscribe):
                between.happen(partial(act, 2, harness.contact(eva).id))
            between.mend_receiver()
            life = Life(step, before)
            between.watch(life)
            between.watch(Life())
            assert between.missed() == [], "\n".join(between.story[-6:])
            if not life.is_over:
                break
        between.close()
        assert 10 < step < 60, "a watch has an end"
