"""No exception and no line of a log carries what stands in a setting, however malformed that is."""

import importlib
import logging
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from botocore.config import Config
from typer.testing import CliRunner

from cli.main import app
from crm_relay.incidents.channels import channels
from crm_relay.incidents.message import AlertMessage
from crm_relay.mail.link_tokens import is_signed_link, new_link_token
from crm_relay.platform.aws import queue
from crm_relay.platform.aws.dynamo import Table
from crm_relay.platform.aws.lease import Lease
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.encryption.master_key import open_master_key
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.platform.settings import SettingsModel, read_settings
from crm_relay.providers.airtable.connector import AirtableConnector
from crm_relay.providers.bison.client import Bison
from crm_relay.providers.bison.webhook import receive as receive_bison
from crm_relay.providers.connectors.contract import Connector
from crm_relay.providers.connectors.oauth_client import OAuthApp
from crm_relay.providers.connectors.setup import set_up
from crm_relay.providers.gmail.connector import GmailConnector
from crm_relay.providers.mailchimp.connector import MailchimpConnector
from crm_relay.providers.mailchimp.webhook import connection_of
from crm_relay.providers.mailchimp.webhook import ensure_signed as ensure_mailchimp_signed
from crm_relay.providers.mautic.client import Mautic
from crm_relay.providers.mautic.webhook import receive as receive_mautic
from crm_relay.providers.resend.client import Resend
from crm_relay.providers.resend.webhook import receive as receive_resend
from crm_relay.providers.twilio.client import open_twilio
from migrate.wiring import apply_migrations
from tests.support.connections.airtable_stage import TestAccess
from tests.support.function_settings import NOWHERE, WITHOUT_AWS
from tests.support.platform.rows import parse
from tests.support.source_tree import ROOT

MARK = "Secret9"
HOSTILE = [
    f"postgresql://u:ab[{MARK}]ef@127.0.0.1:9/db",
    f"postgresql://postgres.ref:[{MARK}]@127.0.0.1:9/postgres",
    f"postgresql://u:x@127.0.0.1:{MARK}/db",
    f"postgresql://u:x@127.0.0.1:9{MARK}/db",
    f"postgresql://u:{MARK}/x@127.0.0.1:9/db",
    f"postgresql://u:x@{MARK}/y@127.0.0.1:9/db",
    f"postgresql://u:x@{MARK}?y@127.0.0.1:9/db",
    f"postgresql://u:x@{MARK}#y@127.0.0.1:9/db",
    f"postgresql://u:x@[{MARK}]/db",
    f"postgresql://u:x@{MARK}{'x' * 70}/db",
    f"postgresql://u:{MARK}\udcff@127.0.0.1:9/db",
    f"postgresql://u:{MARK}%00@127.0.0.1:9/{MARK}",
    f"postgresql://u:x@127.0.0.1:99999/{MARK}?sslmode={MARK}",
    f"http://u:{MARK}[@127.0.0.1:9/",
    f"http://127.0.0.1:{MARK}/",
    f"http://{MARK}{'x' * 70}/",
    f"http://127.0.0.1:9/{MARK}\n",
    f"//{MARK}]",
    f'{{"Northwind": "{MARK}"',
    f'{{"Northwind": ["{MARK}", {{"token": "{MARK}", "until": "{MARK}"}}]}}',
    f'["{MARK}"]',
    f"ሴ{MARK}",
    f"{MARK}\udcff" * 8,
    f"{MARK}\r\nX-Header: {MARK}" + "-" * 40,
    f"arn:aws:sns:{MARK}",
    MARK,
    MARK * 1000,
]
ALERT = AlertMessage("a", "b")


def _http(url: str) -> HttpClient:
    return HttpClient(url, timeout=(0.2, 0.2), repeats=0)


def _ask_database(url: str) -> None:
    Database(url, timeout=0.5).run(parse("select 1 as one"))


def _lease(table: str) -> None:
    Lease(table, "name", 1.0).acquire()


def _queue(url: str) -> None:
    queue.send_message(url, {})


def _bucket(name: str) -> None:
    queue.put_object(name, "key", b"")


def _alert(slack: str | None, topic: str | None) -> None:
    for channel in channels(slack, topic):
        channel.send(ALERT)


def _texts(**given: str) -> None:
    parts = {"sid": "AC1", "token": "t", "sender": "+15550100000", "url": NOWHERE} | given
    twilio = open_twilio(parts["sid"], parts["token"], parts["sender"], http=_http(parts["url"]))
    assert twilio is not None
    twilio.find("+15550100001", "text", since=utc_now())


def _airtable(url: str) -> None:
    set_up(AirtableConnector(), base_url=url, timeout=(0.2, 0.2)).open_account(TestAccess(["token"]), {}).info()


def _gmail(url: str) -> None:
    set_up(GmailConnector(), base_url=url, timeout=(0.2, 0.2)).open_account(TestAccess(["token"]), {}).info()


def _oauth(connector: Connector, **given: str) -> None:
    parts = {"id": "id", "secret": "s", "base": NOWHERE} | given
    oauth = set_up(connector, app=OAuthApp(parts["id"], parts["secret"]), oauth_base=parts["base"]).oauth
    assert oauth is not None
    assert oauth.authorize_address(redirect_uri=NOWHERE, state="state", verifier="verifier")
    oauth.exchange("code", redirect_uri=NOWHERE, verifier="verifier")


def _mailchimp(url: str) -> None:
    account = set_up(MailchimpConnector(), base_url=url, timeout=(0.2, 0.2)).open_account(TestAccess(["key-us1"]), {})
    account.info()


def _mailchimp_oauth(**given: str) -> None:
    parts = {"id": "id", "secret": "s", "base": NOWHERE} | given
    connector = MailchimpConnector(parts["base"])
    oauth = set_up(connector, app=OAuthApp(parts["id"], parts["secret"]), oauth_base=parts["base"]).oauth
    assert oauth is not None
    oauth.exchange("code", redirect_uri=NOWHERE, verifier="verifier")


# Setting -> what is done with its value. What is a number or a word of a list is refused by read_settings alone.
USES: dict[str, Callable[[Any], object]] = {
    "DATABASE_URL": _ask_database,
    "MIGRATION_DATABASE_URL": _ask_database,
    "DATABASE_CA_FILE": lambda path: Database("postgresql://u:p@127.0.0.1:9/db", ca_file=path),
    "MIGRATIONS_FOLDER": lambda _: apply_migrations({}),
    "EDGE_CACHE_TABLE": lambda name: Table(name).get_many([{"pk": {"S": "a"}, "sk": {"S": "b"}}]),
    "COORDINATION_TABLE": _lease,
    "DEFERRED_QUEUE_URL": _queue,
    "CACHE_ORDERS_QUEUE_URL": _queue,
    "INTEGRITY_ORDERS_QUEUE_URL": _queue,
    "CONTINUE_QUEUE_URL": _queue,
    "NOTIFICATION_QUEUE_URL": _queue,
    "WORKFLOW_QUEUE_URL": _queue,
    "OVERSIZE_BUCKET": _bucket,
    "ALERT_TOPIC_ARN": lambda arn: _alert(None, arn),
    "ALERT_SLACK_WEBHOOK_URL": lambda url: _alert(url, None),
    "MAUTIC_URL": lambda url: Mautic(_http(url), "id", "secret").segments(),
    "MAUTIC_CLIENT_ID": lambda text: Mautic(_http(NOWHERE), text, "secret").segments(),
    "MAUTIC_CLIENT_SECRET": lambda text: Mautic(_http(NOWHERE), "id", text).segments(),
    "MAUTIC_WEBHOOK_SECRET": lambda some: receive_mautic(
        b"{}", {"webhook-signature": "x"}, secrets=some, now=utc_now()
    ),
    "RESEND_WEBHOOK_SECRET": lambda some: receive_resend(
        b"{}",
        {"svix-id": "a", "svix-timestamp": str(int(utc_now().timestamp())), "svix-signature": "v1,eA=="},
        secrets=some,
        now=utc_now(),
    ),
    "UNSUBSCRIBE_LINK_KEY": lambda some: is_signed_link(new_link_token(some), some),
    "BISON_INSTANCE_URL": lambda url: Bison(_http(url), "token", 1).sender_email(1),
    "BISON_API_TOKENS": lambda some: [Bison(_http(NOWHERE), each, 1).sender_email(1) for each in some.values()],
    "BISON_WEBHOOK_TOKENS": lambda some: receive_bison(b"{}", "wrong", tokens=some, now=utc_now()),
    "RESEND_API_URL": lambda url: Resend(_http(url), "key").received("id"),
    "RESEND_API_KEY": lambda key: Resend(_http(NOWHERE), key).received("id"),
    "TWILIO_ACCOUNT_SID": lambda text: _texts(sid=text),
    "TWILIO_AUTH_TOKEN": lambda text: _texts(token=text),
    "TWILIO_FROM": lambda text: _texts(sender=text),
    "TWILIO_API_URL": lambda url: _texts(url=url),
    "CONNECTION_KEY": lambda name: open_master_key(name).wrap(b"k" * 32),
    "AIRTABLE_URL": _airtable,
    "AIRTABLE_OAUTH_URL": lambda base: _oauth(AirtableConnector(), base=base),
    "AIRTABLE_CLIENT_ID": lambda text: _oauth(AirtableConnector(), id=text),
    "AIRTABLE_CLIENT_SECRET": lambda text: _oauth(AirtableConnector(), secret=text),
    "GMAIL_URL": _gmail,
    "GOOGLE_OAUTH_URL": lambda base: _oauth(GmailConnector(), base=base),
    "GOOGLE_CLIENT_ID": lambda text: _oauth(GmailConnector(), id=text),
    "GOOGLE_CLIENT_SECRET": lambda text: _oauth(GmailConnector(), secret=text),
    "MAILCHIMP_URL": _mailchimp,
    "MAILCHIMP_WEBHOOK_KEY": lambda some: connection_of("x" * 43, some),
    "MAILCHIMP_SIGNING_SECRETS": lambda some: ensure_mailchimp_signed(
        b"x", {"x-mailchimp-signature": f"t={int(utc_now().timestamp())},v1={'a' * 64}"}, some, utc_now()
    ),
    "MAILCHIMP_OAUTH_URL": lambda base: _mailchimp_oauth(base=base),
    "MAILCHIMP_CLIENT_ID": lambda text: _mailchimp_oauth(id=text),
    "MAILCHIMP_CLIENT_SECRET": lambda text: _mailchimp_oauth(secret=text),
}
READ_ONLY = {
    "API_ORIGINS",
    "APP_URL",
    "NOTIFICATION_LINK_HOSTS",
    "DEAD_LETTER_QUEUE_URLS",
    "WATCHED_SCHEDULES",
    "ADMIN_TOKEN",
    "EMAIL_FROM",
    "PUBLIC_URL",
    "SEND_MODE",
    "SEND_ALLOW_LIST",
    "WORKFLOW_SECRETS",
    "WEBHOOK_PRIVATE_HOSTS",
    "WEBHOOK_PLAIN_HTTP",
}


def all_settings() -> Iterator[type[SettingsModel]]:
    for path in sorted((ROOT / "functions").glob("*/settings.py")):
        yield importlib.import_module(f"{path.parent.name}.settings").Settings


def settings_of_all() -> dict[str, list[type[SettingsModel]]]:
    found: dict[str, list[type[SettingsModel]]] = {}
    for kind in all_settings():
        for field in kind.model_fields:
            found.setdefault(field.upper(), []).append(kind)
    return found


def said_by(work: Callable[[], object]) -> tuple[object, str]:
    """The result, and all that a person or a log would see of a failure, with every exception behind it."""
    try:
        return work(), ""
    except (AttributeError, TypeError):
        # The test calls something wrongly.
        raise
    except Exception as error:  # noqa: BLE001 - whatever comes out is looked at
        # Frames show source lines, not values.
        return None, "".join(traceback.format_exception(error)) + repr(error)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS is at an address where nobody listens, and nothing is repeated."""
    import boto3

    for name, value in WITHOUT_AWS.items():
        monkeypatch.setenv(name, value)
    once = Config(connect_timeout=0.2, read_timeout=0.2, retries={"max_attempts": 0})
    clients: dict[str, Any] = {}

    def client(service: str, _connections: int = 10) -> Any:
        if service not in clients:
            clients[service] = boto3.client(service, config=once)
        return clients[service]

    for place in ("queue", "lease", "dynamo"):
        monkeypatch.setattr(f"crm_relay.platform.aws.{place}.aws_client", client)
    monkeypatch.setattr("crm_relay.platform.aws.dynamo._TRIES", 1, raising=False)


@pytest.mark.parametrize("name", sorted(settings_of_all()))
def test_no_exception_and_no_log_says_what_a_setting_holds(
    name: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.WARNING)
    for value in HOSTILE:
        for kind in settings_of_all()[name]:
            others = {"DATABASE_URL": "postgresql://u:p@127.0.0.1:9/db", "PUBLIC_URL": NOWHERE, **WITHOUT_AWS}
            read = _read(kind, others | {name: value})
            assert MARK not in read[1], (kind, value)
            settings = read[0]
        if name in USES and settings is not None and (used := getattr(settings, name.lower())):
            _set(monkeypatch, name, value)
            said = said_by(lambda used=used: USES[name](used))[1]  # type: ignore[misc]
            assert MARK not in said, (value, said)
    written = capfd.readouterr()
    assert MARK not in caplog.text + written.out + written.err


def _read(kind: type[SettingsModel], environment: Mapping[str, str]) -> tuple[Any, str]:
    """What other settings lack does not matter here."""
    missing = {
        field.upper(): NOWHERE
        for field, about in kind.model_fields.items()
        if about.is_required() and field.upper() not in environment
    }
    return said_by(lambda: read_settings(kind, missing | dict(environment)))


def _set(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    if name == "MIGRATIONS_FOLDER":
        monkeypatch.setenv("DATABASE_URL", "postgresql://u:p@127.0.0.1:9/db")
        monkeypatch.setenv(name, value)


def test_every_setting_is_used_as_its_function_uses_it_or_only_read() -> None:
    words = {
        field.upper()
        for kind in all_settings()
        for field, about in kind.model_fields.items()
        if about.annotation in {int, float} or "Literal" in str(about.annotation)
    }
    assert settings_of_all().keys() == USES.keys() | READ_ONLY | words


@pytest.mark.parametrize("url", [*HOSTILE[:3], *HOSTILE[4:8]])
def test_a_command_says_in_one_line_what_an_address_has_to_look_like(url: str) -> None:
    done = CliRunner().invoke(app, ["migrate", "--dry-run"], env={"DATABASE_URL": url, "MIGRATION_DATABASE_URL": url})
    assert done.exit_code == 2
    (line,) = done.output.splitlines()
    assert "DATABASE_URL must look like postgresql://" in line
    assert MARK not in line
