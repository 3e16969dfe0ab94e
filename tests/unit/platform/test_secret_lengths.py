"""A secret that opens a door by itself is long enough, or the function does not start."""

import importlib
import json
import re
from collections.abc import Iterator

import pytest

from cli.doctor.examine import examine
from crm_relay.platform.errors import FatalError
from crm_relay.platform.settings import SettingsModel, read_settings
from tests.support.source_tree import ROOT

# Setting -> its shortest secret, and how one is written. A token is the whole credential; a signing secret is not sent.
STANDING_ALONE = {
    "ADMIN_TOKEN": (32, "{}"),
    "BISON_WEBHOOK_TOKENS": (
        32,
        json.dumps({"Northwind": "SECRET"}).replace("{", "{{").replace("}", "}}").replace("SECRET", "{}"),
    ),
    "MAUTIC_WEBHOOK_SECRET": (16, "a-secret-that-is-long-enough,{}"),
    "RESEND_WEBHOOK_SECRET": (16, "{}"),
    "UNSUBSCRIBE_LINK_KEY": (16, "{}"),
    "MAILCHIMP_WEBHOOK_KEY": (16, "{}"),
    "MAILCHIMP_SIGNING_SECRETS": (16, "{}"),
}
# A provider, or the receiver of a webhook, made them and alone accepts them.
PROVIDERS_OWN = {"MAUTIC_CLIENT_SECRET", "BISON_API_TOKENS", "TWILIO_AUTH_TOKEN", "RESEND_API_KEY", "WORKFLOW_SECRETS"}
PROVIDERS_OWN |= {"AIRTABLE_CLIENT_SECRET", "MAILCHIMP_CLIENT_SECRET", "GOOGLE_CLIENT_SECRET"}

# The name of a key that AWS keeps, or where the file of one lies.
NO_SECRETS = {"CONNECTION_KEY"}


def all_settings() -> Iterator[type[SettingsModel]]:
    for path in sorted((ROOT / "functions").glob("*/settings.py")):
        yield importlib.import_module(f"{path.parent.name}.settings").Settings


def cases() -> Iterator[tuple[type[SettingsModel], str]]:
    for kind in all_settings():
        for field in kind.model_fields:
            if field.upper() in STANDING_ALONE:
                yield kind, field.upper()


def refusal(kind: type[SettingsModel], name: str, secret: str) -> str:
    """What read_settings says of this setting; others that are missing are named too."""
    try:
        read_settings(kind, {name: STANDING_ALONE[name][1].format(secret)})
    except FatalError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(("kind", "name"), cases(), ids=lambda part: getattr(part, "__module__", part))
def test_a_function_refuses_a_secret_that_is_too_short_by_its_name(kind: type[SettingsModel], name: str) -> None:
    shortest = STANDING_ALONE[name][0]
    for length in (1, shortest - 1):
        message = refusal(kind, name, "q" * length)
        assert f"{name}: " in message
        assert str(shortest) in message
        assert "qq" not in message
    assert f"{name}: " not in refusal(kind, name, "q" * shortest)


def test_every_secret_of_every_function_is_known_to_stand_alone_or_to_be_a_providers() -> None:
    names = {field.upper() for kind in all_settings() for field in kind.model_fields}
    secrets = {name for name in names if re.search(r"TOKEN|SECRET|_KEY|PASSWORD", name)}
    assert secrets - NO_SECRETS == STANDING_ALONE.keys() | PROVIDERS_OWN


def test_the_doctor_refuses_a_short_admin_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADMIN_TOKEN", "hunter2")
    (check,) = examine()
    assert (check.what, check.verdict) == ("settings", "wrong")
    assert "ADMIN_TOKEN: " in check.found
    assert "hunter2" not in check.found
