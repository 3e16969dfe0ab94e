"""Secrets of webhooks: rows hold names, and the values are put in at the moment of sending."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from crm_relay.platform.errors import RejectedInput

_REFERENCE = re.compile(r"(?P<before>[A-Za-z]+ )?secret:(?P<name>[A-Za-z0-9_.-]+)")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_HEADER_VALUE = re.compile(r"[\x20-\x7e\x80-\xff\t]{0,4000}")
_PREFIX = "secret:"
_BOUNDS_ARE = "hosts in lower case without a port, and ids of organizations, each in a list that is not empty"
_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+")
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


class SecretWithheld(RejectedInput):
    """The secret is not for this address, or not for workflows of this organization."""

    def __init__(self, name: str) -> None:
        super().__init__(f"secret {name}: is not for this host or organization")


@dataclass(frozen=True)
class SecretBounds:
    """Where a secret may go, and whose workflows may name it; empty: anywhere, and all."""

    hosts: frozenset[str] = frozenset()
    organizations: frozenset[UUID] = frozenset()

    def allow(self, host: str, org_id: UUID) -> bool:
        """Whether a webhook of the organization may carry the secret to `host`."""
        return (not self.hosts or host in self.hosts) and (not self.organizations or org_id in self.organizations)


@dataclass(frozen=True)
class WorkflowSecrets:
    """The values of WORKFLOW_SECRETS by name, each with those that are valid at once, the newest first.

    `withheld`: names whose bounds exclude the webhook that is being sent.

    >>> WorkflowSecrets.parse('{"crm": ["new", "old"], "token": "t"}').all("secret:crm")
    ('new', 'old')
    """

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    bounds: Mapping[str, SecretBounds] = field(default_factory=dict)
    withheld: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, text: str) -> "WorkflowSecrets":
        """Of a JSON object: name to a secret, to a list of them, or to an object with `secret`, `hosts` and
        `organizations`. ValueError names the name, never a value.
        """
        try:
            content = json.loads(text or "{}")
        except (ValueError, RecursionError):
            raise ValueError("not JSON") from None
        if not isinstance(content, dict):
            raise ValueError("must be a JSON object of secrets by name")  # noqa: TRY004 - what pydantic reports
        given = {name: value if isinstance(value, dict) else {"secret": value} for name, value in content.items()}
        return cls(
            {name: _values(name, value.get("secret")) for name, value in given.items()},
            {name: _bounds(name, value) for name, value in given.items()},
        )

    def for_webhook(self, host: str, org_id: UUID) -> "WorkflowSecrets":
        """Those that a webhook of the organization may carry to `host`."""
        withheld = (name for name, bounds in self.bounds.items() if not bounds.allow(host, org_id))
        return replace(self, withheld=frozenset(withheld))

    def all(self, reference: str) -> tuple[str, ...]:
        """Of `secret:name` or `name`. Raises SecretMissing or SecretWithheld."""
        name = reference.removeprefix(_PREFIX)
        if name in self.withheld:
            raise SecretWithheld(name)
        if not (found := self.values.get(name)):
            raise SecretMissing(name)
        return found

    def newest(self, reference: str) -> str:
        """What a header says while a secret is replaced. Raises as `all`."""
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

    Raises SecretMissing, SecretWithheld, and RejectedInput as in `check_headers`.
    """
    check_headers(headers)
    filled = {name: _filled(value, secrets) for name, value in headers.items()}
    check_headers(filled)
    return filled


def _filled(value: str, secrets: WorkflowSecrets) -> str:
    found = _REFERENCE.fullmatch(value)
    return value if found is None else (found["before"] or "") + secrets.newest(found["name"])


def _bounds(name: str, given: Mapping[str, object]) -> SecretBounds:
    if set(given) - {"secret", "hosts", "organizations"}:
        raise ValueError(f"{name}: has secret, hosts and organizations, nothing else")
    # A list that is there and empty would bound nothing.
    lists: dict[str, Any] = {part: given.get(part, []) for part in ("hosts", "organizations")}
    are_lists = all(isinstance(each, list) and (each or each is not given.get(part)) for part, each in lists.items())
    if not are_lists or not all(isinstance(each, str) and _HOST.fullmatch(each) for each in lists["hosts"]):
        raise ValueError(f"{name}: {_BOUNDS_ARE}")
    try:
        return SecretBounds(frozenset(lists["hosts"]), frozenset(map(UUID, lists["organizations"])))
    except (TypeError, ValueError, AttributeError):
        raise ValueError(f"{name}: {_BOUNDS_ARE}") from None


def _values(name: str, value: object) -> tuple[str, ...]:
    given = value if isinstance(value, list) else [value]
    texts = tuple(each.strip() for each in given if isinstance(each, str) and each.strip())
    if not texts or len(texts) != len(given):
        raise ValueError(f"{name}: must be a text, or a list of texts")
    return texts
