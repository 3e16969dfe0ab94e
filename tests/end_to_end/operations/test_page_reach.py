"""Every view by keyboard, for a screen reader, with hostile data, and in at most three requests."""

import importlib.util
import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from crm_relay.operations.dashboard.page import PAGE_HEADERS
from crm_relay.platform.clock import utc_now
from tests.conftest import fresh_database
from tests.end_to_end.operations.test_views import addresses
from tests.support.edge_cache.edge_twin import EdgeTwin
from tests.support.operations.admin_stage import AdminStage, admin_stage
from tests.support.operations.board import plant_board
from tests.support.operations.page import PHONE, PROBES, WatchedPage, open_view
from tests.support.operations.panels import read_panels
from tests.support.platform.rows import one, rows_of

# With the page's other tests: one browser at a time.
pytestmark = pytest.mark.xdist_group("browser")
MOST_REQUESTS = 3
SERIOUS = {"serious", "critical"}
LONG = "Wide" * 60
RIGHT_TO_LEFT = "\u202eevil\u202c שלום <b>bold</b>"
MARKUP = "<img src=x onerror=alert(1)><script>alert(2)</script>"


@pytest.fixture
def stage(postgres_url: str) -> Iterator[AdminStage]:
    with fresh_database(postgres_url) as url, admin_stage(url, table=EdgeTwin()) as made:
        plant_board(made.database, utc_now())
        yield made


@pytest.fixture
def watched(browser: Browser, stage: AdminStage) -> Iterator[WatchedPage]:
    made = WatchedPage(browser, stage)
    yield made
    made.context.close()
    # The console has a line of every answer 404, whenever it gets to it.
    assert [line for line in made.said if "404" not in line] == []


def test_no_view_has_a_serious_finding_of_axe(watched: WatchedPage, stage: AdminStage) -> None:
    if importlib.util.find_spec("axe_playwright_python") is None:
        said = "axe-playwright-python is not installed: make .venv/.dev"
        if os.environ.get("CI"):
            pytest.fail(said)
        pytest.skip(said)
    from axe_playwright_python.sync_playwright import Axe

    page = watched.sign_in()
    for address in addresses(stage):
        open_view(page, address)
        page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        found = Axe().run(page).response
        wrong = {
            each["id"]: each["nodes"][0]["html"][:120] for each in found["violations"] if each["impact"] in SERIOUS
        }
        assert wrong == {}, address
        assert found["passes"], "axe looked at nothing"


def test_every_view_is_filled_by_three_requests_at_most(watched: WatchedPage, stage: AdminStage) -> None:
    page = watched.sign_in()
    for address in addresses(stage):
        watched.asked.clear()
        open_view(page, address)
        asked = [each for each in watched.asked if "/api/" in each]
        assert 1 <= len(asked) <= MOST_REQUESTS, (address, asked)


def test_the_page_runs_its_own_files_and_asks_no_other_host(watched: WatchedPage, stage: AdminStage) -> None:
    page = watched.sign_in()
    for address in addresses(stage):
        open_view(page, address)
    assert {each.startswith(f"{stage.base_url}/") for each in watched.asked} == {True}
    policy = PAGE_HEADERS["content-security-policy"]
    assert "unsafe" not in policy
    answer = stage.call("GET", "/dashboard", token=None)
    assert answer.headers["content-security-policy"] == policy
    assert "style=" not in answer.text
    assert page.locator("[style], style, script:not([src])").count() == 0


def test_hostile_names_break_no_view(browser: Browser, stage: AdminStage) -> None:
    database = stage.database
    rows_of(database, "update campaigns set name = :name where name = 'Spring launch'", name=LONG)
    rows_of(database, "update campaigns set name = :name where name = 'Win back'", name=RIGHT_TO_LEFT)
    rows_of(database, "update campaign_sequences set subject = :text where step_number = 1", text=MARKUP)
    rows_of(database, "update contacts set first_name = :text, last_name = :long", text=MARKUP, long=LONG)
    rows_of(database, "update incidents set subject = :text, title = :long", text=MARKUP, long=LONG)
    rows_of(database, "update failed_tasks set error = :text", text=MARKUP + LONG)
    rows_of(database, "update email_sends set subject = :text", text=MARKUP + RIGHT_TO_LEFT)
    for viewport in (PHONE, {"width": 1360, "height": 900}):
        made = WatchedPage(browser, stage, viewport=viewport)
        page = made.sign_in()
        for address in addresses(stage):
            made.open(address)
            read_panels(page)
            assert page.locator("#view script, #view img, #view b").count() == 0, address
            assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"], address
            assert page.evaluate(PROBES["wide"]) == [], address
        assert made.said == []
        made.context.close()


def test_an_address_that_is_none_leads_to_the_overview_and_one_of_nobody_says_so(
    watched: WatchedPage, stage: AdminStage
) -> None:
    page = watched.sign_in()
    for address in ("#/constructor", "#/__proto__/x", "#/%E0%A4%A", "#", "#/"):
        page.evaluate("address => { delete document.body.dataset.filled; location.hash = address }", address)
        expect(page.locator("body[data-view=overview]")).to_be_attached()
    page.evaluate("location.hash = '#/campaigns/6a0f6f3e-0000-4000-8000-000000000000'")
    expect(page.locator("#message")).to_have_text("there is no such campaign")


def test_a_plot_is_read_by_the_arrow_keys_and_has_its_table(watched: WatchedPage, stage: AdminStage) -> None:
    page = watched.sign_in()
    today = one(
        stage.database,
        """select count(*) filter (where status = 'delivered') as delivered
           from email_sends where queued_at >= date_trunc('day', now() at time zone 'UTC') at time zone 'UTC'""",
    )
    plot = page.locator("[data-plot=mails]")
    plot.focus()
    page.keyboard.press("End")
    readout = page.locator(".figure", has=plot).locator(".readout")
    expect(readout).to_contain_text(f"{today['delivered']} delivered")
    page.keyboard.press("Home")
    expect(readout).to_contain_text("0 delivered")
    page.locator(".figure", has=plot).get_by_text("Numbers as a table").click()
    cells = page.locator("[aria-label^='Mails by what became of them, in numbers'] tbody tr").first.locator("td")
    assert cells.nth(1).inner_text() == str(today["delivered"])
    box = plot.locator("svg").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.95, box["y"] + 20)
    expect(readout).to_contain_text(f"{today['delivered']} delivered")


def test_a_single_day_is_a_bar_and_a_rate_of_few_is_a_count(watched: WatchedPage, stage: AdminStage) -> None:
    rows_of(stage.database, "delete from provider_performance_history where snapshot_date < current_date - 1")
    rows_of(
        stage.database,
        "update provider_performance_history set sent_since = 7, replies_since = 3 where email_provider = 'Other'",
    )
    page = watched.sign_in(view="outreach")
    expect(page.locator("[data-plot=rates]")).to_have_attribute("data-drawn", "beside")
    others = page.locator("#providers .legend li", has_text="Other")
    days = one(stage.database, "select count(distinct snapshot_date) as n from provider_performance_history")["n"]
    assert "%" not in others.inner_text()
    expect(others).to_contain_text(f"{3 * days} of {7 * days}")
    assert page.locator("#providers path[d*=Z]").count() == 0


def test_every_view_is_reached_and_used_by_keyboard_alone(watched: WatchedPage) -> None:
    page = watched.sign_in()
    for name in ("People", "Campaigns", "Incidents"):
        page.get_by_role("link", name=name, exact=name != "Incidents").focus()
        page.keyboard.press("Enter")
        expect(page.locator("#view-title")).to_have_text(name)
        expect(page.locator("#main")).to_be_focused()
    expect(page.locator("body[data-filled]")).to_be_attached()
    page.get_by_role("button", name="Put off").first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("button", name="Put off").first).to_be_focused()
