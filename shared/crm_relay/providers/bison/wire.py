"""The shapes of EmailBison's REST answers, and of the objects that its webhooks share with them.

https://docs.emailbison.com and the OpenAPI text of an instance; nothing here was recorded. The counters of a sender
account have one spelling in the API and another in webhooks; both are read. What cannot be read of a field is None,
because it counts no matter who sends it.
"""

import re
from datetime import datetime
from typing import Annotated, Any, TypeVar

from pydantic import AliasChoices, BeforeValidator, Field

from crm_relay.platform.http.wire import Wire, moment_or_none
from crm_relay.rules.addresses.mailbox import mailbox_in

T = TypeVar("T")

# An index entry ends at 2,704 bytes; no mailbox is longer than this.
_LONGEST_IDENTITY = 200


def _text(value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    return (value.strip() or None) if isinstance(value, str) else None


def _address(value: object) -> object:
    text = _text(value)
    return mailbox_in(text) if isinstance(text, str) else None


def _identity(value: object) -> object:
    text = _text(value)
    return text if isinstance(text, str) and len(text) <= _LONGEST_IDENTITY else None


def number_or_none(value: object) -> int | None:
    """An id or a count, which may come as text; None for anything else."""
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdecimal() and len(value) < 20:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63 else None


def _flag(value: object) -> object:
    if isinstance(value, str):
        value = {"1": True, "true": True, "0": False, "false": False}.get(value.strip().lower())
    return bool(value) if isinstance(value, bool) or (isinstance(value, int) and value in {0, 1}) else None


def _part(value: object) -> object:
    """PHP writes an empty object as a list."""
    return value if isinstance(value, dict) and value else None


def _tags(value: object) -> object:
    """Each tag is `{"id", "name", "default"}`."""
    names = (_text(each.get("name") if isinstance(each, dict) else each) for each in _list(value))
    return tuple(name for name in names if name is not None)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


Text = Annotated[str | None, BeforeValidator(_text)]
Address = Annotated[str | None, BeforeValidator(_address)]
Identity = Annotated[str | None, BeforeValidator(_identity)]
Number = Annotated[int | None, BeforeValidator(number_or_none)]
Flag = Annotated[bool | None, BeforeValidator(_flag)]
Moment = Annotated[datetime | None, BeforeValidator(moment_or_none)]
Part = Annotated[T | None, BeforeValidator(_part)]


def _counter(in_the_api: str, in_webhooks: str) -> Any:
    return Field(default=None, validation_alias=AliasChoices(in_the_api, in_webhooks))


class SenderEmail(Wire):
    """An item of GET /api/sender-emails, and `sender_email` of a webhook; `type` is "Inbox", "SMTP" or an OAuth one."""

    id: Number = None
    email: Address = None
    name: Text = None
    status: Text = None
    type: Text = None
    daily_limit: Number = None
    warmup_enabled: Flag = None
    emails_sent: Number = _counter("emails_sent_count", "emails_sent")
    replied: Number = _counter("total_replied_count", "replied")
    unique_replied: Number = _counter("unique_replied_count", "unique_replies")
    opened: Number = _counter("total_opened_count", "opened")
    unique_opened: Number = _counter("unique_opened_count", "unique_opens")
    bounced: Number = _counter("bounced_count", "bounced")
    unsubscribed: Number = _counter("unsubscribed_count", "unsubscribed")
    interested: Number = _counter("interested_leads_count", "interested")
    leads_contacted: Number = _counter("total_leads_contacted_count", "total_leads_contacted")
    tags: Annotated[tuple[str, ...], BeforeValidator(_tags)] = ()
    created_at: Moment = None
    updated_at: Moment = None


class Page(Wire):
    """`meta` of a listing, as Laravel pages it: 15 items, whatever is asked for."""

    current_page: int
    last_page: int
    total: int | None = None


class SenderEmailList(Wire):
    """GET /api/sender-emails?page=N"""

    data: list[SenderEmail]
    meta: Page


class SenderEmailAnswer(Wire):
    """GET /api/sender-emails/{id}"""

    data: SenderEmail


_MACHINE_NAME = re.compile(r"[a-z]+(?:_[a-z]+)+")


def _event_names(value: object) -> object:
    """Names, or objects of which one member is the name; which one, no page says. Labels have blanks."""
    candidates = (list(each.values()) if isinstance(each, dict) else [each] for each in _list(value))
    words = ([word.lower() for word in some if isinstance(word, str)] for some in candidates)
    found = (next(filter(_MACHINE_NAME.fullmatch, some), None) for some in words)
    return tuple(name for name in found if name is not None)


EventNames = Annotated[tuple[str, ...], BeforeValidator(_event_names)]


class BisonWebhookWire(Wire):
    """A registration; `events` are names in lower case."""

    id: int
    name: Text = None
    url: str
    events: EventNames = ()


class BisonWebhookList(Wire):
    """GET /api/webhook-url; `meta` where the listing is paged."""

    data: list[BisonWebhookWire]
    meta: Page | None = None


class BisonWebhookAnswer(Wire):
    """POST /api/webhook-url and PUT /api/webhook-url/{id}"""

    data: BisonWebhookWire


class EventTypes(Wire):
    """GET /api/webhook-events/event-types"""

    data: EventNames


class BisonWorkspace(Wire):
    """A team, which is what EmailBison calls a workspace in its database."""

    id: int


class User(Wire):
    """GET /api/users: whose token it is. The workspace that it is bound to stands under either name."""

    workspace: Part[BisonWorkspace] = None
    team: Part[BisonWorkspace] = None


class UserAnswer(Wire):
    """GET /api/users"""

    data: User


def claimed_workspaces(body: Any) -> set[int]:
    """Ids of workspaces that an answer names: `workspace_id` or `team_id`, at its top or on its items."""
    if not isinstance(body, dict):
        return set()
    data = body.get("data")
    nodes = [body, *(data if isinstance(data, list) else [data])]
    named = (
        number_or_none(node.get(key)) for node in nodes if isinstance(node, dict) for key in ("workspace_id", "team_id")
    )
    return {number for number in named if number is not None}
