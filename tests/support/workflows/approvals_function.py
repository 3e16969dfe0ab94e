"""The function approvals as Lambda would call it."""

from typing import Any
from urllib.parse import urlencode

import pytest

from approvals import wiring
from approvals.handler import handler
from tests.support.function_settings import WITHOUT_AWS, give_settings
from tests.support.workflows.approval_stage import KEY

FORM = "application/x-www-form-urlencoded"


def configure_door(monkeypatch: pytest.MonkeyPatch, database_url: str, **settings: str) -> None:
    """Settings of the function in this environment; the queue of workflows is not there."""
    wiring.door.forget()
    given = WITHOUT_AWS | {"UNSUBSCRIBE_LINK_KEY": KEY} | settings | {"DATABASE_URL": database_url}
    give_settings(monkeypatch, wiring.installation, given)


def open_link(token: str, method: str = "GET", body: str = "", content_type: str = FORM) -> dict[str, Any]:
    """API Gateway's answer."""
    path = f"/approvals/{token}"
    return handler(
        {
            "version": "2.0",
            "rawPath": path,
            "pathParameters": {"token": token},
            "headers": {"content-type": content_type} if body and content_type else {},
            "requestContext": {"http": {"method": method, "path": path}},
            "body": body,
        },
        None,
    )


def press(token: str, decision: str, notes: str = "") -> dict[str, Any]:
    """One of the page's buttons."""
    return open_link(token, "POST", urlencode({"notes": notes, "decision": decision}))
