"""Workflows on the operator's page, in a real browser: runs by state, a timeline, failing steps, and a rehearsal."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from crm_relay.platform.clock import utc_now
from crm_relay.platform.http.callers import Role
from crm_relay.workflows.definition.drafts import create
from local.simulators.resend import MovableClock, ResendSimulator
from tests.conftest import fresh_database
from tests.end_to_end.notifications.test_notification_page import PROBES, cells, sign_in
from tests.support.edge_cache.edge_twin import EdgeTwin
from tests.support.operations.admin_stage import AdminStage, admin_stage
from tests.support.platform.rows import rows_of
from tests.support.workflows.rounds import WON, play, published, won_deal
from tests.support.workflows.run_harness import RunHarness

# With the page's other tests: one browser at a time.
pytestmark = pytest.mark.xdist_group("browser")
FAILING: dict[str, Any] = {
    "name": "Close dates",
    "entityType": "deal",
    "definition": {
        "triggers": [{"type": "status_change", "to": "won"}],
        "actions": [{"type": "create_task", "config": {"title": "Call", "dueDate": "{{deal.name}}"}}],
    },
}


@pytest.fixture(scope="module")
def stage(postgres_url: str) -> Iterator[AdminStage]:
    with fresh_database(postgres_url) as url, admin_stage(url, table=EdgeTwin()) as made:
        fill(made, url)
        yield made


def fill(stage: AdminStage, url: str) -> None:
    """A workflow whose runs are over, one whose runs failed, and a draft with a budget that would not be enough."""
    time = [utc_now()]
    with ResendSimulator(clock=MovableClock(lambda: time[0]), requests_per_second=None) as simulator:
        runs = RunHarness(stage.database, simulator, url, time)
        published(stage.database)
        published(stage.database, FAILING)
        draft = {
            **WON,
            "name": "New welcome",
            "definition": {**WON["definition"], "settings": {"atMost": {"emails": 2}}},
        }
        assert create(stage.database, draft).problems == ()
        owner = runs.person()
        for number in range(4):
            won_deal(runs, contact=runs.contact(f"c{number}"), owner=owner)
        won_deal(runs, value=10, contact=runs.contact("small"), owner=owner)
        play(runs)


@pytest.fixture
def page(browser: Browser, stage: AdminStage) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1360, "height": 900}, timezone_id="UTC")
    found = context.new_page()
    said: list[str] = []
    found.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    found.on("pageerror", lambda error: said.append(f"error: {error}"))
    sign_in(found, stage, view="workflows")
    yield found
    context.close()
    assert [line for line in said if "403" not in line] == []


def test_workflows_are_listed_with_their_runs_by_state(page: Page) -> None:
    found = cells(page, "workflows", "Workflows")
    by_name = {name.removesuffix("deal").strip(): texts for name, texts in found.items()}
    assert "version 1" in by_name["Deal won"][0]
    assert by_name["Deal won"][1] == "4 completed"
    assert by_name["Close dates"][1] == "5 failed"
    assert "draft" in by_name["New welcome"][0]
    assert by_name["New welcome"][1] == "none yet"
    expect(page.locator("#workflows-note")).to_have_text("2 active · 5 runs failed")


def test_a_timeline_shows_every_decision_with_its_values(page: Page) -> None:
    page.get_by_role("button", name="Runs of Deal won").click()
    runs = page.locator("[aria-label='Runs of the workflow']")
    expect(runs.locator("tbody tr")).to_have_count(4)
    runs.get_by_role("button", name="Timeline").first.click()
    timeline = page.locator("[data-timeline]")
    expect(timeline).to_contain_text("value gte 1000: is 5000, holds")
    expect(timeline).to_contain_text("value gt 4000: is 5000, holds")
    expect(timeline).to_contain_text("send email")
    expect(timeline).to_contain_text("mail sent")
    expect(timeline).to_contain_text("run completed")


def test_failing_steps_are_retried_in_one_go(page: Page, stage: AdminStage) -> None:
    row = page.locator("[aria-label='Failing steps'] tbody tr")
    expect(row).to_contain_text("a point in time")
    page.get_by_role("button", name="Retry Close dates, step 0").click()
    expect(page.locator("#confirm-text")).to_contain_text("5 runs of Close dates go on with step 0")
    page.locator("#confirm-yes").click()
    expect(page.locator("#message")).to_have_text("5 runs go on.")
    expect(page.locator("[aria-label='Failing steps']")).to_have_count(0)
    assert {row["status"] for row in failing_runs(stage)} == {"running"}
    rows_of(stage.database, "update workflow_executions set status = 'failed', next_run_at = null,"
            " error_message = 'a point in time' where status = 'running' returning id")  # fmt: skip


def failing_runs(stage: AdminStage) -> list[dict[str, Any]]:
    return rows_of(
        stage.database,
        "select run.status from workflow_executions run join workflows on workflows.id = run.workflow_id"
        " where workflows.name = 'Close dates'",
    )


def test_a_rehearsal_is_a_picture_with_a_table_behind_it(page: Page) -> None:
    page.get_by_role("button", name="Rehearse New welcome").click()
    shown = page.locator("[data-rehearsal]")
    expect(shown).to_contain_text("4 starts")
    expect(shown).to_contain_text("not started: 1 by conditions")
    assert "[object" not in shown.inner_text()
    today = utc_now().date().isoformat()
    days = cells(page, "workflows", "Rehearsal by day")
    assert days[today][:3] == ["4", "2 of 2", "2"]
    assert "no emails left" in days[today][-1]
    picture = shown.get_by_role("img", name="made until the budget was used up 2. Budget 2 a day, used up on one day")
    expect(picture).to_be_visible()
    expect(shown.locator("[data-plot=emails] .tone.bad rect")).to_have_count(1)
    expect(shown).to_contain_text("resumed at the next midnight of UTC")


def test_a_role_that_merely_reads_sees_states_and_steers_nothing(page: Page, stage: AdminStage) -> None:
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("API token").fill(stage.token("workflow-reader", Role.READ))
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#workflows")).to_contain_text("4 completed")
    for name in ("Rehearse New welcome", "Retry Close dates, step –"):
        page.get_by_role("button", name=name).click(force=True)
        expect(page.locator("#message")).to_have_text("This needs a token of the role operate.")
        expect(page.get_by_role("dialog")).to_be_hidden()
    page.get_by_role("button", name="Runs of Deal won").click()
    page.get_by_role("button", name="Timeline").first.click(force=True)
    expect(page.locator(".refusal")).to_have_text("This needs a token of the role operate.")
    expect(page.locator("[data-timeline]")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1360, 375])
def test_it_is_legible_and_nothing_is_cut_off(
    browser: Browser, stage: AdminStage, tmp_path: Path, scheme: Any, width: int
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, timezone_id="UTC")
    page = context.new_page()
    sign_in(page, stage, view="workflows")
    page.get_by_role("button", name="Rehearse New welcome").click()
    expect(page.locator("[data-rehearsal]")).to_be_visible()
    page.get_by_role("button", name="Runs of Deal won").click()
    page.get_by_role("button", name="Timeline").first.click()
    expect(page.locator("[data-timeline]")).to_be_visible()
    ratios = page.evaluate(PROBES["contrasts"])
    assert min(ratio for ratio, _ in ratios) >= 4.5, sorted(ratios)[:3]
    assert page.evaluate("document.documentElement.scrollWidth") == width
    if width < 700:
        assert page.evaluate(PROBES["wide"]) == []
    folder = Path(os.environ.get("PICTURES", tmp_path))
    page.locator("#workflows").screenshot(path=folder / f"workflows-{scheme}-{width}.png")
    context.close()
