"""What the routes of single views take."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BeforeValidator, Field

from crm_relay.incidents.snooze import LONGEST_HOURS
from crm_relay.platform.http.http_routes import Given

Number = Annotated[int, Field(ge=1, le=2**53 - 1)]


def _of_text(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdecimal() else value


NumberOfPath = Annotated[int, BeforeValidator(_of_text), Field(ge=1, le=2**53 - 1)]
"""Beside a body, whose numbers are numbers, the path is text all the same."""

Limit = Annotated[int, Field(ge=1, le=500, description="So many at most.")]
Called = Annotated[str, Field(min_length=1, max_length=320, pattern=r"^[^\x00]+$")]


class ActivityAsked(Given):
    """A span that ends now, and the IANA zone whose days are counted."""

    days: Annotated[int, Field(ge=1, le=90)] = 7
    zone: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_+/-]+$")] = "UTC"


class IncidentsAsked(Given):
    """A page of incidents; `before`: older than the one of this number."""

    open: bool = False
    before: Number | None = None
    limit: Limit = 50


class SnoozeWanted(Given):
    """For how many hours an incident is put off; 0: not any more."""

    id: NumberOfPath
    hours: Annotated[int, Field(ge=0, le=LONGEST_HOURS)]


class PeopleAsked(Given):
    """The beginning of an address or of a last name."""

    q: Annotated[str, Field(min_length=2, max_length=320, pattern=r"^[^\x00]+$")]
    limit: Limit = 25


class CampaignPeopleAsked(Given):
    """A page of a campaign's people; `after`: behind this enrollment."""

    id: UUID
    status: (
        Literal["active", "engaged", "paused", "replied", "bounced", "unsubscribed", "stopped", "completed"] | None
    ) = None
    after: UUID | None = None
    limit: Limit = 25


class MailPreviewWanted(Given):
    """A campaign, and the contact whose values its messages are filled with, by id or address."""

    id: UUID
    who: Called


class OfMail(Given):
    """One mail, by its id."""

    id: UUID
