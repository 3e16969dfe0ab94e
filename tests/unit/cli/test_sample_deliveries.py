"""Sample deliveries pass the verification that real ones pass."""

import base64
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.samples.sample_deliveries import SIGNERS, SampleRequest, SigningSettings, read_body
from crm_relay.platform.errors import FatalError, RejectedInput
from crm_relay.platform.settings import read_settings
from crm_relay.providers.bison import webhook as bison
from crm_relay.providers.mailchimp import webhook as mailchimp
from crm_relay.providers.mautic import webhook as mautic
from crm_relay.providers.resend import webhook as resend
from crm_relay.sources.all_sources import all_sources
from crm_relay.sources.unsubscribe import UNSUBSCRIBE
from tests.support.source_tree import ROOT

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
TOKEN = "a-token-of-more-than-thirty-two-characters"
MAILCHIMP_KEY = "sample-webhook-key-of-32-letters!"
RESEND_SECRET = f"whsec_{base64.b64encode(b'a secret of two dozen bytes').decode()}"
SETTINGS = read_settings(
    SigningSettings,
    {
        "MAUTIC_WEBHOOK_SECRET": "first,second",
        "RESEND_WEBHOOK_SECRET": RESEND_SECRET,
        "MAILCHIMP_WEBHOOK_KEY": MAILCHIMP_KEY,
        "BISON_WEBHOOK_TOKENS": json.dumps({"Northwind": TOKEN, "Contoso": f"{TOKEN}-2"}),
    },
)


def sample(source: str, *, workspace: str | None = None) -> SampleRequest:
    signer = SIGNERS[source]
    return signer.sign(read_body(ROOT / "events" / signer.sample), SETTINGS, NOW, workspace)


def test_every_source_has_a_sample_but_the_one_with_a_token_of_its_own() -> None:
    assert all_sources("").keys() - SIGNERS.keys() == {UNSUBSCRIBE.name}


def test_mautic_is_signed_with_the_first_secret() -> None:
    request = sample("mautic")
    assert mautic.receive(request.body, request.headers, secrets=["first"], now=NOW).events
    with pytest.raises(RejectedInput):
        mautic.receive(request.body, request.headers, secrets=["second"], now=NOW)


def test_resend_is_signed_as_svix_signs() -> None:
    request = sample("resend")
    delivery_id, event = resend.receive(request.body, request.headers, secrets=[RESEND_SECRET], now=NOW)
    assert delivery_id == request.headers["svix-id"]
    assert event


def test_bison_gets_the_token_of_the_workspace_and_a_body_that_names_none() -> None:
    request = sample("bison", workspace="Contoso")
    assert request.path == f"/webhooks/bison/{TOKEN}-2"
    assert bison.parse(request.body, now=NOW)
    assert b'"workspace_' not in request.body


def test_the_first_workspace_is_taken_where_none_is_named() -> None:
    assert sample("bison").path == f"/webhooks/bison/{TOKEN}"


def test_mailchimp_gets_the_token_of_a_connection() -> None:
    named = sample("mailchimp", workspace="6f1d2c3b-4a59-4e68-9b70-8c1d2e3f4a5b")
    assert named == sample("mailchimp")
    assert mailchimp.connection_of(named.path.rpartition("/")[2], [MAILCHIMP_KEY])
    assert mailchimp.parse(named.body, now=NOW).kind == "campaign"
    with pytest.raises(RejectedInput):
        sample("mailchimp", workspace="Northwind")


def test_an_unknown_workspace_is_refused() -> None:
    with pytest.raises(RejectedInput):
        sample("bison", workspace="Fabrikam")


@pytest.mark.parametrize("source", SIGNERS)
def test_a_missing_secret_is_named(source: str) -> None:
    with pytest.raises(FatalError, match="is not set"):
        SIGNERS[source].sign(b"{}", SigningSettings(), NOW, None)


def test_a_recorded_body_is_sent_as_it_is(tmp_path: Path) -> None:
    recorded = tmp_path / "recorded.json"
    recorded.write_bytes(b'{"mautic.email_on_open":  []}')
    assert read_body(recorded) == b'{"mautic.email_on_open":  []}'


def test_a_file_that_is_not_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(RejectedInput):
        read_body(tmp_path / "notes.txt")
