"""What the settings of a connection say about its mailbox."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from crm_relay.platform.errors import RejectedInput

Label = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_\-]{1,100}$")]
DAILY_PITCHES = 50


class MailboxSettings(BaseModel):
    """`labels`: ids, as the picker shows them. `new_mail`: `known` keeps only mail of people who are in the CRM, and
    answers. `daily_pitches`: of the account in 24 hours.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    labels: tuple[Label, ...] = Field(default=("INBOX",), min_length=1, max_length=20)
    new_mail: Literal["all", "known"] = "all"
    daily_pitches: int = Field(default=DAILY_PITCHES, ge=1, le=2_000)


def read_mailbox_settings(settings: Mapping[str, object]) -> MailboxSettings:
    """Raises RejectedInput that names every member that is wrong, never a value."""
    try:
        return MailboxSettings.model_validate(dict(settings))
    except ValidationError as error:
        problems = [
            f"settings.{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_input=False)
        ]
        raise RejectedInput("the settings of the connection are wrong", details=problems) from None
