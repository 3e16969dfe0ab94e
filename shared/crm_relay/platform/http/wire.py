"""What the providers' wire models have in common."""

from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict


class Wire(BaseModel):
    """Unknown fields are the provider's business; an error never quotes the value."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True, frozen=True)


def moment_or_none(value: object) -> datetime | None:
    """ISO 8601, in UTC also where no zone is named; None for anything else.

    A number is not read: nothing says whether it counts seconds or milliseconds.
    """
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        if moment is None:
            return None
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
