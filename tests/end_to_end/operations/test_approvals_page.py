"""Approvals on the page of operators, in a real browser: what waits, for whom, since when, and a confirmed decision."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from playwright.sync_api import Browser, Page, expect

from crm_relay.operations.access.tokens import create_token
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.http.callers import Role
from local.simulators.resend import ResendSimulator
from tests.conftest import fresh_database
from tests.support.edge_cache.edge_twin import EdgeTwin
from tests.support.operations.admin_stage import ADMIN, AdminStage, admin_stage
from tests.support.workflows.approval_stage import MANAGER, ApprovalStage, asking, user
from tests.support.workflows.run_harness import RunHarness

# With the page's other tests: one browser at a time.
pytestmark = pytest.mark.xdist_group("browser")


@dataclass
class BoardWithApprovals:
    """Max is asked for one that is overdue, Dora for another one in Max's place; nobody else's token decides."""

    stage: AdminStage
    approvals: ApprovalStage
    runs: dict[str, UUID]

    def token(self, name: str, person: UUID | None = None) -> str:
        made = create_token(
            self.stage.database, name, Role.OPERATE, expires_at=None, created_by="a test", now=utc_now(),
            user=None if person is None else str(person),
        )  # fmt: skip
        return made.token


@pytest.fixture(scope="module")
def board(postgres_url: str) -> Iterator[BoardWithApprovals]:
    with fresh_database(postgres_url) as url, admin_stage(url, table=EdgeTwin()) as made, ResendSimulator() as sim:
        time = [datetime.now(UTC) - timedelta(hours=3)]
        approvals = ApprovalStage(RunHarness(Database(url), sim, url, time))
        dora = approvals.person("dora")
        mina = approvals.person("mina", deputy_id=dora)
        approvals.away(mina)
        first = approvals.begin(asking(MANAGER, due="+1h"))
        time[0] = datetime.now(UTC) - timedelta(minutes=20)
        approvals.deal = approvals.runs.deal("Hull <b>7</b>", owner_id=approvals.olga)
        second = approvals.begin(asking(user(mina)))
        yield BoardWithApprovals(made, approvals, {"Engine": first, "Hull": second})
        approvals.runs.db.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1360, "height": 900}, timezone_id="UTC")
    found = context.new_page()
    said: list[str] = []
    found.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    found.on("pageerror", lambda error: said.append(f"error: {error}"))
    yield found
    context.close()
    assert [line for line in said if "403" not in line and "404" not in line] == []


def sign_in(page: Page, board: BoardWithApprovals, token: str = ADMIN) -> None:
    page.goto(f"{board.stage.base_url}/dashboard#/approvals")
    page.get_by_label("API token").fill(token)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("body[data-filled]")).to_be_attached()


def test_what_waits_is_shown_with_its_age_and_in_whose_place(page: Page, board: BoardWithApprovals) -> None:
    sign_in(page, board)
    expect(page.locator("#approvals-note")).to_have_text("2 waiting")
    rows = page.locator("#approvals tbody tr")
    expect(rows).to_have_count(2)
    for text in ("Engine", "Follow up", "Max", "Olga", "3.0 h", "due"):
        expect(rows.nth(0)).to_contain_text(text)
    for text in ("Hull <b>7</b>", "Dora", "as deputy of Mina", "20 min"):
        expect(rows.nth(1)).to_contain_text(text)
    expect(page.locator("#approvals button")).to_have_count(0)
    if folder := os.environ.get("PAGE_PICTURES"):
        page.locator("#approvals").screenshot(path=str(Path(folder) / "approvals.png"))


def test_a_role_that_reads_sees_nobodys_name(page: Page, board: BoardWithApprovals) -> None:
    sign_in(page, board, board.stage.token("reader", Role.READ))
    section = page.locator("#approvals")
    expect(section.locator("tbody tr")).to_have_count(2)
    for text in ("Engine", "Hull", "Max", "Dora", "Olga", "Mina"):
        expect(section).not_to_contain_text(text)


def test_a_decision_is_confirmed_and_then_counts(page: Page, board: BoardWithApprovals) -> None:
    sign_in(page, board, board.token("max", board.approvals.max))
    expect(page.locator("#approvals-note")).to_have_text("2 waiting · 1 for you")
    expect(page.locator("#approvals button")).to_have_count(3)
    page.get_by_role("button", name="Approve Engine").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Approve this?")
    expect(dialog).to_contain_text("Engine, requested by Olga. This cannot be taken back.")
    if folder := os.environ.get("PAGE_PICTURES"):
        page.screenshot(path=str(Path(folder) / "approvals_dialog.png"))
    dialog.get_by_role("button", name="Cancel").click()
    assert board.approvals.asked(board.runs["Engine"]) == ["max"]

    page.get_by_role("button", name="Approve Engine").click()
    dialog.get_by_label("Reason, kept with it").fill("Well done")
    dialog.get_by_role("button", name="Approve", exact=True).click()
    expect(page.locator("#message")).to_have_text("Approved. The workflow goes on.")
    expect(page.locator("#approvals-note")).to_have_text("1 waiting")
    (row,) = board.approvals.approvals(board.runs["Engine"])
    assert (row["status"], row["decided_via"], row["decided_with"], row["response_notes"]) == (
        "approved", "page", "max", "Well done",
    )  # fmt: skip


def test_an_approval_is_handed_on_to_a_colleague_who_may_decide(page: Page, board: BoardWithApprovals) -> None:
    stage = board.approvals
    stage.person("frida", role="partner"), stage.person("gone", is_active=False)
    board.approvals.deal = stage.runs.deal("Mast", owner_id=stage.olga)
    run = stage.begin(asking(MANAGER))
    sign_in(page, board, board.token("max.again", stage.max))
    page.get_by_role("button", name="Hand on Mast").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Hand this on?")
    expect(dialog).to_contain_text("Mast, requested by Olga. The colleague decides instead of you")
    choices = dialog.get_by_label("To", exact=True)
    expect(choices.locator("option")).to_have_text(["Dora", "Frida (partner)", "Mina – away"])
    dialog.get_by_role("button", name="Cancel").click()
    assert stage.asked(run) == ["max"]

    page.get_by_role("button", name="Hand on Mast").click()
    choices.select_option(label="Frida (partner)")
    dialog.get_by_label("Reason, kept with it").fill("She knows the ship")
    if folder := os.environ.get("PAGE_PICTURES"):
        page.screenshot(path=str(Path(folder) / "approvals_hand_on.png"))
    dialog.get_by_role("button", name="Hand on", exact=True).click()
    expect(page.locator("#message")).to_have_text("Handed on. The colleague is asked within a minute.")
    (row,) = stage.approvals(run)
    assert (row["status"], row["delegated_to"], row["decided_via"], row["delegation_reason"]) == (
        "delegated", stage.people["frida"], "page", "She knows the ship",
    )  # fmt: skip
    stage.tick(minutes=40)
    assert stage.asked(run) == ["frida"]
    page.reload()
    expect(page.locator("#approvals tbody tr").filter(has_text="Mast")).to_contain_text("handed on, for Max")


def test_a_narrow_screen_has_cards(browser: Browser, board: BoardWithApprovals) -> None:
    context = browser.new_context(viewport={"width": 375, "height": 812})
    page = context.new_page()
    sign_in(page, board)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    expect(page.locator("#approvals")).to_contain_text("Hull")
    context.close()


def test_the_page_behind_a_link_works_without_script(browser: Browser, board: BoardWithApprovals) -> None:
    context = browser.new_context(viewport={"width": 900, "height": 800}, java_script_enabled=False)
    page = context.new_page()
    token = board.approvals.token(board.approvals.people["dora"])
    page.goto(f"{board.stage.base_url}/approvals/{token}")
    expect(page.get_by_role("heading", name="Your approval is needed")).to_be_visible()
    expect(page.get_by_text("In place of")).to_be_visible()
    if folder := os.environ.get("PAGE_PICTURES"):
        page.screenshot(path=str(Path(folder) / "approval_link.png"))
    page.get_by_label("A note, if you like").fill("Not this year")
    page.get_by_role("button", name="Reject").click()
    expect(page.get_by_role("heading", name="Rejected")).to_be_visible()
    if folder := os.environ.get("PAGE_PICTURES"):
        page.screenshot(path=str(Path(folder) / "approval_done.png"))
    (row,) = board.approvals.approvals(board.runs["Hull"])
    assert (row["status"], row["decided_via"], row["response_notes"]) == ("rejected", "link", "Not this year")
    context.close()
