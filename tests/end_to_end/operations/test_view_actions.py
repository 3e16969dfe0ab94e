"""Every button of the views in a real browser: what it says it will do is what the tables hold afterwards."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from crm_relay.operations.access.sign_in import make_link
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Row
from crm_relay.platform.http.callers import Role
from tests.conftest import fresh_database
from tests.support.edge_cache.edge_twin import EdgeTwin
from tests.support.operations.admin_stage import AdminStage, admin_stage
from tests.support.operations.board import plant_board
from tests.support.operations.page import WatchedPage, open_view
from tests.support.operations.panels import read_panels
from tests.support.platform.rows import one, rows_of

# With the page's other tests: one browser at a time.
pytestmark = pytest.mark.xdist_group("browser")
SENDER = {"EMAIL_FROM": "CRM <crm@example.com>"}


@pytest.fixture
def stage(postgres_url: str) -> Iterator[AdminStage]:
    with fresh_database(postgres_url) as url, admin_stage(url, table=EdgeTwin(), settings=SENDER) as made:
        plant_board(made.database, utc_now())
        rows_of(made.database, "update organizations set postal_address = '1 Street'")
        yield made


@pytest.fixture
def watched(browser: Browser, stage: AdminStage) -> Iterator[WatchedPage]:
    made = WatchedPage(browser, stage)
    yield made
    made.context.close()
    # The console has a line of every answer that refuses, whenever it gets to it.
    assert [line for line in made.said if not any(status in line for status in ("401", "404", "409", "422"))] == []


def press(page: Page, label: str, *, says: tuple[str, ...] = ()) -> None:
    """The button, the words of its confirmation, and the yes."""
    page.get_by_role("button", name=label).first.click()
    dialog = page.get_by_role("dialog")
    for text in says:
        expect(dialog).to_contain_text(text)
    dialog.locator("#confirm-yes").click()
    expect(dialog).to_be_hidden()


def campaign(stage: AdminStage, name: str) -> Row:
    return one(stage.database, "select id, status from campaigns where name = :name", name=name)


def test_a_campaign_is_paused_resumed_stopped_and_archived(watched: WatchedPage, stage: AdminStage) -> None:
    spring = campaign(stage, "Spring launch")["id"]
    page = watched.sign_in(stage.token("olga", Role.OPERATE), view=f"campaigns/{spring}")
    going = one(
        stage.database,
        "select count(*) as n from campaign_enrollments where campaign_id = :id and status in ('active', 'engaged')",
        id=spring,
    )["n"]
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(page.get_by_role("dialog")).to_contain_text(f"{going} people are held where they are.")
    page.get_by_role("button", name="Cancel").click()
    assert campaign(stage, "Spring launch")["status"] == "active"

    press(page, "Pause")
    expect(page.locator("#message")).to_have_text("Spring launch is paused.")
    assert campaign(stage, "Spring launch")["status"] == "paused"
    press(page, "Resume", says=(f"{going} people go on where they were held.",))
    expect(page.locator("#message")).to_contain_text("Spring launch goes on")
    assert campaign(stage, "Spring launch")["status"] == "active"
    press(page, "Stop for good", says=(f"The sequence of {going} people ends, and cannot begin again.",))
    expect(page.locator("#message")).to_contain_text(f"Spring launch is stopped: {going} sequences ended")
    states = rows_of(
        stage.database,
        "select status, count(*) as n from campaign_enrollments where campaign_id = :id group by 1",
        id=spring,
    )
    assert campaign(stage, "Spring launch")["status"] == "cancelled"
    assert {row["status"]: row["n"] for row in states}["stopped"] == going
    press(page, "Archive")
    expect(page.locator("#message")).to_have_text("Spring launch is archived.")
    assert campaign(stage, "Spring launch")["status"] == "archived"
    open_view(page, "campaigns")
    expect(page.locator("#campaigns")).not_to_contain_text("Spring launch")
    open_view(page, "campaigns?state=archived")
    expect(page.locator("#campaigns")).to_contain_text("Spring launch")


def test_a_draft_is_activated_after_it_was_said_for_whom(watched: WatchedPage, stage: AdminStage) -> None:
    summer = campaign(stage, "Summer")["id"]
    rows_of(
        stage.database,
        """with person as (
               insert into contacts (email, first_name)
               select 'new' || n || '@example.com', 'New' from generate_series(1, 3) as n
               returning id, email
           )
           insert into campaign_enrollments (org_id, campaign_id, contact_id, status)
           select default_org_id(), :id, id, 'active' from person""",
        id=summer,
    )
    page = watched.sign_in(stage.token("olga", Role.OPERATE), view=f"campaigns/{summer}")
    press(page, "Activate", says=("3 people get the time of step 1: e-mail “Sun”.",))
    expect(page.locator("#message")).to_have_text("Summer is active: 3 people have a time.")
    times = rows_of(
        stage.database,
        "select next_step_at is not null as has_time from campaign_enrollments where campaign_id = :id",
        id=summer,
    )
    assert [row["has_time"] for row in times] == [True] * 3


def test_an_order_that_is_refused_says_so_where_it_was_clicked(watched: WatchedPage, stage: AdminStage) -> None:
    summer = campaign(stage, "Summer")["id"]
    rows_of(stage.database, "delete from campaign_sequences where campaign_id = :id", id=summer)
    page = watched.sign_in(stage.token("olga", Role.OPERATE), view=f"campaigns/{summer}")
    press(page, "Activate")
    refusal = page.locator("#view-tools .refusal")
    expect(refusal).to_be_visible()
    expect(refusal).to_have_text(page.locator("#message").inner_text())
    assert campaign(stage, "Summer")["status"] == "draft"


def test_people_of_a_campaign_are_filtered_and_a_preview_has_their_values(
    watched: WatchedPage, stage: AdminStage
) -> None:
    spring = campaign(stage, "Spring launch")["id"]
    page = watched.sign_in(view=f"campaigns/{spring}")
    expect(page.locator("#people tbody tr")).to_have_count(25)
    page.get_by_role("link", name="Next page").click()
    expect(page.locator("#people tbody tr")).to_have_count(15)
    page.get_by_role("link", name="replied 5").click()
    expect(page.locator("#people tbody tr")).to_have_count(5)
    page.get_by_role("button", name="Preview for").first.click()
    preview = page.locator("#preview [aria-label='Step 1']")
    expect(preview).to_contain_text("A new season, Reader")
    expect(preview).to_contain_text("Hello")
    page.locator("#people tbody a[href*=mails]").first.click()
    expect(page.locator("#view-title")).to_have_text("Mail")
    expect(page.locator("#mail")).to_contain_text("A new season, Reader")
    expect(page.locator("#mail")).to_contain_text("these are what its step says to this person now")
    assert "delivered" in read_panels(page)["events"]


def test_one_person_is_held_goes_on_and_is_stopped(watched: WatchedPage, stage: AdminStage) -> None:
    page = watched.sign_in(stage.token("olga", Role.OPERATE), view="people/reader20@example.com")

    def state() -> str:
        return str(
            one(
                stage.database,
                """select status from campaign_enrollments where contact_id =
                   (select id from contacts where email = 'reader20@example.com')""",
            )["status"]
        )

    press(page, "Pause Spring launch", says=("Nothing more of Spring launch is sent to this person",))
    expect(page.locator("#message")).to_have_text("The person is held in that campaign.")
    assert state() == "paused"
    press(page, "Resume Spring launch")
    expect(page.locator("#message")).to_have_text("The person goes on in that campaign.")
    assert state() == "active"
    press(page, "Stop for good Spring launch", says=("cannot begin again",))
    expect(page.locator("#message")).to_have_text("The sequence of that campaign has ended for this person.")
    assert state() == "stopped"
    expect(page.get_by_role("button", name="Pause Spring launch")).to_have_count(0)


def test_a_persons_timeline_has_every_moment_of_the_tables(watched: WatchedPage, stage: AdminStage) -> None:
    page = watched.sign_in(view="people/reader3@example.com")
    moments = one(
        stage.database,
        """select 1 + count(distinct at) as n from contacts contact
           join email_sends mail on mail.contact_id = contact.id
           cross join lateral (values (mail.queued_at), (mail.delivered_at)) as moment (at)
           where contact.email = 'reader3@example.com' and at is not null""",
    )["n"]
    steps = one(
        stage.database,
        """select count(*) as n from campaign_sequence_logs line
           join campaign_enrollments enrollment on enrollment.id = line.enrollment_id
           join contacts contact on contact.id = enrollment.contact_id where contact.email = 'reader3@example.com'""",
    )["n"]
    expect(page.locator("#why .timeline li")).to_have_count(moments + steps)
    times = page.locator("#why .timeline time").evaluate_all("all => all.map((one) => Date.parse(one.dateTime))")
    firsts = page.locator("#why .timeline .when time").evaluate_all("all => all.map((one) => Date.parse(one.dateTime))")
    assert times
    assert firsts == sorted(firsts, reverse=True)


def test_an_incident_is_put_off_counts_again_and_is_closed(watched: WatchedPage, stage: AdminStage) -> None:
    page = watched.sign_in(stage.token("olga", Role.OPERATE), view="incidents")
    expect(page.locator("#truth")).to_contain_text("1 incident open")
    press(page, "Put off", says=("no alert of it is sent",))
    expect(page.locator("#message")).to_have_text("The incident is put off.")
    expect(page.locator("#truth")).to_contain_text("1 incident put off")
    row = one(
        stage.database, "select snoozed_until > now() as later, snoozed_by from incidents where closed_at is null"
    )
    assert row == {"later": True, "snoozed_by": "olga"}
    page.get_by_role("button", name="Count again").click()
    expect(page.locator("#message")).to_have_text("The incident counts again.")
    assert one(stage.database, "select snoozed_until from incidents where closed_at is null")["snoozed_until"] is None
    press(page, "Close", says=("Nothing is mended by that",))
    expect(page.locator("#message")).to_have_text("The incident is closed.")
    assert rows_of(stage.database, "select id from incidents where closed_at is null") == []
    assert one(stage.database, "select closed_by from incident_closures")["closed_by"] == "olga"


def test_a_message_of_unclear_outcome_is_settled(watched: WatchedPage, stage: AdminStage) -> None:
    rows_of(
        stage.database,
        """insert into sms_sends (org_id, send_key, to_number, status, not_before, queued_at)
           values (default_org_id(), 'k', '+15550100000', 'unknown', now(), now())""",
    )
    page = watched.sign_in(stage.token("olga", Role.OPERATE), view="incidents")
    expect(page.locator("#verdict")).to_have_text("■ Needs a look")
    expect(page.locator("#truth")).to_contain_text("1 mail of unclear outcome")
    press(page, "It was sent", says=("it counts as sent",))
    expect(page.locator("#message")).to_have_text("1 messages are settled.")
    assert one(stage.database, "select status from sms_sends")["status"] == "sent"


def test_the_head_is_green_only_if_nothing_is_open(watched: WatchedPage, stage: AdminStage) -> None:
    rows_of(stage.database, "update incidents set closed_at = now() where closed_at is null")
    rows_of(stage.database, "update failed_tasks set replayed_at = now()")
    page = watched.sign_in(view="campaigns")
    expect(page.locator("#verdict")).to_have_text("● Nothing is open")
    expect(page.locator("#mode")).to_have_text("▲dry run: no mail leaves")
    for trouble, said in (
        ("update failed_tasks set replayed_at = null where id = 1", "▲ Something waits"),
        ("update incidents set closed_at = null, told_closed_at = null where id = 1", "■ Needs a look"),
    ):
        rows_of(stage.database, trouble)
        page.get_by_role("button", name="Refresh").click()
        expect(page.locator("#verdict")).to_have_text(said)


def test_a_link_signs_in_and_its_code_is_in_no_address(watched: WatchedPage, stage: AdminStage) -> None:
    link = make_link(stage.database, Role.OPERATE, utc_now(), minutes=10, created_by="operator")
    page = watched.page
    page.goto("about:blank")
    page.goto(link.address(stage.base_url))
    expect(page.locator("body[data-filled]")).to_be_attached()
    expect(page.locator("#who")).to_contain_text("(operate)")
    assert not [address for address in watched.asked if link.code in address.partition("#")[0]]
    assert page.url == f"{stage.base_url}/dashboard#/overview"
    page.get_by_role("button", name="Sign out").click()
    page.goto("about:blank")
    page.goto(link.address(stage.base_url))
    expect(page.locator("#message")).to_have_text("this link was used before, or is too old: ask for another one")
    assert page.evaluate("sessionStorage.length") == 0


def test_who_reads_sees_each_view_with_what_is_not_for_readers_said_in_words(
    watched: WatchedPage, stage: AdminStage
) -> None:
    spring = campaign(stage, "Spring launch")["id"]
    page = watched.sign_in(stage.token("reader", Role.READ), view="overview")
    for view in ("people", "people/reader3@example.com", f"campaigns/{spring}", "incidents", "settings"):
        open_view(page, view)
        assert "This needs a token of the role operate." in "\n".join(read_panels(page).values()), view
        assert "reader3@example.com" not in page.locator("#view .body").all_inner_texts()
    open_view(page, f"campaigns/{spring}")
    page.get_by_role("button", name="Pause", exact=True).click(force=True)
    expect(page.locator("#view-tools .refusal")).to_have_text("This needs a token of the role operate.")
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert campaign(stage, "Spring launch")["status"] == "active"
