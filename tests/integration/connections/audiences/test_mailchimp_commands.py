"""An operator's command, explanation and OAuth for an audience."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import requests
from typer.testing import CliRunner

from cli.main import app
from crm_relay.connections.installed.connection_settings import ConnectionSettings
from crm_relay.connections.installed.environment import context_of
from crm_relay.connections.oauth.connect import begin, finish
from crm_relay.connections.oauth.ticket import make_ticket
from crm_relay.connections.people.why import connections_of
from crm_relay.connections.tokens.grants import put_grant
from crm_relay.consent.person import Person
from crm_relay.providers.mailchimp.webhook import connection_of
from local.simulators.http_server import Incoming, Outgoing, ServedSimulator
from tests.support.connections.mailchimp_sync_stage import MailchimpSync
from tests.support.function_settings import WITHOUT_AWS
from tests.support.platform.rows import rows_of

KEY = "a-webhook-key-of-32-letters-or-so"


class LookedAt(ServedSimulator):
    """A deployed stack, as far as Mailchimp looks at it."""

    def answer(self, incoming: Incoming) -> Outgoing:
        del incoming
        return Outgoing(200, {}, b"")


def settings_of(stage: MailchimpSync, folder: Path) -> dict[str, str]:
    return {
        "CONNECTION_KEY": f"file:{folder / 'key'}",
        "MAILCHIMP_URL": stage.sim.url,
        "MAILCHIMP_OAUTH_URL": stage.sim.url,
        "MAILCHIMP_CLIENT_ID": "client",
        "MAILCHIMP_CLIENT_SECRET": "secret",
    }


def test_the_command_makes_the_webhook_once_and_prints_its_secret_once(
    stage: MailchimpSync, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    connection = stage.link()
    environment = settings_of(stage, tmp_path) | {"DATABASE_URL": stage.url, "MAILCHIMP_WEBHOOK_KEY": KEY}
    for name, value in (WITHOUT_AWS | environment).items():
        monkeypatch.setenv(name, value)
    for table in ("integration_secrets", "integration_keys"):
        rows_of(stage.db, f"delete from {table}")
    vault = context_of(ConnectionSettings(**{name.lower(): value for name, value in environment.items()})).vault
    put_grant(stage.db, vault, connection, {"api_key": stage.people.access.tokens[0]}, None)
    stage.sim.state.signs_hooks = True

    def ask() -> dict[str, Any]:
        done = CliRunner().invoke(app, ["connection", "hook", str(connection), "--json"])
        assert done.exit_code == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    with LookedAt() as deployed:
        monkeypatch.setenv("PUBLIC_URL", deployed.url)
        first = ask()
        (hook,) = stage.people.audience.hooks
        assert first == {"created": True, "signing_secret": hook.signing_secret}
        assert ask() == {"created": False}
    assert connection_of(hook.url.rpartition("/")[2], [KEY]) == connection
    monkeypatch.delenv("PUBLIC_URL")
    refused = CliRunner().invoke(app, ["connection", "hook", str(connection)])
    assert (refused.exit_code, "set MAILCHIMP_WEBHOOK_KEY, and PUBLIC_URL" in refused.stderr) == (2, True)


def test_an_account_is_connected_by_oauth_and_never_refreshed(stage: MailchimpSync, tmp_path: Path) -> None:
    redirect = "https://crm.example.com/oauth/mailchimp/callback"
    stage.sim.client(redirect, "client", "secret")
    context = context_of(ConnectionSettings(**{k.lower(): v for k, v in settings_of(stage, tmp_path).items()}))
    settings = stage.people.settings()
    ticket = make_ticket(
        stage.db,
        provider="mailchimp",
        workspace=stage.workspace,
        started_by="nora@example.org",
        now=stage.now(),
        settings=settings,
    )
    start = begin(stage.db, context, "mailchimp", ticket, redirect, stage.now())
    back = requests.get(start.address, allow_redirects=False, timeout=5).headers["Location"]
    code = back.partition("code=")[2].partition("&")[0]
    connection = finish(
        stage.db,
        context,
        "mailchimp",
        state=start.state,
        cookie=start.state,
        code=code,
        redirect_uri=redirect,
        now=stage.now(),
    )
    sync = stage.open(connection, context=context)
    assert sync.validate_credentials()
    assert sync.config is not None
    assert (sync.config.token_expires_at, sync.config.refresh_token) == (None, None)
    assert sync.preview().success
    assert stage.sim.requests["POST /oauth2/token"] == 1


def test_why_says_who_left_an_audience(stage: MailchimpSync) -> None:
    (left,) = stage.people.add("left")
    stage.link()
    stage.sim.unsubscribe(stage.people.audience, left)
    stage.sync()
    (found,) = connections_of(stage.db, Person(addresses=frozenset({"left@x.example"}))).records
    assert (found["integration"], found["standing"], found["still_there_because"]) == (
        "mailchimp",
        "unsubscribed",
        None,
    )


def test_a_member_that_is_not_found_is_asked_for_again_once_it_is_seen(stage: MailchimpSync) -> None:
    stage.contact("out@x.example")
    stage.link()
    stage.sync()
    stage.pass_time()
    stage.sync()
    member = stage.people.member("out")
    assert member is not None
    stage.opt_out("out@x.example")
    kept, member.contact_id = member.contact_id, "elsewhere"
    stage.people.audience.members = {"elsewhere": member}
    stage.pass_time()
    stage.sync()
    assert member.status == "subscribed"
    member.contact_id, stage.people.audience.members = kept, {kept: member}
    stage.sim.edit(stage.people.audience, member, FNAME="Ada")
    stage.pass_time()
    stage.sync()
    assert member.status == "unsubscribed"
