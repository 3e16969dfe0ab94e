"""In which mode mail leaves: as the last run found it, in every answer about campaigns."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from admin_api import wiring
from cli.main import app
from crm_relay.mail.models import Mode, SendPolicy
from crm_relay.mail.modes.mail_mode import mail_mode, note_mode
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.http.callers import Role
from tests.support.campaigns.campaign_files import file
from tests.support.operations.admin_function import AdminFunction, admin_function
from tests.support.platform.rows import one, rows_of

TASK = {"channel": "task", "task": {"title": "Ring"}}
DRY, LIVE = SendPolicy(), SendPolicy(Mode.LIVE)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, database: Database, database_url: str) -> Iterator[AdminFunction]:
    yield admin_function(monkeypatch, database, database_url)
    wiring.installation.forget()


def modes(api: AdminFunction) -> dict[str, Any]:
    """By the route that says it."""
    token = api.token(f"robot-{utc_now().timestamp()}", Role.OPERATE)
    made = api.call("POST", "/api/campaigns", body=file(TASK, name=f"At {utc_now()}"), token=token).body
    path = f"/api/campaigns/{made['id']}"
    activated = api.call("POST", f"{path}/activate", token=token).body
    return {
        "activate": activated["mail_mode"]["mode"],
        "resume": api.call("POST", f"{path}/resume", token=token).body["mail_mode"]["mode"],
        "simulate": api.call("POST", f"{path}/simulate", body={}, token=token).body["mail_mode"]["mode"],
        "one": api.call("GET", path, token=token).body["mail_mode"]["mode"],
        "its line": api.call("GET", path, token=token).body["campaign"]["mail_mode"],
        "list": api.call("GET", "/api/campaigns", token=token).body[0]["mail_mode"],
        "funnels": api.call("GET", "/api/campaigns/funnels", token=token).body[0]["campaign"]["mail_mode"],
        "page": api.call("GET", "/api/dashboard", token=token).body["mail_mode"]["mode"],
        "sending": api.call("GET", "/api/sending", token=token).body["mail_mode"]["mode"],
    }


def test_every_answer_about_campaigns_says_in_which_mode_the_last_run_sent(api: AdminFunction) -> None:
    assert set(modes(api).values()) == {"dry-run"}
    note_mode(api.database, LIVE, utc_now())
    # The process that answers was given no SEND_MODE, and says what leaves all the same.
    assert set(modes(api).values()) == {"live"}


def test_before_the_first_run_it_is_the_setting_of_the_process_that_answers(
    monkeypatch: pytest.MonkeyPatch, database: Database, database_url: str
) -> None:
    monkeypatch.setenv("SEND_MODE", "live")
    api = admin_function(monkeypatch, database, database_url)
    assert set(modes(api).values()) == {"live"}
    assert api.call("GET", "/api/sending").body["mail_mode"]["since"] is None
    wiring.installation.forget()


def test_a_mode_is_written_where_it_changes_and_what_it_held_is_asked_again(database: Database) -> None:
    def written() -> tuple[Any, ...]:
        row = one(database, "select xmin::text, changed_at is not null as has_changed, mode from send_modes")
        return (*row.values(), one(database, "select count(*)::integer as n from hold_changes")["n"])

    note_mode(database, DRY, utc_now())
    first = written()
    note_mode(database, DRY, utc_now())
    assert written() == first
    assert first[1:] == (False, "dry-run", 0)
    lists = [SendPolicy(Mode.ALLOW_LIST, frozenset(each)) for each in ({"a@example.com"}, {"b@example.com"})]
    for policy in (*lists, lists[1], LIVE):
        note_mode(database, policy, utc_now())
    assert written()[1:] == (True, "live", 3)
    assert rows_of(database, "select distinct reasons from hold_changes") == [
        {"reasons": ["dry_run", "not_on_allow_list"]}
    ]
    assert "example.com" not in json.dumps(rows_of(database, "select * from send_modes"), default=str)


def test_commands_say_it_in_a_sentence(api: AdminFunction) -> None:
    modes(api)
    name = one(api.database, "select name from campaigns")["name"]
    for words in (("show", name), ("simulate", name), ("activate", name), ("resume", name)):
        done = CliRunner().invoke(app, ["campaign", *words])
        assert (done.exit_code, "SEND_MODE is dry-run: campaigns send nothing" in done.output) == (0, True), done.output
    listed = CliRunner().invoke(app, ["campaign", "list", "--json"])
    assert [each["mail_mode"] for each in json.loads(listed.output)] == ["dry-run"]
    assert mail_mode(api.database, Mode.LIVE).mode == "live"
