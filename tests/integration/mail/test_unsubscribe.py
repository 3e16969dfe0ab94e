"""The link in every mail: looking changes nothing, one click ends it, and no wish to leave is lost."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from crm_relay.mail.queue import queue_emails
from crm_relay.platform.database import Database, Row
from local.simulators.resend import MovableClock, ResendSimulator
from tests.support.mail.mail_harness import MONDAY, MailHarness, enroll
from tests.support.mail.unsubscribe_function import FORM, ONE_CLICK, ask, configure, one_click, press
from tests.support.platform.rows import add_customer, one, rows_of
from unsubscribe.handler import handler

EVENTS = sorted((Path(__file__).parents[3] / "events" / "unsubscribe").glob("*.json"))
SAMPLE = "sample-unsubscribe-token-0000001"


@pytest.fixture(autouse=True)
def function(monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    configure(monkeypatch, database_url)


@pytest.fixture
def post(database: Database) -> Iterator[MailHarness]:
    clock = MovableClock(lambda: MONDAY)
    with ResendSimulator(clock=clock, requests_per_second=None) as simulator:
        yield MailHarness(database, simulator, clock)


def link_to(post: MailHarness, name: str = "ada", **details: Any) -> str:
    """The token in a mail that was sent."""
    mail = post.mail(name, **details)
    queue_emails(post.db, [mail], post.now, purpose="test")
    post.send()
    return mail.unsubscribe_token


def everything(database: Database) -> dict[str, list[Row]]:
    tables = ("email_sends", "email_logs", "consent_events", "topic_opt_outs", "webhook_inbox", "email_batches")
    return {table: rows_of(database, f"select * from {table} order by 1") for table in tables}


def suppressed_by(database: Database, name: str = "ada") -> str | None:
    sql = "select suppressed_by from suppression(default_org_id(), 'email', :address)"
    found: str | None = one(database, sql, address=f"{name}@example.com")["suppressed_by"]
    return found


# --- looking ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
def test_only_post_ever_changes_anything(post: MailHarness, method: str) -> None:
    token = link_to(post, topic="news")
    before = everything(post.db)
    for _ in range(3):
        ask(token, method)
    assert everything(post.db) == before


def test_the_page_offers_the_topic_and_everything(post: MailHarness) -> None:
    rows_of(post.db, "update organizations set name = 'Northwind & Sons'")
    response = ask(link_to(post, topic="Monthly <news>"))
    assert response["statusCode"] == 200
    assert "No more of Monthly &lt;news&gt;" in response["body"]
    assert "No more e-mails at all" in response["body"]
    assert "Northwind &amp; Sons" in response["body"]


def test_without_a_topic_there_is_one_button(post: MailHarness) -> None:
    assert ask(link_to(post))["body"].count("<button") == 1


def test_the_page_shows_no_address_but_a_masked_one(post: MailHarness) -> None:
    body = ask(link_to(post, "ada"))["body"]
    assert "a•••@e•••.com" in body
    assert "ada" not in body
    assert "example" not in body


class _Page(HTMLParser):
    """What of the page an assistive technology needs, and what a policy would have to allow."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_the_page_runs_and_loads_nothing_and_is_found_and_framed_by_nobody(post: MailHarness) -> None:
    response = ask(link_to(post, topic="news"))
    headers = {name.lower(): text for name, text in response["headers"].items()}
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "noindex" in headers["x-robots-tag"]
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert "set-cookie" not in headers
    assert "cookies" not in response
    tags = _Page(response["body"]).tags
    names = [name for name, _ in tags]
    assert not {"script", "img", "iframe", "link"} & set(names)
    assert not [attrs for _, attrs in tags if "style" in attrs or any(name.startswith("on") for name in attrs)]
    assert tags[0] == ("html", {"lang": "en"})
    assert (names.count("h1"), names.count("main")) == (1, 1)
    (form,) = [attrs for name, attrs in tags if name == "form"]
    assert form == {"method": "post"}
    assert "prefers-color-scheme: dark" in response["body"]


def test_the_style_is_the_one_that_the_policy_allows(post: MailHarness) -> None:
    response = ask(link_to(post))
    (style,) = re.findall(r"<style>(.*?)</style>", response["body"], re.DOTALL)
    allowed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"'sha256-{allowed}'" in response["headers"]["content-security-policy"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("token", ["nobody-has-this-token", "x" * 300, "é", "a'b", "a\0b", ""])
def test_an_unknown_link_is_a_page_that_does_not_exist(database: Database, method: str, token: str) -> None:
    response = ask(token, method, ONE_CLICK if method == "POST" else "")
    assert response["statusCode"] == 404
    assert response["headers"]["content-type"].startswith("text/html")
    assert token not in response["body"] or not token
    assert rows_of(database, "select from webhook_inbox") == []


def test_head_is_the_answer_to_get_without_its_body(post: MailHarness) -> None:
    token = link_to(post)
    shown, head = ask(token), ask(token, "HEAD")
    assert (head["statusCode"], head["headers"], head["body"]) == (shown["statusCode"], shown["headers"], "")


# --- acting -----------------------------------------------------------------------------------------------------------


def test_one_click_ends_everything(post: MailHarness) -> None:
    token = link_to(post, topic="news")
    response = one_click(token)
    assert response["statusCode"] == 200
    assert suppressed_by(post.db) == "opt_out"
    row = post.rows()["ada"]
    assert row["status"] == "unsubscribed"
    assert row["unsubscribed_at"] is not None
    post.queue("ada", key="the next one")
    assert post.send().refused == 1
    assert post.got("ada") == 1


def test_it_reaches_the_customer_and_with_that_mautic(post: MailHarness) -> None:
    customer = add_customer(post.db, "ada@example.com")
    one_click(link_to(post))
    row = one(post.db, "select opted_out_at from customer_profiles where id = :id", id=customer)
    assert row["opted_out_at"] is not None


def test_the_topics_button_ends_the_topic_alone(post: MailHarness) -> None:
    token = link_to(post, topic="news")
    response = press(token, "topic")
    assert response["statusCode"] == 200
    assert "no more e-mails about <strong>news</strong>" in response["body"]
    assert suppressed_by(post.db) is None
    news, offers = post.mail("ada", key="n", topic="news"), post.mail("ada", key="o", topic="offers")
    queue_emails(post.db, [news, offers], post.now, purpose="test")
    report = post.send()
    assert (report.sent, report.refused) == (1, 1)


def test_after_the_topic_the_same_link_still_ends_the_rest(post: MailHarness) -> None:
    token = link_to(post, topic="news")
    press(token, "topic")
    assert "No more of news" not in ask(token)["body"]
    press(token, "all")
    assert suppressed_by(post.db) == "opt_out"
    assert "<form" not in ask(token)["body"]


def test_the_topics_button_of_a_mail_without_one_ends_everything(post: MailHarness) -> None:
    press(link_to(post), "topic")
    assert suppressed_by(post.db) == "opt_out"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("", FORM),
        ("scope=all", FORM),
        ("scope=nonsense", FORM),
        (ONE_CLICK, "text/plain"),
        (ONE_CLICK, ""),
        (ONE_CLICK, "application/json"),
        (ONE_CLICK, "application/octet-stream"),
        (
            '--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--',
            "multipart/form-data; boundary=b",
        ),
        ("scope=topic&List-Unsubscribe=One-Click&scope=all", FORM),
        ("\x00\x01%ff", FORM),
    ],
)
def test_whatever_a_post_says_its_wish_is_not_lost_on_its_form(post: MailHarness, body: str, content_type: str) -> None:
    token = link_to(post, topic="news")
    assert ask(token, "POST", body, content_type)["statusCode"] == 200
    assert suppressed_by(post.db) == "opt_out"


def test_doing_it_again_changes_nothing_more(post: MailHarness) -> None:
    token = link_to(post)
    for _ in range(3):
        assert one_click(token)["statusCode"] == 200
    assert len(rows_of(post.db, "select from consent_events")) == 1
    assert len(rows_of(post.db, "select from email_logs where event_type = 'unsubscribed'")) == 1


def test_who_consented_again_can_leave_again_by_the_same_link(post: MailHarness) -> None:
    token = link_to(post)
    one_click(token)
    rows_of(
        post.db,
        """insert into consent_events (channel, address, kind, source, evidence, occurred_at)
           values ('email', 'ada@example.com', 'consent', 'crm', 'letter', clock_timestamp())""",
    )
    assert suppressed_by(post.db) is None
    one_click(token)
    assert suppressed_by(post.db) == "opt_out"


def test_what_is_queued_for_them_is_refused_at_once_whoever_queued_it(post: MailHarness) -> None:
    token = link_to(post)
    queue_emails(post.db, [post.mail("ada", key="next"), post.mail("bob")], post.now, purpose="other")
    one_click(token)
    rows = {row["send_key"]: row for row in rows_of(post.db, "select * from email_sends")}
    assert (rows["next"]["status"], rows["next"]["reason"], rows["next"]["payload"]) == ("refused", "opt_out", None)
    assert rows["test:bob"]["status"] == "queued"


@pytest.mark.parametrize(("scope", "others"), [("topic", "active"), ("all", "unsubscribed")])
def test_every_sequence_that_they_leave_ends_and_takes_its_queued_mail_back(
    post: MailHarness, scope: str, others: str
) -> None:
    token = link_to(post, topic="news")
    theirs = enroll(post.db, "ada", topic="news")
    rows_of(post.db, "update contacts set email = 'other-' || email")
    another = enroll(post.db, "ada", topic="offers")
    bobs = enroll(post.db, "bob", topic="news")
    queue_emails(post.db, [post.mail("ada", key="next", topic="news", **theirs)], post.now, purpose="other")
    press(token, scope)
    rows = rows_of(post.db, "select id, status, next_step_at is null as is_over from campaign_enrollments")
    status = {row["id"]: row["status"] for row in rows}
    assert status[theirs["enrollment_id"]] == "unsubscribed"
    assert status[another["enrollment_id"]] == others
    assert status[bobs["enrollment_id"]] == "active"
    line = one(
        post.db, "select status from campaign_sequence_logs where enrollment_id = :id", id=theirs["enrollment_id"]
    )
    assert line["status"] == "stopped"
    assert one(post.db, "select status from email_sends where send_key = 'next'")["status"] == "refused"


def test_an_opt_out_of_one_organization_is_not_one_of_another(post: MailHarness) -> None:
    one_click(link_to(post))
    other = one(post.db, "insert into organizations (name) values ('Other') returning id")["id"]
    sql = "select suppressed_by from suppression(:org, 'email', 'ada@example.com')"
    assert one(post.db, sql, org=other)["suppressed_by"] is None


def test_who_was_erased_sees_that_nothing_comes_any_more(post: MailHarness) -> None:
    token = link_to(post)
    rows_of(post.db, "update email_sends set address = null, recipient_email = null")
    assert "no more e-mails" in ask(token)["body"]
    assert one_click(token)["statusCode"] == 200
    assert rows_of(post.db, "select from consent_events") == []


@pytest.mark.parametrize(("method", "body", "content_type", "status"), [
    ("PUT", "", FORM, 405),
    ("POST", "x" * 20000, FORM, 413),
])  # fmt: skip
def test_what_is_no_request_of_this_page_is_told_so(
    post: MailHarness, method: str, body: str, content_type: str, status: int
) -> None:
    assert ask(link_to(post), method, body, content_type)["statusCode"] == status
    assert suppressed_by(post.db) is None


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: path.stem)
def test_every_sample_event_is_answered_as_its_name_says(post: MailHarness, path: Path) -> None:
    queue_emails(post.db, [post.mail("ada", unsubscribe_token=SAMPLE, topic="news")], post.now, purpose="test")
    expected = {"options": 204, "wrong_method": 405}.get(path.stem, 200)
    assert handler(json.loads(path.read_text()), None)["statusCode"] == expected
    assert (suppressed_by(post.db) == "opt_out") == (path.stem in {"one_click", "button_all"})
