"""The token in the path is the only proof of who sent a delivery: what opens, what does not, and what is never told."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import Field

from crm_relay.platform.errors import FatalError, RejectedInput
from crm_relay.platform.settings import SettingsModel, read_settings
from crm_relay.providers.bison import webhook
from crm_relay.providers.bison.tokens import (
    ApiTokens,
    WebhookToken,
    WebhookTokens,
    read_api_tokens,
    read_webhook_tokens,
)
from tests.support.outreach.bison_deliveries import TOKEN, body_of_sample

NOW = datetime(2026, 11, 20, 13, tzinfo=UTC)
OLD, NEW, OTHER = (
    "old-token-0123456789-of-32-letters",
    "new-token-0123456789-of-32-letters",
    "other-token-01234567-of-32-letters",
)
TOKENS = {
    "Northwind": (WebhookToken(NEW), WebhookToken(OLD, NOW)),
    "Contoso": (WebhookToken(OTHER),),
}


class TokenSettings(SettingsModel):
    bison_webhook_tokens: WebhookTokens = Field(default_factory=dict)
    bison_api_tokens: ApiTokens = Field(default_factory=dict)


def refusal(token: str, tokens: webhook.Tokens, body: bytes = b"{", now: datetime = NOW) -> RejectedInput:
    with pytest.raises(RejectedInput) as refused:
        webhook.receive(body, token, tokens=tokens, now=now)
    return refused.value


def test_a_delivery_belongs_to_the_workspace_of_its_token() -> None:
    tokens = {"Northwind": (WebhookToken(TOKEN),), "Contoso": (WebhookToken(OTHER),)}
    workspace, delivery = webhook.receive(body_of_sample("email_sent"), TOKEN, tokens=tokens, now=NOW)
    assert (workspace, delivery.event_type) == ("Northwind", "email_sent")


@pytest.mark.parametrize(("token", "workspace"), [(NEW, "Northwind"), (OLD, "Northwind"), (OTHER, "Contoso")])
def test_any_of_several_tokens_will_do_while_one_is_being_replaced(token: str, workspace: str) -> None:
    assert webhook.workspace_of(token, TOKENS, NOW) == workspace


def test_a_retired_token_counts_as_unknown() -> None:
    assert webhook.workspace_of(OLD, TOKENS, NOW + timedelta(microseconds=1)) is None
    assert webhook.workspace_of(NEW, TOKENS, NOW + timedelta(days=9999)) == "Northwind"


WRONG = ["", " ", NEW[:-1], NEW + "0", NEW.upper(), f" {NEW}", "ß" * 20, "\ud800" * 20, "0" * 100_000]


@pytest.mark.parametrize("token", WRONG, ids=range(len(WRONG)))
def test_an_unknown_token_is_refused_before_the_body_is_read(token: str) -> None:
    refused = refusal(token, TOKENS, b"\xff not JSON")
    assert (refused.status, refused.message, refused.details) == (401, "unknown token", ())


@pytest.mark.parametrize("tokens", [{}, {"Northwind": ()}, {"Northwind": (WebhookToken(""),)}])
def test_where_nothing_is_configured_everything_is_refused(tokens: webhook.Tokens) -> None:
    for token in ("", NEW):
        assert refusal(token, tokens).status == 401


def test_every_token_is_compared_whatever_the_others_said(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[int, int]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return one == other

    monkeypatch.setattr("hmac.compare_digest", compare)
    for token in (NEW, OLD, OTHER, "unknown", ""):
        compared.clear()
        webhook.workspace_of(token, TOKENS, NOW)
        assert compared == [(32, 32)] * 3


# --- settings --------------------------------------------------------------------------------------------------------


def test_a_workspace_has_one_token_or_several_or_some_that_run_out() -> None:
    found = read_webhook_tokens(
        json.dumps(
            {"A": NEW, "B": [OLD, {"token": OTHER, "until": "2026-12-01T01:00:00+01:00"}], "C": {"token": TOKEN}}
        )
    )
    assert found == {
        "A": (WebhookToken(NEW),),
        "B": (WebhookToken(OLD), WebhookToken(OTHER, datetime(2026, 12, 1, tzinfo=UTC))),
        "C": (WebhookToken(TOKEN),),
    }


def test_a_time_without_a_zone_is_utc() -> None:
    (token,) = read_webhook_tokens(json.dumps({"A": {"token": NEW, "until": "2026-12-01T00:00:00"}}))["A"]
    assert token.until == datetime(2026, 12, 1, tzinfo=UTC)


BAD: dict[str, Any] = {
    "workspace A: a token is shorter than 32 characters": {"A": "tiny-0123-of-31-letters-in-all."},
    "workspace A: a token is shorter than 16 characters": {"A": {"token": "tiny-0123", "until": "2026-12-01"}},
    "workspace A: a token may hold": {"A": "with/a/slash/0123456789-of-32-letters"},
    "workspaces A and B share a token": {"A": NEW, "B": [OLD, NEW]},
    "workspace A: until is not a date": {"A": {"token": NEW, "until": 1764547200}},
    "workspace A: must be a token": {"A": None},
    "workspace A: must be a token, ": {"A": [[NEW]]},
    "workspace A: must be a token, a": {"A": {"token": NEW, "untill": "2026-12-01"}},
    "a workspace has no name": {" ": NEW},
    "must be a JSON object": [NEW],
}


@pytest.mark.parametrize(("problem", "content"), BAD.items(), ids=range(len(BAD)))
def test_a_bad_setting_names_the_workspace_and_never_a_token(problem: str, content: Any) -> None:
    with pytest.raises(FatalError) as refused:
        read_settings(TokenSettings, {"BISON_WEBHOOK_TOKENS": json.dumps(content)})
    assert problem in str(refused.value)
    for token in (NEW, OLD, "tiny-0123", "with/a/slash"):
        assert token not in str(refused.value)


def test_a_workspace_that_stands_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="A: stands twice"):
        read_webhook_tokens(f'{{"A": "{NEW}", "A": "{OLD}"}}')


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "\x00", NEW])
def test_what_is_no_json_is_a_settings_error(text: str) -> None:
    with pytest.raises(ValueError, match="not JSON") as refused:
        read_webhook_tokens(text)
    assert NEW not in str(refused.value)


def test_settings_without_tokens_refuse_everybody() -> None:
    assert read_settings(TokenSettings, {}).bison_webhook_tokens == {}


def test_a_token_of_the_api_belongs_to_one_workspace() -> None:
    assert read_api_tokens('{"A": "1|abc", "B": " 2|def "}') == {"A": "1|abc", "B": "2|def"}
    with pytest.raises(ValueError, match="workspaces A and B share a token"):
        read_api_tokens('{"A": "1|abc", "B": "1|abc"}')


@pytest.mark.parametrize("value", ["", "two words", "ein\nZeilenumbruch", "schlüssel", 5, None, ["1|abc"]])
def test_a_token_of_the_api_can_stand_in_a_header(value: object) -> None:
    with pytest.raises(ValueError, match=r"^workspace A: must be a token$"):
        read_api_tokens(json.dumps({"A": value}))


def test_a_token_does_not_show_itself() -> None:
    assert NEW not in repr(WebhookToken(NEW))
