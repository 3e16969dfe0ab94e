"""The function unsubscribe as Lambda would call it."""

import base64
from typing import Any

import pytest

from tests.support.function_settings import WITHOUT_AWS, give_settings
from unsubscribe import wiring
from unsubscribe.handler import handler

FORM = "application/x-www-form-urlencoded"
ONE_CLICK = "List-Unsubscribe=One-Click"


def configure(monkeypatch: pytest.MonkeyPatch, database_url: str, **settings: str) -> None:
    """Settings of the function in this environment, with an AWS that is away unless `settings` names one."""
    give_settings(monkeypatch, wiring.dependencies, WITHOUT_AWS | settings | {"DATABASE_URL": database_url})


def ask(token: str, method: str = "GET", body: str = "", content_type: str = FORM) -> dict[str, Any]:
    """API Gateway's answer."""
    path = f"/unsubscribe/{token}"
    return handler(
        {
            "version": "2.0",
            "rawPath": path,
            "pathParameters": {"token": token},
            "headers": {"content-type": content_type} if body and content_type else {},
            "requestContext": {"http": {"method": method, "path": path}},
            "body": base64.b64encode(body.encode()).decode(),
            "isBase64Encoded": True,
        },
        None,
    )


def press(token: str, scope: str) -> dict[str, Any]:
    """One of the page's buttons."""
    return ask(token, "POST", f"scope={scope}")


def one_click(token: str) -> dict[str, Any]:
    """What a mail program does by itself."""
    return ask(token, "POST", ONE_CLICK)
