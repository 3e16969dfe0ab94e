"""Sample events become good for the settings in force, and what is wrong with them on purpose stays wrong."""

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer

from cli.samples.invoke import event_file, read_event
from cli.samples.links import given_link
from cli.samples.outcomes import EVENTS, deviation, read_outcomes, sample_case
from cli.samples.prepare import LinkKind, SampleSettings, prepare_sample
from crm_relay.platform.errors import FatalError, RejectedInput
from crm_relay.platform.settings import read_settings
from crm_relay.providers.mailchimp import webhook as mailchimp
from crm_relay.providers.mautic import webhook as mautic
from crm_relay.providers.resend import webhook as resend

NOW = datetime(2027, 3, 4, 5, 6, 7, tzinfo=UTC)
RESEND_SECRET = f"whsec_{base64.b64encode(b'a secret of two dozen bytes').decode()}"
ENVIRONMENT = {
    "MAUTIC_WEBHOOK_SECRET": "a-secret-of-mautic,another",
    "RESEND_WEBHOOK_SECRET": RESEND_SECRET,
    "MAILCHIMP_WEBHOOK_KEY": "a-key-of-mailchimp-of-32-letters",
    "MAILCHIMP_SIGNING_SECRETS": "a-signing-secret",
    "BISON_WEBHOOK_TOKENS": json.dumps({"Northwind": "a-token-of-more-than-thirty-two-characters"}),
    "ADMIN_TOKEN": "an-admin-token-of-32-characters!",
    "DEFERRED_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/1/crm-relay-prod-deferred",
}


def prepared(case: str, **without: None) -> dict[str, Any]:
    event = json.loads((EVENTS / f"{case}.json").read_text())
    environment = {name: value for name, value in ENVIRONMENT.items() if name not in without}
    return prepare_sample(event, read_settings(SampleSettings, environment), NOW, link)


def link(kind: LinkKind) -> str:
    return f"token-of-{kind}"


def body(event: dict[str, Any]) -> bytes:
    text: str = event["body"]
    return base64.b64decode(text) if event["isBase64Encoded"] else text.encode()


@pytest.mark.parametrize("case", [case for case in read_outcomes() if case.startswith("resend_webhook/")])
def test_a_sample_of_resend_is_signed_now_where_the_file_has_a_signature(case: str) -> None:
    event = prepared(case)
    signed = "svix-signature" in json.loads((EVENTS / f"{case}.json").read_text())["headers"]
    assert ("svix-signature" in event["headers"]) is signed
    if signed:
        delivery_id, _ = resend.receive(body(event), event["headers"], secrets=[RESEND_SECRET], now=NOW)
        assert delivery_id == event["headers"]["svix-id"]


def test_a_sample_of_mautic_is_signed_with_the_first_secret() -> None:
    event = prepared("mautic_webhook/unsubscribe")
    assert mautic.receive(body(event), event["headers"], secrets=["a-secret-of-mautic"], now=NOW).events
    assert "webhook-signature" not in prepared("mautic_webhook/unsigned")["headers"]


def test_a_sample_of_mailchimp_has_a_token_of_this_key_and_a_signature() -> None:
    event = prepared("mailchimp_webhook/campaign")
    token = event["pathParameters"]["token"]
    assert event["rawPath"] == event["requestContext"]["http"]["path"] == f"/webhooks/mailchimp/{token}"
    assert mailchimp.connection_of(token, [ENVIRONMENT["MAILCHIMP_WEBHOOK_KEY"]])
    mailchimp.ensure_signed(body(event), event["headers"], ["a-signing-secret"], NOW)


def test_a_sample_of_emailbison_has_a_token_of_this_installation() -> None:
    event = prepared("bison_webhook/email_sent")
    assert event["rawPath"] == "/webhooks/bison/a-token-of-more-than-thirty-two-characters"
    assert event["headers"]["content-length"] == str(len(body(event)))
    assert "workspace_name" not in json.loads(event["body"])["event"]


@pytest.mark.parametrize("case", ["bison_webhook/wrong_token", "mailchimp_webhook/wrong_token"])
def test_a_wrong_token_stays_wrong(case: str) -> None:
    assert prepared(case)["rawPath"] == json.loads((EVENTS / f"{case}.json").read_text())["rawPath"]


def test_an_admin_token_is_filled_in_where_the_sample_has_one() -> None:
    assert prepared("admin_api/status")["headers"]["authorization"] == "Bearer an-admin-token-of-32-characters!"
    assert "authorization" not in prepared("admin_api/without_token")["headers"]
    with pytest.raises(FatalError, match="ADMIN_TOKEN"):
        prepared("admin_api/status", ADMIN_TOKEN=None)


@pytest.mark.parametrize(
    ("case", "kind"),
    [("unsubscribe/one_click", "unsubscribe"), ("approvals/head", "approvals"), ("integration_sync/start", "oauth")],
)
def test_a_link_is_filled_in_everywhere(case: str, kind: str) -> None:
    text = json.dumps(prepared(case))
    assert f"token-of-{kind}" in text
    assert "sample-" not in text


def test_a_link_is_not_made_for_a_request_that_opens_nothing() -> None:
    assert "token-of" not in json.dumps(prepared("unsubscribe/wrong_method"))


def test_every_http_sample_is_dated_now() -> None:
    context = prepared("admin_api/health")["requestContext"]
    assert (context["timeEpoch"], context["time"]) == (1804136767000, "04/Mar/2027:05:06:07 +0000")


def test_a_message_comes_from_the_queue_of_this_installation() -> None:
    (first, *_) = prepared("webhook_replay/deferred")["Records"]
    assert first["eventSourceARN"].rpartition(":")[2] == "crm-relay-prod-deferred"
    (dead,) = prepared("webhook_replay/dead_letter")["Records"]
    assert dead["eventSourceARN"].rpartition(":")[2] != "crm-relay-prod-deferred"


def test_without_a_stack_of_its_own_a_link_has_to_be_given() -> None:
    assert given_link("theirs")("approvals") == "theirs"
    with pytest.raises(RejectedInput, match="--token"):
        given_link(None)("unsubscribe")


@pytest.mark.parametrize(
    ("answer", "expected", "wrong"),
    [
        ({"statusCode": 200}, (200,), None),
        ({"statusCode": 401}, (200,), "answered 401, and the case says 200"),
        ({"statusCode": 409}, (201, 409), None),
        ({}, (200,), "answered without a status, and the case says 200"),
        ({"statusCode": 404}, None, "answered 404"),
        ({"statusCode": 302}, None, None),
        ({"success": True}, (), None),
        ({"success": False}, (), "the answer says that it was no success"),
        ({"batchItemFailures": [{}, {}]}, (), "2 of the records have to come again"),
        (None, None, None),
    ],
)
def test_an_answer_is_compared_with_its_case(answer: Any, expected: tuple[int, ...] | None, wrong: str | None) -> None:
    assert deviation(answer, expected) == wrong


def test_an_event_is_a_file_or_a_case(tmp_path: Path) -> None:
    own = tmp_path / "own.json"
    own.write_text("{}")
    assert event_file("migrate", str(own)) == own
    assert event_file("migrate", "dry_run") == event_file("migrate", "dry_run.json") == EVENTS / "migrate/dry_run.json"
    assert (sample_case(EVENTS / "migrate/dry_run.json"), sample_case(own)) == ("migrate/dry_run", None)
    with pytest.raises(typer.BadParameter, match="apply, dry_run"):
        event_file("migrate", "no_such_case")
    with pytest.raises(typer.BadParameter, match="there is no function migrat; there are admin_api,"):
        event_file("migrat", "dry_run")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'{\n  "a" 1\n}', "line 2, column 7"),
        (b"[]", "an event is a JSON object"),
        (b'{"a": "\xff"}', "is not UTF-8"),
    ],
)
def test_a_file_that_holds_no_event_is_refused_with_its_place(tmp_path: Path, content: bytes, says: str) -> None:
    file = tmp_path / "event.json"
    file.write_bytes(content)
    with pytest.raises(RejectedInput, match=says):
        read_event(file)
