"""From the operator's page alone: something drifted, it is found, mended and undone, with real rows in both stores."""

import re
import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from crm_relay.platform.http.callers import Role
from tests.conftest import fresh_database
from tests.support.edge_cache.edge_twin import EdgeTwin
from tests.support.integrity.meddled import Meddled
from tests.support.operations.admin_stage import AdminStage, admin_stage
from tests.support.platform.rows import one, rows_of

# With the page's other tests: one browser at a time.
pytestmark = pytest.mark.xdist_group("browser")
ENDED = re.compile("Check done|check failed")
PATIENCE_MS = 20_000


@pytest.fixture(scope="module")
def stage(postgres_url: str) -> Iterator[AdminStage]:
    with fresh_database(postgres_url) as url, admin_stage(url, table=EdgeTwin()) as made:
        yield made


@pytest.fixture
def page(browser: Browser, stage: AdminStage) -> Iterator[Page]:
    context = browser.new_context()
    found = context.new_page()
    found.goto(f"{stage.base_url}/dashboard#/integrity")
    yield found
    context.close()


def sign_in(page: Page, token: str) -> None:
    page.get_by_label("API token").fill(token)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("body[data-filled]")).to_be_attached()


def carry_out(page: Page, stage: AdminStage) -> str:
    """What the page says in the end of the check that it ordered; a worker takes it up meanwhile."""
    said = page.locator("#message")
    expect(said).to_have_text("Ordered. The check begins as soon as a worker is free.")
    worker = threading.Thread(target=stage.queues.drain)
    worker.start()
    expect(said).to_have_text(ENDED, timeout=PATIENCE_MS)
    worker.join()
    return said.inner_text()


def fix_of(page: Page, action: str) -> Locator:
    return page.locator("#integrity [aria-label=Fixes] tbody tr", has_text=action)


def undo(page: Page, row: Locator) -> None:
    row.get_by_role("button", name="Undo").click()
    page.get_by_role("dialog").get_by_role("button", name="Undo").click()


def test_drift_is_found_mended_and_undone_by_buttons_and_the_trail_names_the_token(
    page: Page, stage: AdminStage
) -> None:
    meddled = Meddled.plant(stage.database, stage.table)
    sign_in(page, stage.token("grace", Role.OPERATE))
    page.get_by_role("button", name="Check now").click()
    assert carry_out(page, stage) == "Check done: 2 found, 0 fixed."
    expect(page.locator("#integrity [aria-label=Findings]")).to_contain_text("other content at the edge")
    expect(page.locator("#integrity-note")).to_have_text("last check just now by grace")

    page.get_by_role("button", name="Check and fix").click()
    page.get_by_role("dialog").get_by_role("button", name="Check and fix").click()
    assert carry_out(page, stage) == "Check done: 2 found, 2 fixed."
    assert (meddled.city_at_edge(), meddled.status_at_edge()) == ("Porto", "sent")

    expect(fix_of(page, "replicated")).to_contain_text("by grace")
    undo(page, fix_of(page, "replicated"))
    expect(page.locator("#message")).to_have_text("The fix is undone.")
    expect(fix_of(page, "replicated")).to_contain_text("undone by grace")
    assert meddled.item_now() == (meddled.item.version, meddled.item.doc)
    assert meddled.rows_now()[0] == meddled.rows[0]

    fix_of(page, "state by its times").get_by_role("button", name="Before/after").click()
    expect(page.locator("#integrity .diff")).to_contain_text("unheard")
    undo(page, fix_of(page, "state by its times"))
    expect(fix_of(page, "state by its times")).to_contain_text("undone by grace")
    assert meddled.rows_now() == meddled.rows
    assert meddled.status_at_edge() == "unheard"
    assert rows_of(stage.database, "select distinct fixed_by, reverted_by from integrity_fixes") == [
        {"fixed_by": "grace", "reverted_by": "grace"}
    ]
    assert rows_of(stage.database, "select distinct ordered_by from integrity_runs") == [{"ordered_by": "grace"}]


def test_a_fix_is_not_undone_where_somebody_thinks_better_of_it_or_may_not(page: Page, stage: AdminStage) -> None:
    email = one(
        stage.database,
        "insert into emails (direction, status, updated_at) "
        "values ('inbound', 'odd', now() - interval '1 day') returning id",
    )["id"]
    stage.call("POST", "/api/integrity/check", body={"fix": True})
    stage.queues.drain()
    sign_in(page, stage.token("second", Role.OPERATE))
    row = fix_of(page, "state by its times").first
    row.get_by_role("button", name="Undo").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.locator("#message")).to_have_text("")
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, stage.token("reader", Role.READ))
    for button in (row.get_by_role("button", name="Undo"), page.get_by_role("button", name="Check now")):
        button.click(force=True)
        expect(page.locator("#message")).to_have_text("This needs a token of the role operate.")
        expect(page.get_by_role("dialog")).to_be_hidden()
    assert one(stage.database, "select status from emails where id = :id", id=email)["status"] == "received"
    assert stage.queues.drain() == 0


def test_what_could_not_be_looked_at_is_not_called_clean(page: Page, stage: AdminStage) -> None:
    rows_of(stage.database, "delete from edge_resyncs where entity in ('prospects', 'emails')")
    rows_of(
        stage.database, "update integrity_findings set status = 'gone', closed_at = now() where check_name = 'drift'"
    )
    sign_in(page, stage.token("edsger", Role.OPERATE))
    page.get_by_role("button", name="Check now").click()
    assert carry_out(page, stage).endswith("Not everything could be looked at.")
    drift = page.locator("#integrity [aria-label='Checks of the last run'] tbody tr", has_text="drift")
    expect(drift).to_contain_text("not seen emails, prospects: the edge has not got all of it yet")
    expect(drift.locator("td").nth(1)).to_have_text("0")
    expect(page.locator("#integrity .clean")).not_to_contain_text("drift")


def test_nothing_is_ordered_before_somebody_signs_in(page: Page, stage: AdminStage) -> None:
    expect(page.get_by_role("button", name="Check now")).to_be_hidden()
    sign_in(page, stage.token("ada", Role.OPERATE))
    expect(page.get_by_role("button", name="Check now")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Check and fix")).to_be_hidden()
