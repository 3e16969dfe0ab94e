"""Consent and tokens of the simulated Airtable: PKCE, rotation, and what a token that was used twice costs."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from local.simulators.airtable import AirtableSimulator
from local.simulators.airtable.state import OAuthClient
from local.simulators.clock import MovableClock

START = datetime(2026, 11, 20, 12, tzinfo=UTC)
REDIRECT = "http://localhost:8080/oauth/airtable/callback"
SCOPES = "data.records:read schema.bases:read"


class Integration:
    def __init__(self, sim: AirtableSimulator, *, with_secret: bool = True) -> None:
        self.sim = sim
        self.client: OAuthClient = sim.client(REDIRECT, with_secret=with_secret)
        self.verifier = secrets.token_urlsafe(48)

    def consent(self, **changed: str) -> dict[str, str]:
        """What comes back in the address."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        query = {
            "client_id": self.client.client_id,
            "redirect_uri": REDIRECT,
            "response_type": "code",
            "scope": SCOPES,
            "state": "a-state-of-some-length",
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        } | changed
        url = f"{self.sim.url}/oauth2/v1/authorize"
        answered = requests.get(url, params=query, allow_redirects=False, timeout=5)
        assert answered.status_code == 302, answered.text
        return {name: values[0] for name, values in parse_qs(urlsplit(answered.headers["Location"]).query).items()}

    def token(self, **form: str) -> tuple[int, dict[str, Any]]:
        auth = (self.client.client_id, self.client.secret) if self.client.secret else None
        public = {} if auth else {"client_id": self.client.client_id}
        answered = requests.post(f"{self.sim.url}/oauth2/v1/token", data=form | public, auth=auth, timeout=5)
        return answered.status_code, answered.json()

    def redeem(self, code: str, **changed: str) -> tuple[int, dict[str, Any]]:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT}
        return self.token(**form | {"code_verifier": self.verifier} | changed)

    def refresh(self, token: str) -> tuple[int, dict[str, Any]]:
        return self.token(grant_type="refresh_token", refresh_token=token)

    def status(self, access_token: str) -> int:
        head = {"Authorization": f"Bearer {access_token}"}
        return requests.get(f"{self.sim.url}/v0/meta/whoami", headers=head, timeout=5).status_code


@pytest.fixture
def sim() -> Iterator[AirtableSimulator]:
    with AirtableSimulator(clock=MovableClock(lambda: START), requests_per_second=None) as running:
        yield running


@pytest.mark.parametrize("with_secret", [True, False])
def test_a_code_becomes_tokens_once(sim: AirtableSimulator, with_secret: bool) -> None:
    made = Integration(sim, with_secret=with_secret)
    back = made.consent()
    assert back["state"] == "a-state-of-some-length"
    status, tokens = made.redeem(back["code"])
    assert status == 200
    assert (tokens["expires_in"], tokens["refresh_expires_in"], tokens["scope"]) == (3600, 5_184_000, SCOPES)
    assert made.status(tokens["access_token"]) == 200
    assert made.redeem(back["code"]) == (400, {"error": "invalid_grant", "error_description": "The code is not valid"})


def test_a_code_needs_its_verifier_and_its_address(sim: AirtableSimulator) -> None:
    made = Integration(sim)
    for changed in ({"code_verifier": secrets.token_urlsafe(48)}, {"redirect_uri": "http://localhost/other"}):
        assert made.redeem(made.consent()["code"], **changed)[0] == 400
    code = made.consent()["code"]
    sim.advance(301)
    assert made.redeem(code)[0] == 400


def test_a_request_for_consent_needs_a_state_a_challenge_and_known_scopes(sim: AirtableSimulator) -> None:
    made = Integration(sim)
    assert made.consent(state="short")["error"] == "invalid_request"
    assert made.consent(code_challenge_method="plain")["error"] == "invalid_request"
    assert made.consent(scope="no.such:scope")["error"] == "invalid_scope"
    sim.switch(denies=True)
    assert made.consent()["error"] == "access_denied"


def test_a_refresh_rotates_and_ends_the_access_token_before(sim: AirtableSimulator) -> None:
    made = Integration(sim)
    first = made.redeem(made.consent()["code"])[1]
    status, second = made.refresh(first["refresh_token"])
    assert status == 200
    assert second["refresh_token"] != first["refresh_token"]
    assert (made.status(first["access_token"]), made.status(second["access_token"])) == (401, 200)


def test_a_refresh_token_that_is_used_twice_ends_the_grant(sim: AirtableSimulator) -> None:
    made = Integration(sim)
    first = made.redeem(made.consent()["code"])[1]
    second = made.refresh(first["refresh_token"])[1]
    assert made.refresh(first["refresh_token"])[1]["error"] == "invalid_grant"
    assert made.status(second["access_token"]) == 401
    assert made.refresh(second["refresh_token"])[1]["error"] == "invalid_grant"


def test_tokens_expire_by_the_clock_of_the_account(sim: AirtableSimulator) -> None:
    made = Integration(sim)
    tokens = made.redeem(made.consent()["code"])[1]
    sim.advance(3600)
    assert made.status(tokens["access_token"]) == 401
    sim.advance(60 * 86_400 - 3600)
    assert made.refresh(tokens["refresh_token"])[1]["error"] == "invalid_grant"


def test_a_person_takes_access_away(sim: AirtableSimulator) -> None:
    made = Integration(sim)
    tokens = made.redeem(made.consent()["code"])[1]
    sim.revoke_grants()
    assert made.status(tokens["access_token"]) == 401
    assert made.refresh(tokens["refresh_token"])[1]["error"] == "invalid_grant"


def test_a_client_needs_its_secret(sim: AirtableSimulator) -> None:
    made = Integration(sim)
    made.client = OAuthClient(made.client.client_id, "wrong", (REDIRECT,))
    assert made.token(grant_type="refresh_token", refresh_token="x") == (
        401,
        {"error": "invalid_client", "error_description": "Client authentication failed"},
    )
