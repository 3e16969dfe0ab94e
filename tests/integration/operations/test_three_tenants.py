"""Random webhooks, API calls and reads of three organizations: nobody ever sees or changes a row of another one."""

import json
import random
from collections import Counter
from collections.abc import Iterator

import pytest

from admin_api import wiring
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database, Transaction
from crm_relay.platform.errors import FatalError, TransientError
from local.simulators.resend import MovableClock, ResendSimulator
from tests.support.campaigns.campaign_harness import CampaignHarness
from tests.support.customers import mautic_webhook_function
from tests.support.mail import resend_webhook_function, unsubscribe_function
from tests.support.operations.admin_function import AdminFunction, admin_function
from tests.support.outreach import bison_webhook_function
from tests.support.platform.rows import parse
from tests.support.tenants.three_tenants import TOKENS, TenantHistory
from tests.support.tenants.what_is_whose import WRITTEN_BY_USERS, Ownership, changed

ACTIONS = 35
SLOW_ACTIONS = 400


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, database: Database, database_url: str) -> Iterator[AdminFunction]:
    resend_webhook_function.configure(monkeypatch, database_url)
    unsubscribe_function.configure(monkeypatch, database_url)
    mautic_webhook_function.configure(monkeypatch, database_url)
    bison_webhook_function.configure(monkeypatch, database_url, BISON_WEBHOOK_TOKENS=json.dumps(TOKENS))
    yield admin_function(monkeypatch, database, database_url)
    wiring.installation.forget()


@pytest.fixture
def harness(database: Database, database_url: str) -> Iterator[CampaignHarness]:
    time = [utc_now()]
    with ResendSimulator(clock=MovableClock(lambda: time[0]), requests_per_second=None) as simulator:
        yield CampaignHarness(database, simulator, database_url, time)


def live(harness: CampaignHarness, api: AdminFunction, seed: int, actions: int) -> tuple[list[object], Counter[str]]:
    """What went wrong, and how often each action changed something of its own organization."""
    history = TenantHistory(harness, api, seed)
    ownership = Ownership(harness.db, history.tenants)
    wrong: list[object] = [*ownership.seen_by_two()]
    effects = Counter[str]()
    before = ownership.snapshot()
    for number in range(actions):
        action, whose = history.act()
        after = ownership.snapshot()
        touched = changed(before, after)
        wrong += [(number, action, whose, touched - {whose})] * bool(touched - {whose})
        wrong += ownership.seen_by_two()
        effects[action] += whose in touched
        before = after
        if number % 10 == 0:
            # Everybody's next steps, and what waited.
            harness.wait(hours=7)
            harness.tick()
            before = ownership.snapshot()
        wrong += reads(ownership, history.chance)
    return wrong, effects


def reads(ownership: Ownership, chance: random.Random) -> list[object]:
    """What a signed-in user may not write, and what `anon` may not even read."""
    relation = chance.choice([each for each in ownership.readable if each not in WRITTEN_BY_USERS])
    tenant = chance.choice(ownership.tenants)
    wrong: list[object] = []
    for text in (f"delete from {relation}", f"insert into {relation} default values"):
        try:
            ownership.as_user(tenant.user, text)
        except (FatalError, TransientError) as refused:
            # No right to, or a view that nobody can write to.
            if "42501" in str(refused) or "55000" in str(refused):
                continue
        wrong.append((tenant.name, text))

    def as_anon(transaction: Transaction) -> None:
        transaction.run(parse("set local role anon"))
        transaction.run(parse(f"select * from {relation}"))

    try:
        ownership.database.transact(as_anon)
        wrong.append(("anon", relation))
    except FatalError as refused:
        assert "42501" in str(refused)  # noqa: PT017 - or it may be read
    return wrong


@pytest.mark.parametrize("seed", range(2))
def test_nobody_sees_or_changes_a_row_of_another_organization(
    harness: CampaignHarness, api: AdminFunction, seed: int
) -> None:
    wrong, effects = live(harness, api, seed, ACTIONS)
    assert wrong == []
    assert len([action for action, number in effects.items() if number]) >= 6, effects


def test_a_policy_that_shows_every_organization_would_be_noticed(
    harness: CampaignHarness, api: AdminFunction, database: Database
) -> None:
    database.run_script("create policy planted on inbox_items for select to authenticated using (true)")
    wrong, _ = live(harness, api, 1, 20)
    assert "inbox_items" in {each[0] for each in wrong if isinstance(each, tuple)}


def test_a_statement_that_forgets_the_organization_would_be_noticed(
    harness: CampaignHarness, api: AdminFunction, database: Database
) -> None:
    database.run_script(
        """create function planted() returns trigger language plpgsql as $$ begin
               update contacts set updated_at = clock_timestamp() where id <> new.contact_id;
               return null;
           end $$;
           create trigger planted after update on campaign_enrollments for each row execute function planted()"""
    )
    wrong, _ = live(harness, api, 1, 20)
    assert wrong


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 110))
def test_nor_in_a_longer_history(harness: CampaignHarness, api: AdminFunction, seed: int) -> None:
    assert live(harness, api, seed, SLOW_ACTIONS)[0] == []
