"""Bad input of every kind: a clear answer, nothing written, nothing about a person in the log."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from crm_relay.platform.database import Database
from tests.support.customers.mautic_hooks import body_of, http_event, opened, recorded, sign, subscription
from tests.support.customers.mautic_webhook_function import configure, deliver
from tests.support.log import listening, quiet_about
from tests.support.platform.rows import one, rows_of

PERSON = "zz.person@example.com"
WRITTEN = " + ".join(
    f"(select count(*) from {table})" for table in ("webhook_inbox", "customer_email_engagement", "consent_events")
)
MANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.just(PERSON),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
NAMES = st.sampled_from(
    [
        "mautic.email_on_open",
        "mautic.page_on_hit",
        "mautic.lead_channel_subscription_changed",
        "mautic.lead_post_delete",
        "mautic.email_on_bounce",
        "mautic.lead_post_save_new",
        "mautic.unheard_of",
        "timestamp",
    ]
)


@pytest.fixture(autouse=True)
def function(monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    """Configured for this test's database."""
    configure(monkeypatch, database_url)


def written(database: Database) -> int:
    total: int = one(database, f"select ({WRITTEN})::integer as n")["n"]
    return total


def refused(event: Mapping[str, Any], status: int) -> dict[str, Any]:
    from mautic_webhook.handler import handler

    with quiet_about(PERSON):
        response = handler(dict(event), None)
    answer: dict[str, Any] = json.loads(response["body"])
    assert response["statusCode"] == status
    assert set(answer) == {"error", "details"}
    assert PERSON not in response["body"]
    return answer


@MANY
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode(errors="surrogatepass")))
@example(b"\x00")
@example(PERSON.encode())
@example(b"[" * 200_000)
@example(b'{"a":' * 200_000)
def test_what_is_no_json_object_is_refused_and_nothing_is_written(database: Database, body: bytes) -> None:
    with contextlib.suppress(ValueError, RecursionError):
        if isinstance(json.loads(body), dict):
            return
    refused(http_event(body), 400)
    assert written(database) == 0


@MANY
@given(st.dictionaries(NAMES, st.lists(JSON, max_size=3) | JSON, max_size=4))
def test_json_of_any_shape_is_answered_and_never_breaks(database: Database, content: dict[str, Any]) -> None:
    before = written(database)
    with quiet_about(PERSON):
        answer = deliver(body_of(content))
    assert answer["status"] in {200, 400}
    if answer["status"] == 400:
        assert answer["error"] in {"the delivery cannot be read", "the body is nested too deeply"}
        assert PERSON not in json.dumps(answer)
        assert written(database) == before


@MANY
@given(st.data())
def test_one_wrong_value_anywhere_in_a_real_delivery_never_breaks(database: Database, data: st.DataObject) -> None:
    content = {
        "mautic.email_on_open": [opened(email=PERSON)],
        "mautic.lead_channel_subscription_changed": [subscription(email=PERSON)],
    }
    place: Any = content
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else list(range(len(place)))))
        if not place[key] or not isinstance(place[key], dict | list) or data.draw(st.integers(0, 3)) == 0:
            break
        place = place[key]
    place[key] = data.draw(JSON)
    with quiet_about(PERSON):
        assert deliver(body_of(content))["status"] in {200, 400}


def test_six_megabytes_are_too_much(database: Database) -> None:
    body = body_of({"mautic.email_on_open": [opened(email=PERSON)], "filler": "x" * 6_000_000})
    assert refused(http_event(body), 413)["error"] == "body too large"
    assert written(database) == 0


def test_a_large_delivery_is_applied(database: Database) -> None:
    event = opened()
    event["stat"]["email"]["customHtml"] = "<p>…</p>" * 200_000
    assert deliver(body_of({"mautic.email_on_open": [event]}))["unmatched"] == 1


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "HEAD"])
def test_another_method_is_not_allowed(database: Database, method: str) -> None:
    hook = recorded("97_hook_click__page_on_hit")
    assert refused(http_event(hook.body, method=method), 405)["details"] == ["allowed: POST"]
    assert written(database) == 0


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "multipart/form-data; a=b"])
def test_another_content_type_is_not_supported(kind: str) -> None:
    body = body_of({"mautic.email_on_open": [opened()]})
    refused(http_event(body, headers=sign(body) | {"content-type": kind}), 415)


@pytest.mark.parametrize("headers", [{}, {"webhook-signature": "x"}, sign(b"another body")])
def test_an_unverified_delivery_is_refused_and_nothing_is_written(database: Database, headers: dict[str, str]) -> None:
    body = body_of({"mautic.lead_channel_subscription_changed": [subscription(email=PERSON)]})
    assert refused(http_event(body, headers=headers), 401)["error"] == "invalid signature"
    assert written(database) == 0


def test_without_a_configured_secret_everything_is_refused(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(monkeypatch, database_url, MAUTIC_WEBHOOK_SECRET="")
    body = body_of({"mautic.lead_channel_subscription_changed": [subscription(email=PERSON)]})
    for headers in ({}, sign(body, ""), sign(body)):
        refused(http_event(body, headers=headers), 401)
    assert written(database) == 0


def test_missing_settings_are_named_and_their_values_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, "", DEFERRED_QUEUE_URL="")
    with listening() as said:
        assert deliver(b"{}")["status"] == 503
    assert "DATABASE_URL: is not set; DEFERRED_QUEUE_URL: is not set" in said()


def test_a_person_is_in_the_database_and_in_no_log(database: Database) -> None:
    with quiet_about(PERSON):
        deliver(body_of({"mautic.lead_channel_subscription_changed": [subscription(email=PERSON)]}))
    assert rows_of(database, "select address from consent_events") == [{"address": PERSON}]


def test_a_cold_start_imports_neither_boto3_nor_requests() -> None:
    program = (
        "import sys, mautic_webhook.handler; "
        "print(sorted({'boto3', 'botocore.session', 'requests', 'jinja2', 'moto'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
