"""The head of the operator's page in a real browser: it never says that all is well where nobody has looked."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from crm_relay.operations.access.sign_in import make_link
from crm_relay.platform.clock import utc_now
from crm_relay.platform.http.callers import Role
from tests.conftest import fresh_database
from tests.support.edge_cache.edge_twin import EdgeTwin
from tests.support.operations.admin_stage import AdminStage, admin_stage
from tests.support.operations.board import plant_board
from tests.support.operations.page import WatchedPage, open_view
from tests.support.platform.rows import add_customer, one

pytestmark = pytest.mark.xdist_group("browser")

GREEN = "● Nothing is open"
DASHBOARD = "**/api/dashboard?*"


@pytest.fixture(scope="module")
def stage(postgres_url: str) -> Iterator[AdminStage]:
    with fresh_database(postgres_url) as url, admin_stage(url, table=EdgeTwin()) as made:
        plant_board(made.database, utc_now())
        yield made


@pytest.fixture
def watched(browser: Browser, stage: AdminStage) -> Iterator[WatchedPage]:
    made = WatchedPage(browser, stage)
    yield made
    made.context.close()


def all_is_well(answer: dict[str, Any]) -> None:
    answer["outstanding"] = dict.fromkeys(answer["outstanding"], 0)
    answer["sending_stops"] = []
    answer["status"]["healthy"] = True
    now = utc_now().isoformat()
    answer["status"]["mautic"] |= {"last_started_at": now, "last_finished_at": now, "last_failed": 0}


def answered(page: Page, *changes: Callable[[dict[str, Any]], None]) -> None:
    """What the API says from now on: its own answer with these changes."""

    def serve(route: Route) -> None:
        found = route.fetch()
        body = found.json()
        for change in changes:
            change(body)
        route.fulfill(response=found, body=json.dumps(body))

    page.unroute(DASHBOARD)
    page.route(DASHBOARD, serve)


def away(page: Page) -> None:
    page.unroute(DASHBOARD)
    page.route(DASHBOARD, lambda route: route.fulfill(status=503, body='{"error": "the database is away"}'))


def unknown(page: Page) -> None:
    expect(page.locator("#verdict")).to_contain_text("Not known since")
    expect(page.locator("#verdict")).to_have_attribute("data-state", "unknown")


def green(watched: WatchedPage, view: str) -> Page:
    answered(watched.page, all_is_well)
    page = watched.sign_in(view=view)
    expect(page.locator("#verdict")).to_have_text(GREEN)
    return page


def test_a_look_that_failed_leaves_no_green_head(watched: WatchedPage) -> None:
    page = green(watched, "overview")
    away(page)
    page.get_by_role("button", name="Refresh").click()
    expect(page.locator("#message")).to_have_text("the database is away")
    unknown(page)
    answered(page, all_is_well)
    page.get_by_role("button", name="Refresh").click()
    expect(page.locator("#verdict")).to_have_text(GREEN)


def test_a_look_that_is_never_answered_leaves_no_green_head(watched: WatchedPage) -> None:
    watched.page.clock.install()
    watched.page.reload()
    page = green(watched, "overview")
    page.unroute(DASHBOARD)
    page.route(DASHBOARD, lambda _route: None)
    page.clock.run_for(150_000)
    unknown(page)


def test_the_head_goes_on_while_somebody_writes_in_the_view(watched: WatchedPage) -> None:
    watched.page.clock.install()
    watched.page.reload()
    page = green(watched, "people")
    page.locator("#search").fill("an")
    answered(page, all_is_well, lambda answer: answer["outstanding"].update(incidents=3))
    page.clock.run_for(40_000)
    expect(page.locator("#truth")).to_contain_text("3 incidents open")
    expect(page.locator("#verdict")).to_have_text("■ Needs a look")
    expect(page.locator("#search")).to_have_value("an")


def test_a_view_that_fails_does_not_keep_the_head_from_the_truth(watched: WatchedPage) -> None:
    page = green(watched, "overview")
    page.route("**/api/activity?*", lambda route: route.fulfill(status=503, body='{"error": "no plot now"}'))
    answered(page, all_is_well, lambda answer: answer["outstanding"].update(incidents=2))
    page.get_by_role("button", name="Refresh").click()
    expect(page.locator("#message")).to_have_text("no plot now")
    expect(page.locator("#verdict")).to_have_text("■ Needs a look")


def test_a_sync_to_mautic_whose_schedule_stopped_is_not_healthy(watched: WatchedPage) -> None:
    page = green(watched, "overview")
    tile = page.locator("#health .tile", has_text="PostgreSQL to Mautic")
    expect(tile).to_contain_text("healthy")
    stopped = (utc_now() - timedelta(days=3)).isoformat()
    answered(
        page,
        all_is_well,
        lambda answer: answer["status"]["mautic"].update(last_started_at=stopped, last_finished_at=stopped),
    )
    page.get_by_role("button", name="Refresh").click()
    expect(tile).to_contain_text("late")
    expect(tile).not_to_contain_text("healthy")
    expect(page.locator("#verdict")).to_have_text("▲ Something waits")
    expect(page.locator("#truth")).to_contain_text("the sync to Mautic late")


def test_a_link_of_another_role_ends_what_was_known_of_the_last_one(watched: WatchedPage, stage: AdminStage) -> None:
    page = watched.sign_in(view="incidents")
    expect(page.locator("#who")).to_contain_text("(admin)")
    for role in (Role.READ, Role.OPERATE):
        link = make_link(stage.database, role, utc_now(), minutes=5, created_by="a test")
        page.evaluate("address => { location.hash = address }", f"#/sign-in/{link.code}")
        expect(page.locator("#who")).to_contain_text(f"({role.name.lower()})")
        expect(page.locator("#message")).to_have_text("")
        open_view(page, "incidents")
    assert [line for line in watched.said if "403" in line] == []


def test_a_link_that_cannot_be_exchanged_says_so(watched: WatchedPage, stage: AdminStage) -> None:
    link = make_link(stage.database, Role.READ, utc_now(), minutes=5, created_by="a test")
    watched.page.route("**/api/session", lambda route: route.abort())
    watched.page.evaluate("address => { location.hash = address }", f"#/sign-in/{link.code}")
    expect(watched.page.locator("#message")).to_have_text("The API cannot be reached: open the link once more")
    assert [line for line in watched.said if line.startswith("error: TypeError")] == []


def test_what_was_done_is_said_where_the_page_cannot_be_read_after_it(watched: WatchedPage, stage: AdminStage) -> None:
    page = watched.sign_in(view="incidents")
    put_off = page.locator("[data-do=snooze]").first
    put_off.click()
    away(page)
    page.get_by_role("button", name="Put off", exact=True).last.click()
    expect(page.locator("#message")).to_have_text(
        "The incident is put off. What is shown is from before: the database is away."
    )
    assert one(stage.database, "select count(*) as number from incidents where snoozed_until > now()")["number"] == 1
    unknown(page)


def test_a_hostile_address_is_one_word_of_the_command_to_copy(watched: WatchedPage, stage: AdminStage) -> None:
    hostile = "$(reboot)'`x`@example.com"
    add_customer(stage.database, hostile)
    page = watched.sign_in(view="people")
    page.evaluate("who => { location.hash = `#/people/${encodeURIComponent(who)}` }", hostile)
    expect(page.locator("#may dl.commands code").last).to_have_text(r"crm-relay erase '$(reboot)'\''`x`@example.com'")
