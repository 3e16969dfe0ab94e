"""What the settings of a connection say to the engine; what only the connector reads is its own."""

from collections.abc import Mapping
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from crm_relay.connections.decisions import DEFAULT_SHRINK_LIMIT
from crm_relay.connections.records.store import ContactFilter
from crm_relay.connections.records.stream_run import SyncRules
from crm_relay.platform.errors import RejectedInput


class FilterSettings(BaseModel):
    """Which contacts are synced: of an owner, with a status, in a segment (by slug)."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    owner: UUID | None = None
    status: str | None = None
    segment: str | None = None


MailLabel = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_\-]{1,100}$")]
DAILY_PITCHES = 50


class SyncSettings(BaseModel):
    """Members of `integration_connections.settings` that the engine reads.

    Of mailboxes: `labels` are ids, as the picker shows them; `new_mail`: `known` keeps only mail of people who are in
    the CRM, and answers; `daily_pitches` leave from the mailbox in 24 hours.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    direction: Literal["both", "out", "in"] = "both"
    create_contacts: bool = True
    when_removed_there: Literal["keep", "archive"] = "keep"
    when_removed_here: Literal["keep", "remove"] = "keep"
    shrink_limit_percent: int = Field(default=DEFAULT_SHRINK_LIMIT, ge=0, le=100)
    contacts: FilterSettings = FilterSettings()
    monthly_requests: int | None = Field(default=None, ge=1)
    labels: tuple[MailLabel, ...] = Field(default=("INBOX",), min_length=1, max_length=20)
    new_mail: Literal["all", "known"] = "all"
    daily_pitches: int = Field(default=DAILY_PITCHES, ge=1, le=2_000)

    @property
    def rules(self) -> SyncRules:
        """As the engine takes them."""
        wanted = ContactFilter(self.contacts.owner, self.contacts.status, self.contacts.segment)
        return SyncRules(
            direction=self.direction,
            creates_here=self.create_contacts,
            when_removed_there=self.when_removed_there,
            when_removed_here=self.when_removed_here,
            shrink_limit_percent=self.shrink_limit_percent,
            contacts=wanted,
        )


def read_sync_settings(settings: Mapping[str, object]) -> SyncSettings:
    """Raises RejectedInput that names every member that is wrong, never a value."""
    try:
        return SyncSettings.model_validate(dict(settings))
    except ValidationError as error:
        problems = [
            f"settings.{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_input=False)
        ]
        raise RejectedInput("the settings of the connection are wrong", details=problems) from None
