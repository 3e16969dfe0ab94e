"""The operator's page in a real browser: what it shows is what the tables hold, and what it does arrives."""

import json
import re
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from crm_relay.edge_cache.models import SourceRow, WriteResult
from crm_relay.platform.clock import utc_now
from crm_relay.platform.http.callers import Role
from tests.conftest import fresh_database
from tests.support.edge_cache.edge_twin import EdgeTwin
from tests.support.operations.admin_stage import ADMIN, AdminStage, admin_stage
from tests.support.operations.board import plant_board
from tests.support.operations.page import DESKTOP, PHONE, PROBES, WatchedPage, open_view
from tests.support.operations.panels import read_panels
from tests.support.platform.rows import add_customer, one, rows_of

PROSPECTS = 6000
CHANNELS = {"email": "e-mail", "linkedin": "LinkedIn task", "phone": "call", "sms": "text message"}

# What runs here shares one page server and one database, in the order in which it stands.
pytestmark = pytest.mark.xdist_group("browser")


class UnhurriedTwin(EdgeTwin):
    """A thousand rows take it long enough to be watched."""

    def write(self, rows: Sequence[SourceRow], *, now: datetime, generation: int | None = None) -> list[WriteResult]:
        time.sleep(0.4)
        return super().write(rows, now=now, generation=generation)


@pytest.fixture(scope="module")
def stage(postgres_url: str) -> Iterator[AdminStage]:
    with fresh_database(postgres_url) as url, admin_stage(url, table=UnhurriedTwin()) as made:
        plant_board(made.database, utc_now())
        yield made


@pytest.fixture
def watched(browser: Browser, stage: AdminStage) -> Iterator[WatchedPage]:
    made = WatchedPage(browser, stage)
    yield made
    made.context.close()
    refused = [line for line in made.said if "401" not in line and "403" not in line]
    assert refused == []  # a violation of the content security policy is told here


def cells(page: Page, part: str, table: str) -> list[list[str]]:
    """The texts of a part's table, without marks and what stands below a cell's first line."""
    rows = page.locator(f"#{part} [aria-label='{table}'] tbody tr")
    return [row.locator("td").evaluate_all(PROBES["texts"]) for row in rows.all()]


def shown(value: Any) -> str:
    return f"{value:,}"


def test_nothing_is_shown_and_no_resync_begins_without_a_token(watched: WatchedPage, stage: AdminStage) -> None:
    page = watched.page
    expect(page.locator("#wrong")).to_contain_text("Shown once you are signed in.")
    page.get_by_role("link", name="Sync").click()
    page.get_by_role("button", name="Full resync").click()
    expect(page.get_by_role("status").first).to_have_text("Sign in first: a resync needs a token.")
    expect(page.get_by_label("API token")).to_be_focused()
    assert stage.queues.drain() == 0
    assert one(stage.database, "select count(*) as n from edge_resyncs")["n"] == 0


def test_a_wrong_token_is_refused_in_words_and_forgotten(watched: WatchedPage) -> None:
    page = watched.page
    page.get_by_label("API token").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.locator("#message")).to_have_text("This token is not valid, or no longer.")
    assert page.evaluate("sessionStorage.length") == 0
    assert page.evaluate("document.cookie") == ""


def test_every_number_of_the_workspaces_is_that_of_the_tables(watched: WatchedPage, stage: AdminStage) -> None:
    page = watched.sign_in(view="outreach")
    rows = rows_of(
        stage.database,
        """select workspace_name as name, emails_sent_mtd as sent, replies_mtd as replies, positive_replies_mtd as good,
               bounced_mtd as bounced, unsubscribed_mtd as gone,
               (select count(*) from sender_emails_cache s where s.workspace_name = m.workspace_name) as accounts,
               (
                   select count(*) from sender_emails_cache s
                   where s.workspace_name = m.workspace_name and status = 'Connected'
               ) as up,
               (
                   select coalesce(sum(deliveries), 0) from webhook_delivery_slots d
                   where d.workspace_name = m.workspace_name and slot > now() - interval '24 hours'
               )::integer as deliveries
           from client_metrics m order by 1""",
    )
    found = cells(page, "workspaces", "Workspaces")
    assert [row[0] for row in found] == [row["name"] for row in rows]
    for row, there in zip(rows, found, strict=True):
        assert there[3] == shown(row["deliveries"])
        assert there[5:10] == [shown(row[name]) for name in ("sent", "replies", "good", "bounced", "gone")]
        assert there[10] == f"{row['up']} of {row['accounts']}"
    assert ["healthy" in row[1] for row in found] == [False, False, True]


def test_every_number_of_the_lines_is_that_of_the_tables(watched: WatchedPage, stage: AdminStage) -> None:
    page = watched.sign_in(view="sync")
    for direction in ("to_cache", "to_postgres"):
        figures = page.locator(f"[data-line={direction}]")
        row = one(
            stage.database,
            """select sum(written_count + deleted_count) as written,
                   count(*) filter (where status = 'failed') as failed,
                   (array_agg(written_count order by id desc))[1] as last
               from sync_log where direction = :direction and started_at > now() - interval '24 hours'""",
            direction=direction,
        )
        for name, value in (("records", row["last"]), ("records_24h", row["written"]), ("failures_24h", row["failed"])):
            expect(figures.locator(f"[data-figure={name}]")).to_have_text(shown(value))
        expect(figures).to_contain_text("healthy")
    last = one(stage.database, "select * from mautic_sync_logs order by run_started_at desc limit 1")
    expect(page.locator("[data-line=mautic] [data-figure=records]")).to_have_text(shown(last["contacts_synced"]))


def test_the_other_parts_show_their_rows(watched: WatchedPage, stage: AdminStage) -> None:
    page = watched.sign_in(view="outreach")
    totals = one(stage.database, "select sum(sent_since) as sent from provider_performance_history")
    expect(page.locator("#providers")).to_contain_text(shown(int(totals["sent"])))
    rates = rows_of(
        stage.database,
        """select email_provider as name, 100.0 * sum(replies_since) / sum(sent_since) as rate
           from provider_performance_history group by 1""",
    )
    for row in rates:
        expect(page.locator("#providers .legend li", has_text=row["name"])).to_contain_text(f"{row['rate']:.2f} %")
    open_view(page, "integrity")
    assert cells(page, "integrity", "Checks of the last run") == [
        ["drift", "2", "2", "0", "mended"],
        ["orphaned email", "3", "1", "2", "look"],
    ]
    open_view(page, "incidents?state=all")
    assert sorted(row[0] for row in cells(page, "incidents", "Incidents")) == [
        "Webhook deliveries fail",
        "sender account disconnected",
    ]
    open_view(page, "sync")
    assert len(cells(page, "conflicts", "Conflicts")) == 2
    assert len(cells(page, "dead-letters", "Dead letters")) == 3
    runs = rows_of(stage.database, "select written_count, ordered_by from sync_log order by id desc limit 10")
    found = cells(page, "runs", "Edge runs")
    assert [(row[2], row[4]) for row in found] == [(row["ordered_by"], shown(row["written_count"])) for row in runs]
    page.get_by_role("button", name="Mautic", exact=True).click()
    mautic = rows_of(
        stage.database, "select contacts_synced from mautic_sync_logs order by run_started_at desc limit 10"
    )
    assert [row[1] for row in cells(page, "runs", "Mautic runs")] == [shown(row["contacts_synced"]) for row in mautic]


def test_a_conflict_is_compared_and_its_other_version_brought_back(watched: WatchedPage, stage: AdminStage) -> None:
    prospect = one(stage.database, "insert into prospects (name, stage) values ('A', 'new') returning id")["id"]
    rows_of(
        stage.database,
        """update edge_conflicts
           set row_id = :id, edge_doc = doc::jsonb || '{"stage": "won"}', postgres_doc = doc::jsonb
           from edge_source where edge_source.id = :id and winner = 'postgres'""",
        id=prospect,
    )
    page = watched.sign_in(stage.token("ada", Role.OPERATE), view="sync")
    row = page.locator("#conflicts tbody tr", has_text="PostgreSQL").first
    row.get_by_role("button", name="Compare").click()
    expect(page.locator("#conflicts .diff")).to_contain_text("won")
    row.get_by_role("button", name="Bring back").click()
    page.get_by_role("button", name="Bring it back").click()
    expect(page.locator("#message")).to_have_text("The other version is back.")
    expect(page.locator("#conflicts")).to_contain_text("reverted by ada")
    assert one(stage.database, "select stage from prospects where id = :id", id=prospect)["stage"] == "won"


def test_a_dead_letter_is_sent_again(watched: WatchedPage, stage: AdminStage) -> None:
    page = watched.sign_in(view="sync")
    page.get_by_role("button", name="Replay message 1").click()
    expect(page.locator("#message")).to_have_text("Message 1 is on its way again.")
    assert len(cells(page, "dead-letters", "Dead letters")) == 2
    assert one(stage.database, "select count(*) as n from failed_tasks where replayed_at is not null")["n"] == 1


def test_a_reader_is_told_what_a_reader_may_not(watched: WatchedPage, stage: AdminStage) -> None:
    page = watched.sign_in(stage.token("reader", Role.READ), view="people/ana@example.com")
    expect(page.locator("#who")).to_have_text("reader (read)")
    expect(page.locator("#why")).to_contain_text("This needs a token of the role operate.")
    assert not [address for address in watched.asked if "/api/why" in address]


def test_a_persons_timeline_says_what_the_tables_hold(watched: WatchedPage, stage: AdminStage) -> None:
    customer = add_customer(stage.database, "ana@example.com")
    page = watched.sign_in(view="people")
    page.get_by_label("Beginning of an e-mail address").fill("ana@ex")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="ana@example.com").or_(page.get_by_role("link", name="Ada")).click()
    expect(page.locator("#view-title")).to_have_text("ana@example.com")
    standing = read_panels(page)["standing"]
    assert f"customer\n{customer}" in standing
    assert "address\nana@example.com" in standing
    open_view(page, "people/nobody@example.com")
    expect(page.locator("#why")).to_contain_text("Nothing is known of anybody by that name.")


def test_every_number_of_a_campaigns_funnel_is_that_of_the_tables(watched: WatchedPage, stage: AdminStage) -> None:
    page = watched.sign_in(view="campaigns")
    running = rows_of(
        stage.database,
        """select id, name, total_active, total_completed from campaigns
           where status = 'active' order by activated_at desc""",
    )
    shown_first = [row[0] for row in cells(page, "campaigns", "Campaigns")][: len(running)]
    assert shown_first == [row["name"] for row in running]
    for campaign in running:
        open_view(page, f"campaigns/{campaign['id']}")
        counts = page.locator("#about .facts dd").all_inner_texts()
        totals = [shown(campaign[name]) for name in ("total_active", "total_completed")]
        assert [counts[1], counts[3]] == totals
        lines = rows_of(
            stage.database,
            """select step.step_number, step.channel, count(line.id) as reached,
                   count(*) filter (where line.status = 'sent') as sent,
                   count(*) filter (where line.status = 'skipped') as skipped,
                   count(*) filter (where line.status = 'failed') as failed,
                   count(*) filter (where line.status = 'pending') as pending,
                   count(*) filter (where line.status = 'stopped') as stopped,
                   (select count(*) from email_sends m where m.sequence_id = step.id and human_opens > 0) as opened,
                   (select count(*) from email_sends m where m.sequence_id = step.id and human_clicks > 0) as clicked,
                   (
                       select count(*) from campaign_enrollments e where e.campaign_id = step.campaign_id
                       and e.current_step = step.step_number and e.replied_at is not null
                   ) as replied
               from campaign_sequences step left join campaign_sequence_logs line on line.sequence_id = step.id
               where step.campaign_id = :id group by step.id order by step.step_number""",
            id=campaign["id"],
        )
        found = cells(page, "steps", f"Steps of {campaign['name']}")
        for row, there in zip(lines, found, strict=True):
            assert there[0].startswith(f"{row['step_number']} · {CHANNELS[row['channel']]}")
            names = ("reached", "sent", "skipped", "failed", "pending", "stopped")
            assert there[1:7] == [shown(row[name]) for name in names]
            mails = [shown(row[name]) for name in ("opened", "clicked")] if row["channel"] == "email" else ["–", "–"]
            assert there[7:10] == [*mails, shown(row["replied"])]
    assert sum(int(row["opened"]) for row in lines) > 0


def test_without_a_campaign_of_a_state_the_page_says_so(watched: WatchedPage, stage: AdminStage) -> None:
    rows_of(stage.database, "update campaigns set status = 'paused' where status = 'active'")
    page = watched.sign_in(view="campaigns?state=active")
    expect(page.locator("#campaigns")).to_contain_text("No campaign is active.")
    rows_of(stage.database, "update campaigns set status = 'active' where status = 'paused'")


def test_who_operates_stops_sending_and_resumes_it(watched: WatchedPage, stage: AdminStage) -> None:
    page = watched.sign_in(stage.token("olga", Role.OPERATE))
    expect(page.locator("#sending")).to_be_hidden()
    page.get_by_role("button", name="Stop sending").click()
    page.get_by_role("button", name="Cancel").click()
    assert rows_of(stage.database, "select id from sending_stops") == []
    page.get_by_role("button", name="Stop sending").click()
    page.get_by_label("Reason, kept with it").fill("a wrong price")
    page.locator("#confirm-yes").click()
    expect(page.locator("#message")).to_have_text("Sending is stopped.")
    expect(page.get_by_role("alert")).to_contain_text("Sending is stopped since")
    expect(page.get_by_role("alert")).to_contain_text("by olga: a wrong price. Campaigns keep their places.")
    expect(page.get_by_role("button", name="Stop sending")).to_have_attribute("aria-disabled", "true")
    expect(page.locator("#wrong")).to_contain_text("An operator stopped sending")
    expect(page.locator("#mode")).to_have_text("■sending is stopped")
    ratios = page.evaluate(PROBES["contrasts"])
    assert min(ratio for ratio, _ in ratios) >= 4.5, sorted(ratios)[:3]
    page.get_by_role("button", name="Resume sending").click()
    page.locator("#confirm-yes").click()
    expect(page.locator("#message")).to_have_text("Sending is resumed.")
    expect(page.get_by_role("alert")).to_be_hidden()
    expect(page.get_by_role("button", name="Stop sending")).to_have_attribute("aria-disabled", "false")
    (row,) = rows_of(stage.database, "select stopped_by, reason, resumed_by from sending_stops")
    assert row == {"stopped_by": "olga", "reason": "a wrong price", "resumed_by": "olga"}


def test_who_only_reads_sees_that_sending_is_stopped_and_steers_nothing(
    browser: Browser, stage: AdminStage, tmp_path: Path
) -> None:
    stage.call("POST", "/api/sending/stop", body={"reason": "ada complained"})
    for role in (Role.READ, Role.OPERATE):
        made = WatchedPage(browser, stage, viewport=PHONE if role is Role.READ else DESKTOP)
        page = made.sign_in(stage.token(f"stop-{role.name.lower()}", role))
        expect(page.get_by_role("alert")).to_contain_text("by admin")
        assert ("ada complained" in page.content()) == (role is Role.OPERATE)
        resume = page.get_by_role("button", name="Resume sending")
        expect(resume).to_have_attribute("aria-disabled", "true") if role is Role.READ else expect(
            resume
        ).to_be_enabled()
        expect(page.locator("#stop-sending")).to_have_attribute("aria-disabled", "true")
        assert page.evaluate("document.documentElement.scrollWidth") == page.evaluate("window.innerWidth")
        page.screenshot(path=tmp_path / f"stopped-{role.name.lower()}.png", animations="disabled")
        made.context.close()
    stage.call("POST", "/api/sending/resume", body={})
    made = WatchedPage(browser, stage)
    page = made.sign_in(stage.token("stop-reader", Role.READ))
    page.get_by_role("button", name="Stop sending").click(force=True)
    expect(page.locator(".refusal")).to_have_text("This needs a token of the role operate.")
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert rows_of(stage.database, "select id from sending_stops where resumed_at is null") == []
    made.context.close()
    rows_of(stage.database, "delete from incidents where kind = 'sending_stopped'")


def test_what_comes_from_outside_is_text_and_nothing_else(watched: WatchedPage, stage: AdminStage) -> None:
    rows_of(
        stage.database,
        """insert into incidents (kind, subject, title, opened_at)
           values ('x', '<img src=x onerror=alert(1)>', '<script>alert(1)</script>', now())""",
    )
    page = watched.sign_in(view="incidents")
    expect(page.locator("#incidents")).to_contain_text("<script>alert(1)</script>")
    assert page.locator("#incidents img, #incidents script").count() == 0
    rows_of(stage.database, "delete from incidents where kind = 'x'")


def test_by_keyboard_alone_one_signs_in_and_reaches_every_button(watched: WatchedPage) -> None:
    page = watched.page
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the view")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_label("API token")).to_be_focused()
    page.keyboard.type(ADMIN)
    page.keyboard.press("Enter")
    expect(page.locator("body[data-filled]")).to_be_attached()
    wanted = page.locator("button:visible, a:visible, input:visible").count()
    reached: set[str] = set()
    for _ in range(3 * wanted):
        page.keyboard.press("Tab")
        about = page.evaluate(PROBES["focus"])
        if about and about[2]:
            assert about[1], f"the focus is not seen on {about[0]}"
            reached.add(about[0])
    assert len(reached) >= wanted - 1  # the link over the page is seen only while it has the focus


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_legible_in_both_schemes(browser: Browser, stage: AdminStage, scheme: Any) -> None:
    made = WatchedPage(browser, stage, color_scheme=scheme)
    page = made.sign_in()
    assert {"wrong", "ahead", "activity", "health"} <= read_panels(page).keys()
    ratios = page.evaluate(PROBES["contrasts"])
    assert ratios
    assert min(ratio for ratio, _ in ratios) >= 4.5, sorted(ratios)[:3]
    made.context.close()


def test_on_a_phone_nothing_is_cut_off(browser: Browser, stage: AdminStage) -> None:
    made = WatchedPage(browser, stage, viewport=PHONE, has_touch=True)
    page = made.sign_in(view="outreach")
    assert read_panels(page)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    wide = page.evaluate(PROBES["wide"])
    assert wide == []
    assert page.locator("#workspaces td[data-label=sent]").first.is_visible()
    made.context.close()


def test_a_resync_shows_its_progress_and_its_end(watched: WatchedPage, stage: AdminStage) -> None:
    rows_of(
        stage.database, "insert into prospects (name) select 'p' || n from generate_series(1, :n) as n", n=PROSPECTS
    )
    token = stage.token("grace", Role.OPERATE)
    page = watched.sign_in(token, view="sync")
    page.get_by_role("button", name="Full resync").click()
    page.get_by_role("button", name="Resync", exact=True).click()
    expect(page.locator("#message")).to_have_text("Ordered. The resync begins as soon as a worker is free.")
    worker = threading.Thread(target=stage.queues.drain)
    worker.start()
    bar = page.get_by_role("progressbar", name="Resync of prospects")
    expect(bar).to_be_visible(timeout=15_000)
    expect(page.locator("#progress-text")).to_contain_text(re.compile(r"prospects [1-9]0 percent"), timeout=15_000)
    expect(page.locator("#message")).to_contain_text(re.compile(r"Resync done: [\d,]+ rows written"), timeout=30_000)
    assert page.locator(".resync[data-phase=done]").count() == 4
    counted = one(stage.database, "select count(*) as n from prospects")["n"]
    expect(page.locator(".resync[data-entity=prospects]")).to_contain_text(f"{shown(counted)} rows")
    ordered = rows_of(stage.database, "select distinct ordered_by from sync_log where direction = 'resync'")
    assert [row["ordered_by"] for row in ordered] == ["grace"]
    worker.join()


def test_the_address_of_the_page_holds_no_secret(watched: WatchedPage) -> None:
    page = watched.sign_in()
    assert ADMIN not in page.url
    assert ADMIN not in page.content()
    assert json.loads(page.evaluate("JSON.stringify(Object.keys(localStorage))")) == []
