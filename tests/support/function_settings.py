"""How a function in this process gets its settings, and those that put its AWS away."""

from collections.abc import Mapping
from typing import Any

import pytest

from crm_relay.platform.execution_environment import PerEnvironment

NOWHERE = "http://127.0.0.1:9"
WITHOUT_AWS = {
    "DEFERRED_QUEUE_URL": f"{NOWHERE}/123456789012/deferred",
    "OVERSIZE_BUCKET": "oversize",
    "COORDINATION_TABLE": "coordination",
    "AWS_ENDPOINT_URL": NOWHERE,
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
}


def give_settings(
    monkeypatch: pytest.MonkeyPatch, environment: PerEnvironment[Any], settings: Mapping[str, str]
) -> None:
    """Gives them to the function of this execution environment, which starts over with them."""
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    environment.forget()
