"""Signatures, references to secrets, headers, and what an attempt means; without I/O."""

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from standardwebhooks.webhooks import Webhook

from crm_relay.platform.clock import utc_now
from crm_relay.platform.errors import FatalError, RejectedInput
from crm_relay.platform.http.guarded.exchange import OutgoingAnswer
from crm_relay.platform.settings import read_settings
from crm_relay.workflows.webhooks_out.decisions import (
    MOST_ATTEMPTS,
    OPEN_AFTER,
    PAUSES,
    decide_answer,
    decide_error,
    decide_host,
)
from crm_relay.workflows.webhooks_out.models import ClaimedWebhook, HostState, WebhookOutcome
from crm_relay.workflows.webhooks_out.outbox_settings import OutboxSettings
from crm_relay.workflows.webhooks_out.references import (
    SecretMissing,
    SecretWithheld,
    WorkflowSecrets,
    check_headers,
    filled_headers,
)
from crm_relay.workflows.webhooks_out.send_due_webhooks import request_of
from crm_relay.workflows.webhooks_out.signing import signed_headers

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
FAILED = WebhookOutcome("waiting", "status_500", 500, timedelta(minutes=1), host_failed=True)
ANSWERED = WebhookOutcome("delivered", None, 200, host_failed=False)
SILENT = WebhookOutcome("failed", "secret_missing")


def test_a_plain_secret_signs_by_its_own_bytes() -> None:
    body = '{"a":1}'
    headers = signed_headers(uuid4(), body.encode(), ["plain words"], utc_now())
    assert Webhook(base64.b64encode(b"plain words").decode()).verify(body, headers) == {"a": 1}


def test_the_example_of_the_specification_has_its_signature() -> None:
    """By the reference implementation, for an id that is no UUID."""
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", '{"test": 2432232314}'
    moment = datetime.fromtimestamp(1614265330, tz=UTC)
    webhook_id = uuid4()
    expected = Webhook(secret).sign(str(webhook_id), moment, body)
    assert signed_headers(webhook_id, body.encode(), [secret], moment)["webhook-signature"] == expected


@pytest.mark.parametrize("secret", ["whsec_???", "whsec_", "whsec_YQ"])
def test_a_secret_that_is_announced_as_base64_and_is_none_is_refused_without_being_quoted(secret: str) -> None:
    with pytest.raises(RejectedInput) as refused:
        signed_headers(uuid4(), b"", [secret], NOW)
    assert secret not in str(refused.value)


def test_a_reference_is_replaced_alone_and_behind_a_word() -> None:
    secrets = WorkflowSecrets({"crm": ("new", "old")})
    given = {"A": "secret:crm", "B": "Bearer secret:crm", "C": "a secret:crm here", "D": "plain"}
    assert filled_headers(given, secrets) == {"A": "new", "B": "Bearer new", "C": "a secret:crm here", "D": "plain"}
    with pytest.raises(SecretMissing) as missing:
        filled_headers({"A": "Token secret:other"}, secrets)
    assert missing.value.name == "other"


def test_a_secret_that_would_break_the_request_is_refused_and_not_quoted() -> None:
    with pytest.raises(RejectedInput) as refused:
        filled_headers({"A": "secret:crm"}, WorkflowSecrets({"crm": ("x\r\nHost: y",)}))
    assert "Host" not in str(refused.value)


UNSETTABLE = [
    *("host", "CONNECTION", "Keep-Alive", "Proxy-Authorization", "TE", "Trailer", "Transfer-Encoding", "Upgrade"),
    *("Expect", "Content-Length", "Webhook-Timestamp", "a:", "ä"),
]


@pytest.mark.parametrize("name", [*UNSETTABLE, "", "a b", "a\n"])
def test_a_header_that_cannot_be_set_is_refused(name: str) -> None:
    with pytest.raises(RejectedInput):
        check_headers({name: "x"})


def test_a_header_stands_once() -> None:
    with pytest.raises(RejectedInput, match="twice"):
        check_headers({"X-A": "1", "x-a": "2"})


@pytest.mark.parametrize("text", ["[]", "3", '{"a": 1}', '{"a": []}', '{"a": [""]}', '{"a": ["b", 1]}', "S3cret", "{"])
def test_secrets_that_cannot_be_read_are_refused_by_name_alone(text: str) -> None:
    with pytest.raises(FatalError, match="WORKFLOW_SECRETS") as refused:
        read_settings(OutboxSettings, {"WORKFLOW_SECRETS": text})
    assert "S3cret" not in str(refused.value)


BOUND = """{"crm": {"secret": ["n3w", "0ld"], "hosts": ["hooks.example.com"]}, "open": "t0ken",
            "own": {"secret": "0wn", "organizations": ["00000000-0000-0000-0000-000000000001"]}}"""


def claimed_of(url: str, org: int, **headers: str) -> ClaimedWebhook:
    return ClaimedWebhook(uuid4(), UUID(int=org), "hooks.example.com", url, "POST", headers, None, "{}", 1, 1)


def test_a_secret_goes_only_where_it_is_bound_to() -> None:
    secrets = WorkflowSecrets.parse(BOUND)
    sent = request_of(claimed_of("https://HOOKS.example.com:8443/x", 2, A="secret:crm", B="secret:open"), secrets, NOW)
    assert (sent.headers["A"], sent.headers["B"]) == ("n3w", "t0ken")
    assert request_of(claimed_of("https://evil.example/", 1, A="secret:own"), secrets, NOW).headers["A"] == "0wn"


@pytest.mark.parametrize(
    ("url", "org", "name"),
    [
        ("https://evil.example/?hooks.example.com", 1, "crm"),
        ("https://hooks.example.com.evil.example/", 1, "crm"),
        ("https://hooks.example.com@evil.example/", 1, "crm"),
        ("https://hooks.example.com/", 2, "own"),
    ],
)
def test_a_bound_secret_is_neither_sent_elsewhere_nor_signs_for_it(url: str, org: int, name: str) -> None:
    secrets, claimed = WorkflowSecrets.parse(BOUND), claimed_of(url, org)
    for each in (
        replace(claimed, headers={"Authorization": f"Bearer secret:{name}"}),
        replace(claimed, secret_ref=f"secret:{name}"),
        replace(claimed, secret_ref=name),
    ):
        with pytest.raises(SecretWithheld) as withheld:
            request_of(each, secrets, NOW)
        assert decide_error(withheld.value, 1).state == "failed"
        assert "0wn" not in str(withheld.value)


@pytest.mark.parametrize(
    "bounds",
    [
        '"hosts": []', '"hosts": "a.example"', '"hosts": ["A.example"]', '"hosts": ["a.example:443"]', '"hosts": [3]',
        '"organizations": []', '"organizations": ["x"]', '"organizations": [3]', '"host": ["a"]', '"hosts": null',
    ],
)  # fmt: skip
def test_bounds_that_bound_nothing_are_refused(bounds: str) -> None:
    with pytest.raises(ValueError, match=r"^crm: ") as refused:
        WorkflowSecrets.parse(f'{{"crm": {{"secret": "S3cret", {bounds}}}}}')
    assert "S3cret" not in str(refused.value)


def test_secrets_and_hosts_are_settings() -> None:
    settings = read_settings(
        OutboxSettings,
        {
            "WORKFLOW_SECRETS": '{"crm": ["n3w", "0ld"], "token": "t0ken"}',
            "WEBHOOK_PRIVATE_HOSTS": "127.0.0.1:8090, [::1]:8090,crm.internal:443",
        },
    )
    assert settings.workflow_secrets.all("secret:crm") == ("n3w", "0ld")
    assert settings.guard_rules.private_hosts == {"127.0.0.1:8090", "[::1]:8090", "crm.internal:443"}
    assert "n3w" not in repr(settings)
    assert "t0ken" not in repr(settings)
    unset = read_settings(OutboxSettings, {})
    assert (unset.guard_rules.private_hosts, unset.guard_rules.plain_http) == (frozenset(), False)


@pytest.mark.parametrize("hosts", ["127.0.0.1", "https://a.example.com:1", "A.example.com:80", "a:80/x", "a:"])
def test_a_private_host_has_a_port(hosts: str) -> None:
    with pytest.raises(FatalError, match="WEBHOOK_PRIVATE_HOSTS"):
        read_settings(OutboxSettings, {"WEBHOOK_PRIVATE_HOSTS": hosts})


def test_a_claimed_webhook_shows_neither_address_nor_header_nor_body() -> None:
    url, headers, body = "https://a.example.com/T0ken", {"A": "T0ken"}, "T0ken"
    claimed = ClaimedWebhook(uuid4(), uuid4(), "a.example.com", url, "POST", headers, None, body, 1, 1)
    assert "T0ken" not in repr(claimed)


def test_pauses_grow_and_the_last_attempt_is_final() -> None:
    outcomes = [decide_answer(OutgoingAnswer(500), attempt, NOW) for attempt in range(1, MOST_ATTEMPTS + 1)]
    assert [each.retry_in for each in outcomes] == [*PAUSES, None]
    assert [each.state for each in outcomes] == ["waiting"] * len(PAUSES) + ["failed"]
    assert list(PAUSES) == sorted(PAUSES)


def test_a_host_rests_from_five_failures_in_a_row_on_and_ever_longer_up_to_an_hour() -> None:
    state, rests = HostState(), []
    for _ in range(20):
        state = decide_host(state, [FAILED], NOW)
        rests.append(None if state.rests_until is None else state.rests_until - NOW)
    assert rests[: OPEN_AFTER - 1] == [None] * (OPEN_AFTER - 1)
    grown = [each for each in rests if each is not None]
    assert grown[:3] == [timedelta(minutes=1), timedelta(minutes=2), timedelta(minutes=4)]
    assert (grown == sorted(grown), grown[-1]) == (True, timedelta(hours=1))


def test_an_answer_among_failures_shows_that_the_host_is_there() -> None:
    assert decide_host(HostState(9, NOW), [FAILED, ANSWERED, FAILED], NOW) == HostState()


def test_an_attempt_that_never_reached_the_host_says_nothing_of_it() -> None:
    assert decide_host(HostState(4), [SILENT], NOW) == HostState(4)


@pytest.mark.parametrize("status", [429, 503])
def test_a_host_that_asks_for_patience_rests_without_having_failed(status: int) -> None:
    outcome = decide_answer(OutgoingAnswer(status, {"retry-after": "120"}), 1, NOW)
    assert decide_host(HostState(4), [outcome], NOW) == HostState(0, NOW + timedelta(minutes=2))
