"""The operator's page as a person opens it: signed in, at one of its views."""

from typing import Any

from playwright.sync_api import Browser, Page, expect

from tests.support.operations.admin_stage import ADMIN, AdminStage
from tests.support.source_tree import ROOT

PHONE = {"width": 375, "height": 812}
DESKTOP = {"width": 1360, "height": 900}
PROBES = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "support" / "probes").glob("*.js")}
VIEWS = (
    "overview",
    "people",
    "campaigns",
    "outreach",
    "sync",
    "integrity",
    "incidents",
    "workflows",
    "approvals",
    "notifications",
    "connections",
    "settings",
)


class WatchedPage:
    """A page, everything that its console said, and the addresses that it asked for."""

    def __init__(self, browser: Browser, stage: AdminStage, address: str = "", **context: Any) -> None:
        self.base_url = stage.base_url
        self.context = browser.new_context(**{"viewport": DESKTOP, "timezone_id": "UTC"} | context)
        self.page: Page = self.context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.said.append(f"error: {error}"))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(f"{stage.base_url}/dashboard{address}")

    def sign_in(self, token: str = ADMIN, *, view: str | None = None) -> Page:
        """At the view of the page's address, or at another one."""
        if view is not None:
            self.page.evaluate("view => { location.hash = `#/${view}` }", view)
        self.page.get_by_label("API token").fill(token)
        self.page.get_by_role("button", name="Sign in").click()
        try:
            expect(self.page.locator("body[data-filled]")).to_be_attached()
        except AssertionError:
            raise AssertionError(f"the view was not filled; the console said {self.said}") from None
        return self.page

    def open(self, view: str) -> Page:
        """Another view of a page that is signed in."""
        try:
            return open_view(self.page, view)
        except AssertionError:
            raise AssertionError(f"{view} was not filled; the console said {self.said}") from None


def open_view(page: Page, view: str) -> Page:
    """By its address below #/, as a link would; until it is filled."""
    page.evaluate(_GO, f"#/{view}")
    expect(page.locator(f"body[data-view='{view.split('/')[0].split('?')[0]}'][data-filled]")).to_be_attached()
    return page


_GO = """address => {
    delete document.body.dataset.filled;
    if (location.hash === address) window.dispatchEvent(new HashChangeEvent("hashchange"));
    else location.hash = address;
}"""
