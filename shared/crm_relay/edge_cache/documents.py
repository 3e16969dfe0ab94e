"""What an edit made at the edge may look like, entity by entity: what cannot be a row is refused before that."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, time
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from crm_relay.edge_cache.keys import Entity
from crm_relay.platform.errors import RejectedInput


def _without_nul(text: str) -> str:
    if "\x00" in text:
        raise ValueError("U+0000 is in no database's text")
    return text


def _of_a_header(text: str) -> str:
    if len(text.encode(errors="replace")) > LONGEST_HEADER:
        raise ValueError(f"must have at most {LONGEST_HEADER} bytes")
    return text


LONGEST_HEADER = 998
"""A line of a message has no more bytes (RFC 5322, 2.1.1), and an index of the database takes some 2,700."""

Text = Annotated[str, Field(max_length=200_000), AfterValidator(_without_nul)]
Line = Annotated[str, Field(max_length=4_000), AfterValidator(_without_nul)]
"""One line that people write: a subject, a name."""

Header = Annotated[str, AfterValidator(_without_nul), AfterValidator(_of_a_header)]
"""An address or a message id: what is looked up by an index."""

Word = Annotated[str, Field(max_length=200), AfterValidator(_without_nul)]
"""One of a vocabulary."""


def _within_reach(moment: datetime) -> datetime:
    """The ends of the calendar have no equal in UTC, and years of three digits no place in a text that is compared."""
    if not 1900 <= moment.year <= 9000:
        raise ValueError("must lie between the years 1900 and 9000")
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(_within_reach)]


class Document(BaseModel):
    """A row's own columns; nothing else may stand in it."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, frozen=True, allow_inf_nan=False)

    id: UUID
    created_at: Moment | None = None
    updated_at: Moment | None = None


class EmailDocument(Document):
    """An e-mail, written at the edge."""

    prospect_id: UUID | None = None
    campaign_id: UUID | None = None
    subject: Line | None = None
    body: Text | None = None
    to_email: Header | None = None
    from_email: Header | None = None
    message_id: Header | None = None
    direction: Word = "outbound"
    status: Word | None = None
    sent_at: Moment | None = None
    opened_at: Moment | None = None
    clicked_at: Moment | None = None
    replied_at: Moment | None = None
    bounced_at: Moment | None = None


class ProspectDocument(Document):
    """A copy of a prospect."""

    name: Text
    city: Text | None = None
    country: Text | None = None
    contact_name: Text | None = None
    contact_email: Header | None = None
    contact_title: Text | None = None
    phone: Text | None = None
    website: Text | None = None
    linkedin_url: Text | None = None
    stage: Text | None = None
    tier: Text | None = None
    score: float | int | None = None
    lead_source: Text | None = None
    email_bounced: bool = False
    archived: bool = False


class CampaignDocument(Document):
    """A copy of a campaign."""

    name: Text
    description: Text | None = None
    status: Text = "draft"
    source: Text = "native"
    send_window_start: time
    send_window_end: time
    send_days: list[Text]
    timezone: Text


class MailboxDocument(Document):
    """A copy of a mailbox."""

    email: Text
    name: Text | None = None
    provider: Text | None = None
    status: Text = "active"
    daily_limit: int | None = None


_DOCUMENTS: Mapping[Entity, type[Document]] = {
    "emails": EmailDocument,
    "prospects": ProspectDocument,
    "campaigns": CampaignDocument,
    "mailboxes": MailboxDocument,
}


def read_document(entity: Entity, doc: str | Mapping[str, Any]) -> Document:
    """Raises RejectedInput with 422, and where: never what."""
    kind = _DOCUMENTS[entity]
    try:
        return kind.model_validate_json(doc) if isinstance(doc, str) else kind.model_validate(doc)
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False, include_context=False)
        details = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in problems[:5]]
        raise RejectedInput(f"not a document of {entity}", status=422, details=details) from None


def canonical(document: Document) -> str:
    """The same content gives the same text, with times in UTC and microseconds, as the database writes them."""
    return json.dumps({name: _plain(value) for name, value in document}, ensure_ascii=False, sort_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, time):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value
