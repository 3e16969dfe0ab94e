"""Mautic's webhook payloads as they are on the wire, as far as we read them.

Recorded from Mautic 5.1.1 (tests/samples/mautic/9*_hook_*.json). PHP cannot tell an empty object from an empty list and
writes both as `[]`; a list with gaps in its keys becomes an object.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, Field

from crm_relay.platform.http.wire import Wire

T = TypeVar("T")

# Mautic's own column ends at 255; an index entry here ends at 2,704 bytes.
_LONGEST_ADDRESS = 320


def _none_if_empty(value: object) -> object:
    return None if value == [] else value


def _values(value: object) -> object:
    return list(value.values()) if isinstance(value, dict) else value


def _text(value: object) -> object:
    """A field's value stands alone or, in lead events, inside the field's definition."""
    if isinstance(value, dict):
        value = value.get("value")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else None


def _address(value: object) -> object:
    text = _text(value)
    return text if isinstance(text, str) and len(text) <= _LONGEST_ADDRESS else None


def _utc(value: object) -> object:
    # Mautic always sends an offset. Numbers are refused: nothing says whether they are seconds or milliseconds.
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(str(value))
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("not a date") from None


Maybe = Annotated[T | None, BeforeValidator(_none_if_empty)]
Text = Annotated[str | None, BeforeValidator(_text)]
Address = Annotated[str | None, BeforeValidator(_address)]
# Parts of the event's key, which stands in an index.
Word = Annotated[str, Field(max_length=100)]
Number = Annotated[int, Field(ge=0, lt=2**63)]
Moment = Annotated[datetime | None, BeforeValidator(_utc)]
# The column is an integer; Mautic's own is an unsigned one, of which nobody ever needed the upper half.
ContactId = Annotated[int, Field(gt=0, lt=2**31)]


class MauticEnvelope(Wire):
    """A delivery: `timestamp` at the top is in samples and in the document's form, never in a real one."""

    timestamp: Moment = None


class CoreFields(Wire):
    """`fields.core`: each value inside its field's definition."""

    email: Address = None
    supabase_id: Text = None
    mobile: Text = None
    phone: Text = None


class Fields(Wire):
    """Grouped by Mautic's tabs; ours are all in `core`."""

    core: Maybe[CoreFields] = None


class MauticDoNotContact(Wire):
    """Why a contact gets no mail on one channel."""

    reason: int | None = None
    comments: Text = None
    channel: Text = None


class MauticContact(Wire):
    """`lead` of opens and hits, `contact` of lead events; `email` stands at the top in the document's form only."""

    id: ContactId | None = None
    email: Address = None
    fields: Maybe[Fields] = None
    do_not_contact: Annotated[list[MauticDoNotContact], BeforeValidator(_values)] = Field(
        default=[], alias="doNotContact"
    )

    @property
    def core(self) -> CoreFields:
        """Never None."""
        return (self.fields and self.fields.core) or CoreFields()

    @property
    def address(self) -> str | None:
        """The contact's e-mail address, not normalised."""
        return self.email or self.core.email


class MauticEmail(Wire):
    """What was sent: `name` is the internal name of the mail, which the documents call the campaign."""

    id: Text = None
    name: Text = None
    subject: Text = None


class Stat(Wire):
    """One mail to one contact. `date_read` is the first open, `last_opened` this one."""

    id: Number | None = None
    tracking_hash: Word | None = Field(default=None, alias="trackingHash")
    open_count: Number = Field(default=1, alias="openCount")
    address: Address = Field(default=None, alias="emailAddress")
    date_sent: Moment = Field(default=None, alias="dateSent")
    date_read: Moment = Field(default=None, alias="dateRead")
    last_opened: Moment = Field(default=None, alias="lastOpened")
    viewed_in_browser: bool = Field(default=False, alias="viewedInBrowser")
    lead: Maybe[MauticContact] = None
    email: Maybe[MauticEmail] = None


class MauticHit(Wire):
    """One request for a page or a tracked link; `email` is null for a visit that no mail led to."""

    id: Number | None = None
    date_hit: Moment = Field(default=None, alias="dateHit")
    url: Text = None
    user_agent: Text = Field(default=None, alias="userAgent")
    lead: Maybe[MauticContact] = None
    email: Maybe[MauticEmail] = None


class OpenEvent(Wire):
    """mautic.email_on_open. `timestamp` is missing in the payload of the button "Send test payload"."""

    stat: Stat
    timestamp: Moment = None


class HitEvent(Wire):
    """mautic.page_on_hit"""

    hit: MauticHit
    timestamp: Moment = None


class SubscriptionEvent(Wire):
    """mautic.lead_channel_subscription_changed; `timestamp` has a resolution of one second."""

    contact: MauticContact
    channel: Word
    old_status: Word
    new_status: Word
    timestamp: Moment = None


class DeletionEvent(Wire):
    """mautic.lead_post_delete: `contact.id` is null by then, the id stands at the top."""

    id: ContactId
    timestamp: Moment = None


class DocumentEvent(Wire):
    """The form that the integration's design document gives to all four events; no Mautic sends it."""

    lead: MauticContact
    email: Maybe[MauticEmail] = None
    url: Text = None
    date_sent: Moment = Field(default=None, alias="dateSent")
    date_read: Moment = Field(default=None, alias="dateRead")


def of_one_or_many(value: object) -> list[Any]:
    """The events under one name: a list, an object keyed by index, or the one event itself."""
    if isinstance(value, dict) and value and all(key.isdigit() for key in value):
        return list(value.values())
    return value if isinstance(value, list) else [value]
