"""Connections on the page of operators, in a real browser: what is read, and what a press leaves in the tables."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from crm_relay.platform.database import Database, Row
from crm_relay.platform.http.callers import Role
from tests.conftest import fresh_database
from tests.support.connections.connection_stage import ConnectionStage
from tests.support.connections.ledger_simulator import KEY, Book, LedgerSimulator
from tests.support.edge_cache.edge_twin import EdgeTwin
from tests.support.operations.admin_stage import ADMIN, AdminStage, admin_stage
from tests.support.platform.rows import one, rows_of
from tests.support.source_tree import ROOT

PROBES = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "support" / "probes").glob("*.js")}
CUT_OFF = """found => found.filter((one) => {
    const { left, right } = one.getBoundingClientRect();
    return left < 0 || right > innerWidth;
}).map((one) => one.textContent)"""
NO_TEXT = re.compile(r"\[object|undefined|NaN|null|Invalid Date")
SPENT_OF_MONTH, REQUESTS_OF_MONTH = 1900, 2000

# With the page's other tests: one browser at a time.
pytestmark = pytest.mark.xdist_group("browser")


@dataclass
class BoardWithConnections:
    """One account by a key in step, one by OAuth with a reject, one in error, one whose grant is refused; two wait."""

    stage: AdminStage
    connections: ConnectionStage
    ids: dict[str, UUID]

    def row(self, name: str) -> Row:
        return self.connections.row(self.ids[name])


@pytest.fixture(scope="module")
def board(postgres_url: str) -> Iterator[BoardWithConnections]:
    with (
        fresh_database(postgres_url) as url,
        LedgerSimulator() as ledger,
        admin_stage(url, table=EdgeTwin()) as made,
    ):
        db = Database(url)
        stage = ConnectionStage(db, url, ledger.url)
        yield BoardWithConnections(made, stage, seeded(stage, ledger))
        db.close()


def seeded(stage: ConnectionStage, ledger: LedgerSimulator) -> dict[str, UUID]:
    """What a run of integration_sync leaves, and ends of the month and of grants that are near."""
    stage.contact("ada@example.com", first_name="Ada")
    ids = {"In step": stage.connect(label="In step")}
    stage.run()
    ledger.books["second"] = Book()
    ledger.refused_words.add("Refused")
    stage.contact("bob@example.com", first_name="Refused")
    budget = {"book": "second", "monthly_requests": REQUESTS_OF_MONTH}
    ids["Rejects <b>1</b>"] = stage.connect(budget, ledger.grant(), label="Rejects <b>1</b>")
    stage.run()
    rows_of(
        stage.db,
        "update integration_limits set used = :used where scope like '%:' || :id",
        used=SPENT_OF_MONTH,
        id=str(ids["Rejects <b>1</b>"]),
    )
    rows_of(
        stage.db,
        """update integration_secrets set refresh_expires_at = now() + interval '5 days 1 hour'
           where connection_id = :id""",
        id=ids["Rejects <b>1</b>"],
    )
    rows_of(
        stage.db,
        """insert into integration_sync_logs (connection_id, direction, records_created, errors, started_at)
           values (:id, 'both', null, '[{"code": "as SQL wrote it"}, null, "x"]', null),
               (:id, 'both', 0, null, now())""",
        id=ids["Rejects <b>1</b>"],
    )
    ids["Failing"] = stage.connect(label="Failing")
    rows_of(
        stage.db,
        """update integration_connections
           set status = 'error', error_count = 3, error_message = 'the vendor answered 500',
               next_sync_at = now() + interval '1 hour'
           where id = :id""",
        id=ids["Failing"],
    )
    ids["Refused"] = stage.connect(credentials=ledger.grant(), label="Refused")
    rows_of(stage.db, "update integration_connections set held_for = 'reconnect' where id = :id", id=ids["Refused"])
    ids |= waiting(stage, ledger)
    return ids


def waiting(stage: ConnectionStage, ledger: LedgerSimulator) -> dict[str, UUID]:
    """One that was only previewed, and one whose book shows none of its people any more."""
    ledger.books |= {"third": Book(), "fourth": Book()}
    ledger.add({"f_mail": "ada@example.com"}, "third")
    ledger.add({"f_mail": "there@example.com"}, "third")
    ids = {"First look": stage.connect({"book": "third"}, label="First look", confirmed=False)}
    stage.run()
    for number in range(8):
        ledger.add({"f_mail": f"gone{number}@example.com"}, "fourth")
    settings = {"book": "fourth", "direction": "in", "when_removed_there": "archive"}
    ids["Shrunk"] = stage.connect(settings, label="Shrunk")
    stage.run()
    ledger.books["fourth"].people.clear()
    stage.open(ids["Shrunk"]).sync(complete=True)
    return ids


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1360, "height": 900}, timezone_id="UTC")
    found = context.new_page()
    said: list[str] = []
    found.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    found.on("pageerror", lambda error: said.append(f"error: {error}"))
    yield found
    context.close()
    assert said == []  # a violation of the content security policy is told here


def sign_in(page: Page, board: BoardWithConnections, token: str = ADMIN) -> Locator:
    page.goto(f"{board.stage.base_url}/dashboard#/connections")
    page.get_by_label("API token").fill(token)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("body[data-filled]")).to_be_attached()
    return page.locator("#connections")


def line(page: Page, name: str) -> Locator:
    return page.locator("#connections tbody tr:not([data-detail])").filter(
        has=page.get_by_role("button", name=f"Details {name}", exact=True)
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1360, 375])
def test_a_person_reads_where_each_connection_stands(
    browser: Browser, board: BoardWithConnections, tmp_path: Path, scheme: Any, width: int
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, timezone_id="UTC")
    page = context.new_page()
    section = sign_in(page, board)
    expect(page.locator("#connections-note")).to_have_text("6 accounts · 2 in trouble · 1 record rejected")
    wanted = {
        "In step": ("active", "ledger", "next", "not counted", "a key without an end"),
        "Rejects <b>1</b>": ("active", "1,900 of 2,000", "95 % of the month's requests", "in 5 days"),
        "Failing": ("error", "3 failures in a row; the vendor answered 500", "never yet", "next"),
        "Refused": ("has to be connected again", "none before it is connected again", "no longer valid"),
        "First look": ("first sync waits for a yes", "none before the yes"),
        "Shrunk": ("waits for a yes", "none before the yes"),
    }
    for name, texts in wanted.items():
        for text in texts:
            expect(line(page, name)).to_contain_text(text)
    numbers = {
        row["label"]: [str(row["records"]), str(row["rejects"])]
        for row in rows_of(
            board.connections.db,
            """select label,
                   (select count(*) from integration_records r where r.connection_id = c.id) as records,
                   (select count(*) from integration_rejects r where r.connection_id = c.id) as rejects
               from integration_connections c""",
        )
    }
    assert numbers["In step"] == ["1", "0"]
    assert numbers["Rejects <b>1</b>"] == ["1", "1"]
    for name, (records, rejects) in numbers.items():
        cells = line(page, name).locator("td").evaluate_all(PROBES["texts"])
        assert cells[3:5] == [records, rejects]
    page.get_by_role("button", name="Details Rejects <b>1</b>", exact=True).click()
    (reject,) = rows_of(board.connections.db, "select record_id, reason from integration_rejects")
    details = page.locator("[data-connection]")
    for text in (reject["record_id"], reject["reason"], "sent there", "Last syncs", "as SQL wrote it"):
        expect(details).to_contain_text(text)
    assert NO_TEXT.findall(section.inner_text()) == []
    assert KEY not in page.content()
    ratios = page.evaluate(PROBES["contrasts"])
    assert min(ratio for ratio, _ in ratios) >= 4.5, sorted(ratios)[:3]
    assert page.evaluate("document.documentElement.scrollWidth") == width
    if width < 700:
        assert page.evaluate(PROBES["wide"]) == []
        assert section.locator("td, button").evaluate_all(CUT_OFF) == []
    folder = Path(os.environ.get("PAGE_PICTURES", tmp_path))
    section.screenshot(path=folder / f"connections-{scheme}-{width}.png")
    context.close()


def test_a_pause_is_confirmed_and_then_counts_and_so_is_its_end(page: Page, board: BoardWithConnections) -> None:
    sign_in(page, board, board.stage.token("olga", Role.OPERATE))
    page.get_by_role("button", name="Pause In step").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Nothing is read from In step or sent to it until somebody resumes it.")
    dialog.get_by_role("button", name="Cancel").click()
    assert board.row("In step")["status"] == "active"
    page.get_by_role("button", name="Pause In step").click()
    dialog.get_by_role("button", name="Pause", exact=True).click()
    expect(page.locator("#message")).to_have_text("In step is paused.")
    expect(line(page, "In step")).to_contain_text("none while paused")
    assert (board.row("In step")["status"], board.row("In step")["sync_enabled"]) == ("paused", False)

    page.get_by_role("button", name="Sync In step").click(force=True)
    expect(page.locator("#message")).to_have_text("It is paused: resume it first.")
    expect(dialog).to_be_hidden()
    page.get_by_role("button", name="Resume In step").click()
    dialog.get_by_role("button", name="Resume", exact=True).click()
    expect(page.locator("#message")).to_have_text("In step is synced again.")
    assert (board.row("In step")["status"], board.row("In step")["sync_enabled"]) == ("active", True)


def test_a_sync_is_ordered_where_the_connection_can_be_synced(page: Page, board: BoardWithConnections) -> None:
    sign_in(page, board, board.stage.token("sam", Role.OPERATE))
    page.get_by_role("button", name="Sync Failing").click()
    page.get_by_role("dialog").get_by_role("button", name="Sync", exact=True).click()
    expect(page.locator("#message")).to_have_text("Failing is synced by the next run.")
    expect(line(page, "Failing")).to_contain_text("with the next run")
    assert board.row("Failing")["sync_requested_at"] is not None
    page.get_by_role("button", name="Sync Refused").click(force=True)
    expect(page.locator("#message")).to_have_text("The account has to be connected again first.")
    assert board.row("Refused")["sync_requested_at"] is None


def test_reconnect_leads_the_browser_to_the_consent_of_that_account(page: Page, board: BoardWithConnections) -> None:
    page.route("**/oauth/**", lambda route: route.fulfill(body="the vendor's page", content_type="text/plain"))
    sign_in(page, board, board.stage.token("rita", Role.OPERATE))
    page.get_by_role("button", name="Reconnect In step").click(force=True)
    expect(page.locator("#message")).to_contain_text(f"crm-relay connection reconnect {board.ids['In step']}")
    page.get_by_role("button", name="Reconnect Refused").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("The grant that comes back replaces the one that is stored")
    dialog.get_by_role("button", name="Reconnect", exact=True).click()
    page.wait_for_url("**/oauth/ledger/start?ticket=*")
    started = one(board.connections.db, "select connection_id, started_by from integration_oauth_states")
    assert started == {"connection_id": board.ids["Refused"], "started_by": "rita"}


def test_a_role_that_reads_sees_states_and_is_told_why_it_orders_nothing(
    page: Page, board: BoardWithConnections
) -> None:
    section = sign_in(page, board, board.stage.token("reader", Role.READ))
    expect(section).to_contain_text("Details and buttons need a token of the role operate.")
    expect(section).not_to_contain_text("the vendor answered 500")
    expect(section.locator("button:not([aria-disabled=true])")).to_have_count(0)
    before = rows_of(board.connections.db, "select * from integration_connections order by id")
    for order in ("Details", "Pause", "Sync", "Reconnect", "Remove"):
        section.get_by_role("button", name=f"{order} Failing").click(force=True)
        expect(page.locator("#message")).to_have_text("This needs a token of the role operate.")
        expect(page.get_by_role("dialog")).to_be_hidden()
    assert rows_of(board.connections.db, "select * from integration_connections order by id") == before
    assert NO_TEXT.findall(section.inner_text()) == []


def test_a_first_sync_is_confirmed_by_somebody_who_reads_what_it_would_do(
    page: Page, board: BoardWithConnections
) -> None:
    sign_in(page, board, board.stage.token("carl", Role.OPERATE))
    page.get_by_role("button", name="Sync First look").click(force=True)
    expect(page.locator("#message")).to_have_text("It waits for a yes: see its details, and confirm.")
    shown = ["would match 1 record(s) there with contacts here by their address", "would create 1 contact(s) here"]
    page.get_by_role("button", name="Details First look").click()
    details = page.locator("[data-connection]")
    expect(details).to_contain_text("What the first sync would do")
    page.get_by_role("button", name="Confirm First look").click()
    dialog = page.get_by_role("dialog")
    for text in shown:
        expect(details.locator(".consequences")).to_contain_text(text)
        expect(dialog).to_contain_text(text)
    dialog.get_by_role("button", name="Cancel").click()
    assert board.row("First look")["confirmed_at"] is None
    page.get_by_role("button", name="Confirm First look").click()
    dialog.get_by_role("button", name="Confirm", exact=True).click()
    expect(page.locator("#message")).to_have_text("First look goes on with the next run.")
    expect(line(page, "First look")).to_contain_text("with the next run")
    assert (board.row("First look")["held_for"], board.row("First look")["confirmed_at"] is None) == (None, False)
    expect(page.get_by_role("button", name="Confirm First look")).to_have_count(0)


def test_a_sync_that_would_archive_many_says_how_many_before_the_yes(page: Page, board: BoardWithConnections) -> None:
    sign_in(page, board, board.stage.token("dora", Role.OPERATE))
    page.get_by_role("button", name="Confirm Shrunk").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("would archive 8 contact(s) here")
    expect(dialog).to_contain_text("the other side shows none of 8 known records")
    dialog.get_by_role("button", name="Confirm", exact=True).click()
    expect(page.locator("#message")).to_have_text("Shrunk goes on with the next run.")
    assert board.row("Shrunk")["shrink_allowed_at"] is not None


def test_a_removal_says_what_stays_and_is_left_to_the_next_run(page: Page, board: BoardWithConnections) -> None:
    sign_in(page, board, board.stage.token("rosa", Role.OPERATE))
    page.get_by_role("button", name="Remove Shrunk").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Contacts here and records there stay as they are, and nothing is synced any more.")
    dialog.get_by_role("button", name="Cancel").click()
    assert board.row("Shrunk")["remove_requested_at"] is None
    page.get_by_role("button", name="Remove Shrunk").click()
    dialog.get_by_role("button", name="Remove", exact=True).click()
    expect(page.locator("#message")).to_have_text("Shrunk is removed by the next run.")
    assert board.row("Shrunk")["remove_requested_at"] is not None
