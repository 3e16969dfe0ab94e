"""Notifications on the operator's page, in a real browser: counts, templates, a colleague's settings, the week."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from crm_relay.notifications.overview.show_deliveries import show_channels
from crm_relay.platform.clock import utc_now
from crm_relay.platform.http.callers import Role
from tests.conftest import fresh_database
from tests.support.edge_cache.edge_twin import EdgeTwin
from tests.support.notifications.planted_week import PlantedWeek, plant_week
from tests.support.operations.admin_stage import ADMIN, AdminStage, admin_stage
from tests.support.platform.rows import rows_of
from tests.support.source_tree import ROOT

# With the page's other tests: one browser at a time.
pytestmark = pytest.mark.xdist_group("browser")
SENDER = {"EMAIL_FROM": "CRM <crm@example.com>"}
PROBES = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "support" / "probes").glob("*.js")}


@pytest.fixture(scope="module")
def stage(postgres_url: str) -> Iterator[AdminStage]:
    with fresh_database(postgres_url) as url, admin_stage(url, table=EdgeTwin(), settings=SENDER) as made:
        yield made


@pytest.fixture(scope="module")
def week(stage: AdminStage) -> PlantedWeek:
    return plant_week(stage.database, utc_now())


@pytest.fixture
def page(browser: Browser, stage: AdminStage, week: PlantedWeek) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1360, "height": 900}, timezone_id="UTC")
    found = context.new_page()
    said: list[str] = []
    found.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    found.on("pageerror", lambda error: said.append(f"error: {error}"))
    sign_in(found, stage)
    yield found
    context.close()
    assert [line for line in said if "403" not in line and "404" not in line] == []


def sign_in(page: Page, stage: AdminStage, token: str = ADMIN, *, view: str = "notifications") -> None:
    page.goto(f"{stage.base_url}/dashboard#/{view}")
    page.get_by_label("API token").fill(token)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("body[data-filled]")).to_be_attached()


def cells(page: Page, part: str, table: str) -> dict[str, list[str]]:
    """By the first cell of each row, the texts of the others."""
    rows = page.locator(f"#{part} [aria-label='{table}'] tbody tr")
    texts = [row.locator("td").evaluate_all(PROBES["texts"]) for row in rows.all()]
    return {first: others for first, *others in texts}


def look_up(page: Page, who: str) -> None:
    page.get_by_label("E-mail address or user id of a colleague").fill(who)
    page.get_by_role("button", name="Show", exact=True).click()


def test_every_number_is_that_of_the_tables(page: Page, stage: AdminStage) -> None:
    found = cells(page, "notifications", "Notifications by channel")
    for each in show_channels(stage.database, utc_now()):
        there = found[each.channel.replace("_", " ")]
        figures = [each.due, sum(each.held.values()), each.in_digests]
        assert there[:3] == [str(figure) for figure in figures]
        assert there[4:7] == [str(figure) for figure in (each.on_the_way, each.sent, sum(each.skipped.values()))]
    expect(page.locator("#notifications-note")).to_have_text("5 held · 5 in digests · 2 failed or unknown")
    expect(page.locator("#notifications")).to_contain_text("do not disturb 5")
    expect(page.locator("#notifications")).to_contain_text("1 failed, 1 unknown")


def test_a_template_is_previewed_as_text(page: Page) -> None:
    assert len(cells(page, "notifications", "Templates")) == 9
    page.get_by_role("button", name="Preview Deal closed won").click()
    preview = page.locator("[data-preview=deal_closed_won]")
    expect(preview).to_contain_text("Deal won: Sample deal name")
    expect(preview).to_contain_text("Values in it are made up: deal.name, deal.value.")
    expect(preview).to_contain_text("12,500.00")
    page.get_by_role("button", name="Preview Deal closed won").click()
    expect(preview).to_have_count(0)


def test_a_template_that_cannot_be_sent_says_why(page: Page, stage: AdminStage) -> None:
    rows_of(
        stage.database,
        """insert into notification_templates (org_id, name, slug, category, title_template, message_template)
           values (default_org_id(), '<i>Own</i>', 'own', 'deal', '{{deal.owner}}', 'x')""",
    )
    page.get_by_role("button", name="Refresh").click()
    row = page.locator("#notifications tr", has_text="own v1")
    expect(row).to_contain_text("cannot be sent")
    expect(row).to_contain_text("title_template: the template names unknown variables: deal.owner")
    expect(row).to_contain_text("<i>Own</i>")
    rows_of(stage.database, "delete from notification_templates where slug = 'own'")


def test_a_colleagues_settings_are_shown_as_they_act(page: Page, week: PlantedWeek) -> None:
    look_up(page, "cleo@example.com")
    row = page.locator("#colleague tr", has_text="assignment")
    expect(row).to_contain_text("daily digest")
    expect(row).to_contain_text("own choice")
    expect(row).to_contain_text("email")
    expect(row).to_contain_text("in a digest")
    look_up(page, str(week.bob))
    expect(page.locator("#colleague tr", has_text="assignment")).to_contain_text("held")
    expect(page.locator("#colleague tr", has_text="mention")).to_contain_text("as delivered")


def test_the_simulated_week_compares_and_changes_nothing(page: Page, stage: AdminStage) -> None:
    before = rows_of(stage.database, "select * from notification_preferences order by id")
    look_up(page, "ada@example.com")
    form = page.get_by_role("form", name="Other settings")
    form.get_by_label("how often").select_option("daily_digest")
    form.get_by_role("button", name="Simulate the last week").click()
    email = page.locator("#week tr", has_text="email")
    expect(email).to_contain_text("5 at once")
    expect(email).to_contain_text("digest")
    expect(email).to_contain_text("fewer")
    form.get_by_label("how often").select_option("never")
    form.get_by_role("button", name="Simulate the last week").click()
    expect(email).to_contain_text("5 muted")
    form.get_by_label("how often").select_option("")
    form.get_by_label("in app").check()
    form.get_by_role("button", name="Simulate the last week").click()
    expect(email).to_contain_text("5 fewer")
    assert rows_of(stage.database, "select * from notification_preferences order by id") == before


def test_a_role_that_merely_reads_sees_counts_and_nobodys_settings(page: Page, stage: AdminStage) -> None:
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("API token").fill(stage.token("looker", Role.READ))
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#notifications-note")).to_contain_text("held")
    look_up(page, "ada@example.com")
    expect(page.locator("#message")).to_contain_text("role")
    expect(page.locator("#colleague .body")).to_be_empty()


def test_nobody_of_that_name_is_said_in_words(page: Page) -> None:
    look_up(page, "nobody@example.com")
    expect(page.locator("#message")).to_have_text("there is no such user")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1360, 375])
def test_it_is_legible_and_nothing_is_cut_off(
    browser: Browser, stage: AdminStage, week: PlantedWeek, tmp_path: Path, scheme: Any, width: int
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, timezone_id="UTC")
    page = context.new_page()
    sign_in(page, stage)
    look_up(page, "bob@example.com")
    page.get_by_role("button", name="Simulate the last week").click()
    expect(page.locator("#week tr", has_text="email")).to_be_visible()
    page.get_by_role("button", name="Preview Task assigned").click()
    expect(page.locator("[data-preview=task_assigned]")).to_be_visible()
    ratios = page.evaluate(PROBES["contrasts"])
    assert min(ratio for ratio, _ in ratios) >= 4.5, sorted(ratios)[:3]
    assert page.evaluate("document.documentElement.scrollWidth") == width
    if width < 700:
        assert page.evaluate(PROBES["wide"]) == []
    folder = Path(os.environ.get("PICTURES", tmp_path))
    for part in ("notifications", "colleague"):
        page.locator(f"#{part}").screenshot(path=folder / f"{part}-{scheme}-{width}.png")
    context.close()
