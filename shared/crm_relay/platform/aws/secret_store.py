"""JSON secrets in Secrets Manager, for commands; functions read theirs with their settings."""

import json
from collections.abc import Mapping
from typing import Any

from crm_relay.platform.aws.queue import aws_call, aws_find
from crm_relay.platform.errors import FatalError


def read_secret(name: str) -> dict[str, Any] | None:
    """Variable -> value; None where there is no such secret. Errors as in aws_call, FatalError for no JSON object."""
    answer = aws_find("secretsmanager", "get_secret_value", "ResourceNotFoundException", SecretId=name)
    if answer is None:
        return None
    try:
        content = json.loads(answer["SecretString"])
    except (LookupError, ValueError):
        content = None
    if not isinstance(content, dict):
        raise FatalError(f"the secret {name} is not a JSON object of variables")
    return content


def create_secret(name: str, content: Mapping[str, Any]) -> None:
    """Encrypted by the account's default key. Errors as in aws_call."""
    aws_call("secretsmanager", "create_secret", Name=name, SecretString=json.dumps(dict(content)))


def replace_secret(name: str, content: Mapping[str, Any]) -> None:
    """Safe to call twice; functions take it up within ten minutes. Errors as in aws_call."""
    aws_call("secretsmanager", "put_secret_value", SecretId=name, SecretString=json.dumps(dict(content)))
