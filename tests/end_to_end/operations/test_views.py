"""Every view of the operator's page in a real browser: what a person reads, in both themes and at phone width."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from crm_relay.platform.clock import utc_now
from tests.conftest import fresh_database
from tests.support.edge_cache.edge_twin import EdgeTwin
from tests.support.operations.admin_stage import AdminStage, admin_stage
from tests.support.operations.board import plant_board
from tests.support.operations.page import DESKTOP, PHONE, PROBES, VIEWS, WatchedPage
from tests.support.operations.panels import read_panels
from tests.support.platform.rows import one

# With the page's other tests: one browser at a time.
pytestmark = pytest.mark.xdist_group("browser")


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
    assert [line for line in made.said if "401" not in line and "403" not in line] == []


def addresses(stage: AdminStage) -> list[str]:
    """Every view, and what has an address of its own below one."""
    campaign = one(stage.database, "select id from campaigns where status = 'active' order by name limit 1")["id"]
    mail = one(stage.database, "select id, campaign_id from email_sends where address is not null order by id limit 1")
    person = one(stage.database, "select address from email_sends where address is not null order by id limit 1")
    below = [
        f"campaigns/{campaign}",
        f"campaigns/{mail['campaign_id']}/mails/{mail['id']}",
        "people?q=person",
        f"people/{person['address']}",
    ]
    return [*VIEWS, *below]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_person_reads_words_and_numbers_in_every_view(
    browser: Browser, stage: AdminStage, tmp_path: Path, scheme: Any, viewport: Any
) -> None:
    made = WatchedPage(browser, stage, "#/overview", viewport=viewport, color_scheme=scheme)
    made.sign_in()
    folder = Path(os.environ.get("PAGE_PICTURES", tmp_path))
    for address in addresses(stage):
        page = made.open(address)
        panels = read_panels(page)
        assert panels, address
        ratios = page.evaluate(PROBES["contrasts"])
        assert min(ratio for ratio, _ in ratios) >= 4.5, (address, sorted(ratios)[:3])
        assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"], address
        assert page.evaluate(PROBES["wide"]) == [], address
        page.evaluate("for (const one of document.querySelectorAll('details')) one.open = false")
        page.evaluate("document.activeElement.blur()")
        name = address.split("?")[0].replace("/", "-")[:32]
        page.screenshot(path=folder / f"{name}-{scheme}-{viewport['width']}.png", full_page=True)
    assert made.said == []
    made.context.close()
