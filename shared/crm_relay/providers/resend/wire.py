"""The shapes of Resend's REST answers, as far as we read them.

https://resend.com/docs/api-reference and resend-openapi 1.5.0; nothing here was recorded. Fields that may be missing
are read one by one, so that a new or garbled one takes nothing else with it.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, Field

from crm_relay.platform.http.wire import Wire
from crm_relay.rules.addresses.mailbox import mailbox_in

_LONGEST_ID = 1000


W = TypeVar("W", bound=Wire)


def text_or_none(value: object) -> str | None:
    """Trimmed; a number counts as its text."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    return (value.strip() or None) if isinstance(value, str) else None


def address_or_none(value: object) -> str | None:
    """The bare address of `Name <address>`; None for what holds none or is too long to be one."""
    text = text_or_none(value)
    return None if text is None else mailbox_in(text)


def _id(value: object) -> object:
    text = text_or_none(value)
    return text if text is not None and len(text) <= _LONGEST_ID else None


def one_or_many(value: object) -> list[Any]:
    """A list as it is, nothing for null, and anything else as the only item."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _addresses(value: object) -> object:
    return tuple(_found(address_or_none(each) for each in one_or_many(value)))


def _texts(value: object) -> object:
    return tuple(_found(text_or_none(each) for each in one_or_many(value)))


def _found(values: Iterable[str | None]) -> list[str]:
    return [each for each in values if each is not None]


def _headers(value: object) -> object:
    """An object, or a list of `{"name", "value"}`; names in lower case, of a header that stands twice both texts.

    An empty text stays: a return path without an address says that nobody can be answered.
    """
    pairs = value.items() if isinstance(value, dict) else [_pair(each) for each in one_or_many(value)]
    found: dict[str, str] = {}
    for name, each in pairs:
        texts = [text_or_none(part) or "" for part in one_or_many(each) if isinstance(part, str | int | float)]
        key = str(name).strip().lower()
        if texts:
            found[key] = " ".join(filter(None, [found.get(key), *texts]))
    return found


def _pair(each: object) -> tuple[object, object]:
    return (each.get("name"), each.get("value")) if isinstance(each, dict) else (None, None)


def _moment(value: object) -> object:
    """Such as `2023-04-03 22:13:42.674981+00`; a time without a zone is UTC."""
    try:
        moment = datetime.fromisoformat(text_or_none(value) or "")
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


Moment = Annotated[datetime | None, BeforeValidator(_moment)]
Text = Annotated[str | None, BeforeValidator(text_or_none)]
Id = Annotated[str | None, BeforeValidator(_id)]
Address = Annotated[str | None, BeforeValidator(address_or_none)]
Addresses = Annotated[tuple[str, ...], BeforeValidator(_addresses)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_texts)]
Headers = Annotated[dict[str, str], BeforeValidator(_headers)]


class BatchProblem(Wire):
    """`index` is the position in the request, from 0."""

    index: int
    message: Text = None


def _ids(value: object) -> object:
    if not isinstance(value, list):
        return value
    return [(each.get("id") if isinstance(each, dict) else each) or None for each in value]


class ResendBatchAnswer(Wire):
    """POST /emails/batch; `errors` only with `x-batch-validation: permissive`."""

    data: Annotated[list[str | None], BeforeValidator(_ids)]
    errors: Annotated[list[BatchProblem], BeforeValidator(one_or_many)] = Field(default_factory=list)


class ReceivedEmail(Wire):
    """GET /emails/receiving/{id}, without html and text; `from` is bare here, the name stands in `headers.from`."""

    id: Id = None
    message_id: Id = None
    from_address: Address = Field(default=None, validation_alias="from")
    to: Addresses = ()
    subject: Text = None
    headers: Headers = Field(default_factory=dict)


class ResendWebhookWire(Wire):
    """An item of GET /webhooks; `status` is enabled or disabled."""

    id: str
    endpoint: str = Field(repr=False)
    events: Texts = ()
    status: Text = None


class ResendWebhookList(Wire):
    """GET /webhooks; more than `limit` are asked for by the id of the last one."""

    data: list[ResendWebhookWire]
    has_more: bool = False


class ResendWebhookAnswer(Wire):
    """POST and PATCH /webhooks; only the first tells the secret."""

    id: str
    signing_secret: str | None = Field(default=None, repr=False)


class ListedEmail(Wire):
    """An item of GET /emails; what it says of one mail alone is in GET /emails/{id}."""

    id: str
    to: Addresses = ()
    subject: Text = None
    created_at: Moment = None


class SentEmailList(Wire):
    """GET /emails, newest first; more than `limit` are asked for by the id of the last one."""

    data: list[ListedEmail]
    has_more: bool = False


class SentEmail(Wire):
    """GET /emails/{id}. The specification does not name `tags`; the page of the API shows them as a list."""

    id: str
    html: Text = Field(default=None, repr=False)
    text: Text = Field(default=None, repr=False)
    tags: Headers = Field(default_factory=dict)
