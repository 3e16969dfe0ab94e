"""The page behind the link of an approval: looking changes nothing, pressing decides once, strangers cost little."""

import base64
import hashlib
import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest

from approvals import wiring
from approvals.handler import handler
from crm_relay.platform.database import Row
from crm_relay.platform.sql import Query
from tests.support.workflows.approval_stage import MANAGER, ApprovalStage, asking, user
from tests.support.workflows.approvals_function import configure_door, open_link, press
from tests.support.workflows.run_harness import RunHarness

EVENTS = sorted((Path(__file__).parents[4] / "events" / "approvals").glob("*.json"))
SAMPLE = "sample-approval-token-00000000001"
TABLES = (
    "workflow_approvals", "workflow_approval_links", "workflow_executions", "workflow_steps", "workflow_execution_logs",
    "notifications", "notification_deliveries", "notification_digests",
)  # fmt: skip


@pytest.fixture
def stage(runs: RunHarness, monkeypatch: pytest.MonkeyPatch, database_url: str) -> ApprovalStage:
    configure_door(monkeypatch, database_url)
    runs.time[0] = datetime.now(UTC)
    return ApprovalStage(runs)


def everything(stage: ApprovalStage) -> dict[str, list[Row]]:
    return {table: stage.runs.rows(f"select * from {table} order by 1") for table in TABLES}


def status(answer: dict[str, Any]) -> int:
    return int(answer["statusCode"])


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
def test_a_scanner_that_opens_every_link_changes_nothing(stage: ApprovalStage, method: str) -> None:
    eve = stage.person("eve")
    run = stage.begin(asking(MANAGER, user(eve), mode="parallel"))
    before = everything(stage)
    for person in (stage.max, eve):
        for _ in range(3):
            assert status(open_link(stage.token(person), method)) in {200, 204, 405}
    assert everything(stage) == before
    assert stage.asked(run) == ["eve", "max"]


def test_a_colleague_is_chosen_from_those_who_may_decide(stage: ApprovalStage) -> None:
    eve, mallory = stage.person("eve", role="<b>boss</b>"), stage.person("mallory", is_active=False)
    run = stage.begin(asking(MANAGER))
    token = stage.token(stage.max)
    before = everything(stage)
    answer = press(token, "delegate")
    shown = answer["body"]
    assert (status(answer), everything(stage)) == (200, before)
    assert re.findall(r'<option value="([^"]*)">([^<]*)</option>', shown) == [
        ("", "Choose a colleague"), (str(eve), "Eve (&lt;b&gt;boss&lt;/b&gt;)"),
    ]  # fmt: skip
    assert hand_on(token, mallory) == 422
    assert hand_on(token, stage.olga) == 403, "who asked for it"
    assert stage.asked(run) == ["max"]
    assert hand_on(token, eve) == 200
    assert "handed on to somebody else" in open_link(token)["body"]
    stage.tick(minutes=5)
    assert stage.asked(run) == ["eve"]
    assert "select" not in open_link(token)["body"].split("</style>")[1]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_whatever_only_opens_a_link_reads_no_names_of_colleagues(stage: ApprovalStage, method: str) -> None:
    stage.person("eve")
    stage.begin(asking(MANAGER))
    assert "Eve" not in open_link(stage.token(stage.max), method)["body"]


def test_where_nobody_may_take_it_the_page_says_so(stage: ApprovalStage) -> None:
    stage.begin(asking(MANAGER))
    answer = press(stage.token(stage.max), "delegate")
    assert (status(answer), "There is nobody" in answer["body"]) == (200, True)


def hand_on(token: str, to: UUID) -> int:
    """By the form."""
    return status(open_link(token, "POST", urlencode({"to": str(to), "decision": "delegate"})))


@pytest.mark.parametrize(
    "body", ["", "decision=", "decision=delegate&to=x", "decision=APPROVE", "approve", "scope=all"]
)
def test_a_post_that_says_neither_yes_nor_no_decides_nothing(stage: ApprovalStage, body: str) -> None:
    stage.begin(asking(MANAGER))
    before = everything(stage)
    answer = open_link(stage.token(stage.max), "POST", body)
    assert (status(answer), answer["body"].count("<button")) == (422, 3)
    assert everything(stage) == before


def test_a_form_of_another_type_is_not_read(stage: ApprovalStage) -> None:
    stage.begin(asking(MANAGER))
    answer = open_link(stage.token(stage.max), "POST", json.dumps({"decision": "approve"}), "application/json")
    assert status(answer) == 415


def test_the_page_says_what_is_asked_and_by_whom(stage: ApprovalStage) -> None:
    stage.change(stage.olga, name="Olga <b>O</b>")
    stage.begin(asking(MANAGER, message="Is {{deal.name}} fine?", due="+3d"))
    body = open_link(stage.token(stage.max))["body"]
    for text in ("Your approval is needed", "Engine", "Olga &lt;b&gt;O&lt;/b&gt;", "Is Engine fine?", "Max", "Due"):
        assert text in body
    assert body.count("<button") == 3
    assert "Nothing happens until you press a button" in body


@pytest.mark.parametrize(("decision", "headline"), [("approve", "Approved"), ("reject", "Rejected")])
def test_pressing_decides_and_pressing_again_says_what_was_decided(
    stage: ApprovalStage, decision: str, headline: str
) -> None:
    run = stage.begin(asking(MANAGER))
    token = stage.token(stage.max)
    first = press(token, decision, "Because\r\nI say so")
    assert (status(first), f"<h1>{headline}</h1>" in first["body"]) == (200, True)
    (row,) = stage.approvals(run)
    assert (row["decided_via"], row["decided_by_name"], row["response_notes"]) == (
        "link", "Max", "Because\r\nI say so",
    )  # fmt: skip
    before = everything(stage)
    for again in ("approve", "reject"):
        answer = press(token, again)
        assert (status(answer), f"<h1>{headline}</h1>" in answer["body"]) == (200, True)
        assert "<button" not in answer["body"]
    assert f"{headline} by Max by the link" in open_link(token)["body"]
    assert everything(stage) == before


def test_a_link_opens_its_own_approval_alone(stage: ApprovalStage) -> None:
    eve = stage.person("eve")
    run = stage.begin(asking(MANAGER, user(eve), mode="parallel"))
    press(stage.token(eve), "approve")
    assert stage.said(run) == [("eve", "approved"), ("max", "pending")]


def test_a_link_of_what_was_handed_on_says_so(stage: ApprovalStage) -> None:
    eve = stage.person("eve")
    run = stage.begin(asking(MANAGER))
    token = stage.token(stage.max)
    stage.delegate(run, stage.max, eve)
    answer = press(token, "approve")
    assert status(answer) == 200
    assert "handed on to somebody else" in answer["body"]
    assert stage.asked(run) == ["eve"]


def test_what_may_not_be_decided_is_said_in_words(stage: ApprovalStage) -> None:
    run = stage.begin(asking(MANAGER))
    token = stage.token(stage.max)
    stage.change(stage.max, is_active=False)
    answer = press(token, "approve")
    assert status(answer) == 403
    assert "no longer an active colleague" in answer["body"]
    assert stage.runs.status(run) == "running"


def test_a_reminder_has_a_link_of_its_own_to_the_same_approval(stage: ApprovalStage) -> None:
    run = stage.begin(asking(MANAGER, remind="+1d"))
    first = stage.token(stage.max)
    stage.tick(days=1)
    second = stage.token(stage.max)
    assert first != second
    assert stage.runs.notified(stage.max)[-1] == "Reminder: approval needed for Engine"
    assert status(press(second, "approve")) == 200
    assert "Approved by Max" in open_link(first)["body"]
    assert stage.said(run) == [("max", "approved")]


def test_no_table_has_the_token_but_the_notification_of_its_reader(stage: ApprovalStage) -> None:
    stage.begin(asking(MANAGER))
    token = stage.token(stage.max)
    (link,) = stage.runs.rows("select * from workflow_approval_links")
    assert link["sha256"] == hashlib.sha256(token.encode()).hexdigest()
    tables = stage.runs.rows(
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'"
    )
    found = {
        row["relname"]
        for row in tables
        if stage.runs.rows(
            f"select 1 as one from {row['relname']} each where strpos(each::text, :token) > 0 limit 1", token=token
        )
    }
    assert found == {"notifications", "notification_deliveries"}


class _TagsOfPage(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_the_page_runs_and_loads_nothing_and_is_found_and_framed_by_nobody(stage: ApprovalStage) -> None:
    stage.begin(asking(MANAGER))
    answer = open_link(stage.token(stage.max))
    headers = {name.lower(): text for name, text in answer["headers"].items()}
    policy = headers["content-security-policy"]
    (style,) = re.findall(r"<style>(.*?)</style>", answer["body"], re.DOTALL)
    allowed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{allowed}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    assert "noindex" in headers["x-robots-tag"]
    assert (headers["referrer-policy"], headers["cache-control"]) == ("no-referrer", "no-store")
    assert "set-cookie" not in headers
    tags = _TagsOfPage(answer["body"]).tags
    names = [name for name, _ in tags]
    assert not {"script", "img", "iframe", "link"} & set(names)
    assert not [attrs for _, attrs in tags if "style" in attrs or any(name.startswith("on") for name in attrs)]
    assert (tags[0], names.count("h1"), names.count("main")) == (("html", {"lang": "en"}), 1, 1)
    assert [attrs for name, attrs in tags if name == "form"] == [{"method": "post"}] * 2


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("token", ["nobody-has-this-token", "x" * 300, "é", "a'b", "a\0b", "", "../../x"])
def test_an_unknown_link_is_a_page_that_does_not_exist(stage: ApprovalStage, method: str, token: str) -> None:
    answer = open_link(token, method, "decision=approve" if method == "POST" else "")
    assert status(answer) == 404
    assert answer["headers"]["content-type"].startswith("text/html")


def test_strangers_are_looked_up_no_more_and_our_own_links_still_are(
    stage: ApprovalStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.begin(asking(MANAGER))
    token = stage.token(stage.max)
    database, asked = wiring.installation().database, []
    run = database.run

    def counted(query: Query, **values: Any) -> list[Row]:
        asked.append(query.name)
        return run(query, **values)

    monkeypatch.setattr(database, "run", counted)
    answers = [status(open_link(f"nobody-has-this-token-{number}")) for number in range(60)]
    assert (answers[0], answers[-1], len(asked)) == (404, 503, 30)
    assert status(open_link(token)) == 200
    assert open_link("nobody-has-this-token-x")["headers"]["retry-after"] == "120"


def test_while_the_database_is_away_the_page_says_to_come_back(
    stage: ApprovalStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.begin(asking(MANAGER))
    token = stage.token(stage.max)
    configure_door(monkeypatch, "postgresql://crm@127.0.0.1:9/crm")
    for answer in (open_link(token), press(token, "approve")):
        assert status(answer) == 503
        assert "Please come back" in answer["body"]


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: path.stem)
def test_every_sample_event_is_answered_as_its_name_says(stage: ApprovalStage, path: Path) -> None:
    run = stage.begin(asking(MANAGER))
    stage.runs.rows(
        "update workflow_approval_links set sha256 = :sha returning approval_id",
        sha=hashlib.sha256(SAMPLE.encode()).hexdigest(),
    )
    expected = {"options": 204, "wrong_method": 405}.get(path.stem, 200)
    assert status(handler(json.loads(path.read_text()), None)) == expected
    (row,) = stage.approvals(run)
    assert row["status"] == {"approve": "approved", "reject": "rejected"}.get(path.stem, "pending")


def test_what_was_decided_is_gone_for_nobody(stage: ApprovalStage) -> None:
    """Until its run is removed; then the link is nobody's."""
    run: UUID = stage.begin(asking(MANAGER))
    token = stage.token(stage.max)
    press(token, "approve")
    stage.tick(minutes=1)
    assert status(open_link(token)) == 200
    stage.runs.rows("delete from workflow_executions where id = :id returning id", id=run)
    assert status(open_link(token)) == 404
