"""`make pictures`: the pictures of the page in docs/, taken of a running demo with the demo's own data."""

import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, expect
from rich.console import Console

from crm_relay.operations.access.sign_in import make_link
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.http.callers import Role
from local.stack_file import running_stack
from tests.support.operations.page import open_view
from tests.support.operations.panels import read_panels
from tests.support.platform.rows import one
from tests.support.processes.browser import chromium
from tests.support.source_tree import ROOT

PICTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "dashboard": ("overview", {"viewport": {"width": 1360, "height": 1000}}),
    "dashboard-dark": ("campaigns/{campaign}", {"viewport": {"width": 1360, "height": 1000}, "color_scheme": "dark"}),
    "dashboard-phone": ("people/{person}", {"viewport": {"width": 375, "height": 812}}),
}
"""Name in docs/ -> the view, and how it is looked at."""

_CAMPAIGN = """select campaign_id as id from email_sends where campaign_id is not null
    group by 1 order by count(*) desc, 1 limit 1"""
_PERSON = """select address as id from email_sends where address is not null
    group by 1 order by count(*) desc, max(human_opens) desc, 1 limit 1"""


def take_pictures(browser: Browser, base_url: str, database: Database, folder: Path) -> list[Path]:
    """Each by a link of its own; fails where a person would read what a program meant."""
    known = {"campaign": one(database, _CAMPAIGN)["id"], "person": one(database, _PERSON)["id"]}
    return [_picture(browser, base_url, database, folder / f"{name}.png", known) for name in PICTURES]


def _picture(browser: Browser, base_url: str, database: Database, path: Path, known: dict[str, Any]) -> Path:
    view, options = PICTURES[path.stem]
    context = browser.new_context(**{"timezone_id": "UTC"} | options)
    page = context.new_page()
    link = make_link(database, Role.OPERATE, utc_now(), minutes=5, created_by="make pictures")
    page.goto(link.address(base_url))
    expect(page.locator("body[data-filled]")).to_be_attached()
    open_view(page, view.format(**known))
    read_panels(page)
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = false")
    page.evaluate("document.activeElement.blur()")
    page.mouse.move(0, 0)
    page.screenshot(path=path, animations="disabled")
    context.close()
    return path


def main() -> int:
    """Exit status 1: no demo is running."""
    stack = running_stack()
    if stack is None:
        Console(stderr=True).print("start the demo first: make demo")
        return 1
    database = Database(str(stack["database_url"]))
    with chromium() as browser:
        for path in take_pictures(browser, str(stack["base_url"]), database, ROOT / "docs"):
            Console().print(str(path.relative_to(ROOT)))
    database.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
