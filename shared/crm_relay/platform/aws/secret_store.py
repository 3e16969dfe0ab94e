"""JSON secrets in Secrets Manager or in Parameter Store, for commands; functions read theirs with their settings.

A name that begins with `ssm:` is that of a SecureString parameter, free up to 4 KB; any other is a secret's.
https://docs.aws.amazon.com/systems-manager/latest/userguide/secure-string-parameter-kms-encryption.html
"""

import json
from collections.abc import Mapping
from typing import Any

from crm_relay.platform.aws.queue import aws_call, aws_find
from crm_relay.platform.errors import FatalError
from crm_relay.platform.settings import PARAMETER_PREFIX


def read_secret(name: str) -> dict[str, Any] | None:
    """Variable -> value; None where there is no such secret. Errors as in aws_call, FatalError for no JSON object."""
    text = _read_parameter(name) if _is_parameter(name) else _read_text(name)
    if text is None:
        return None
    try:
        content = json.loads(text)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise FatalError(f"the secret {name} is not a JSON object of variables")
    return content


def create_secret(name: str, content: Mapping[str, Any]) -> None:
    """Encrypted by the account's default key. Errors as in aws_call."""
    if _is_parameter(name):
        _put_parameter(name, content)
    else:
        aws_call("secretsmanager", "create_secret", Name=name, SecretString=json.dumps(dict(content)))


def replace_secret(name: str, content: Mapping[str, Any]) -> None:
    """Safe to call twice; functions take it up within ten minutes. Errors as in aws_call."""
    if _is_parameter(name):
        _put_parameter(name, content)
    else:
        aws_call("secretsmanager", "put_secret_value", SecretId=name, SecretString=json.dumps(dict(content)))


def _is_parameter(name: str) -> bool:
    return name.startswith(PARAMETER_PREFIX)


def _read_text(name: str) -> str | None:
    """Empty for a secret of bytes, which is no JSON."""
    answer = aws_find("secretsmanager", "get_secret_value", "ResourceNotFoundException", SecretId=name)
    return None if answer is None else str(answer.get("SecretString", ""))


def _read_parameter(name: str) -> str | None:
    path = name.removeprefix(PARAMETER_PREFIX)
    answer = aws_find("ssm", "get_parameter", "ParameterNotFound", Name=path, WithDecryption=True)
    return None if answer is None else str(answer["Parameter"]["Value"])


def _put_parameter(name: str, content: Mapping[str, Any]) -> None:
    """Over 4 KB it becomes an advanced parameter, at about 0.05 USD a month; 8 KB is the most."""
    aws_call(
        "ssm",
        "put_parameter",
        Name=name.removeprefix(PARAMETER_PREFIX),
        Value=json.dumps(dict(content)),
        Type="SecureString",
        Tier="Intelligent-Tiering",
        Overwrite=True,
    )
