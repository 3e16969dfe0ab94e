"""Secrets of webhooks: rows hold names, and the values are put in at the moment of sending."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from crm_relay.platform.errors import RejectedInput

_REFERENCE = re.compile(r"(?P<before>[A-Za-z]+ )?secret:(?P<name>[A-Za-z0-9_.-]+)")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_HEADER_VALUE = re.compile(r"[\x20-\x7e\x80-\xff\t]{0,4000}")
_PREFIX = "secret:"
# Of the connection (RFC 9110, 7.6.1), of the request's framing, and of the signature.
_RESERVED = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_RESERVED_BEGINNINGS = ("webhook-", "proxy-", ":")


class SecretMissing(RejectedInput):
    """No setting has a secret of this name; once it has, the webhook can be retried."""

    def __init__(self, name: str) -> None:
        super().__init__(f"secret {name}: is not in WORKFLOW_SECRETS")
        self.name = name


@dataclass(frozen=True)
class WorkflowSecrets:
    """The values of WORKFLOW_SECRETS by name, each with those that are valid at once, the newest first.

    >>> WorkflowSecrets.parse('{"crm": ["new", "old"], "token": "t"}').all("secret:crm")
    ('new', 'old')
    """

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)

    @classmethod
    def parse(cls, text: str) -> "WorkflowSecrets":
        """Of a JSON object: name to a secret, or to a list of them. ValueError names the name, never a value."""
        try:
            content = json.loads(text or "{}")
        except (ValueError, RecursionError):
            raise ValueError("not JSON") from None
        if not isinstance(content, dict):
            raise ValueError("must be a JSON object of secrets by name")  # noqa: TRY004 - what pydantic reports
        return cls({name: _values(name, value) for name, value in content.items()})

    def all(self, reference: str) -> tuple[str, ...]:
        """Of `secret:name` or `name`. Raises SecretMissing."""
        name = reference.removeprefix(_PREFIX)
        if not (found := self.values.get(name)):
            raise SecretMissing(name)
        return found

    def newest(self, reference: str) -> str:
        """What a header says while a secret is replaced. Raises SecretMissing."""
        return self.all(reference)[0]


def may_be_set(name: str) -> bool:
    """Whether a step may name this header."""
    return (
        _HEADER_NAME.fullmatch(name) is not None
        and name.lower() not in _RESERVED
        and not name.lower().startswith(_RESERVED_BEGINNINGS)
    )


def may_be_sent(value: str) -> bool:
    """Whether a header can have this value."""
    return _HEADER_VALUE.fullmatch(value) is not None


def check_headers(headers: Mapping[str, str]) -> None:
    """Before they are sent. Raises RejectedInput that names the header, never its value."""
    for name, value in headers.items():
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            raise RejectedInput("headers: (malformed name)")
        if not may_be_set(name):
            raise RejectedInput(f"headers: {name} cannot be set")
        if not isinstance(value, str) or not may_be_sent(value):
            raise RejectedInput(f"headers: the value of {name} cannot be sent")
    if len({name.lower() for name in headers}) != len(headers):
        raise RejectedInput("headers: one is there twice")


def filled_headers(headers: Mapping[str, str], secrets: WorkflowSecrets) -> dict[str, str]:
    """With values in place of references, also behind a word: `Bearer secret:name`.

    Raises SecretMissing, and RejectedInput as in `check_headers`.
    """
    check_headers(headers)
    filled = {name: _filled(value, secrets) for name, value in headers.items()}
    check_headers(filled)
    return filled


def _filled(value: str, secrets: WorkflowSecrets) -> str:
    found = _REFERENCE.fullmatch(value)
    return value if found is None else (found["before"] or "") + secrets.newest(found["name"])


def _values(name: str, value: object) -> tuple[str, ...]:
    given = value if isinstance(value, list) else [value]
    texts = tuple(each.strip() for each in given if isinstance(each, str) and each.strip())
    if not texts or len(texts) != len(given):
        raise ValueError(f"{name}: must be a text, or a list of texts")
    return texts
