"""Settings of watchdog."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field

from crm_relay.platform.settings import CommaSeparated, SettingsModel
from crm_relay.platform.shared_settings import CoordinationTable


def _limits(value: object) -> object:
    """`name=minutes,name=minutes` -> name -> time."""
    if not isinstance(value, str):
        return value
    pairs = (each.partition("=") for each in value.split(",") if each.strip())
    try:
        return {name.strip(): timedelta(minutes=float(minutes)) for name, _, minutes in pairs}
    except ValueError:
        raise ValueError("must be name=minutes, separated by commas") from None


class Settings(SettingsModel):
    """What is watched; the template lists what the installed rooms have."""

    coordination_table: CoordinationTable
    watched_schedules: Annotated[Mapping[str, timedelta], BeforeValidator(_limits)] = Field(
        description="Schedules and the minutes that each may be silent: `name=minutes`, separated by commas."
    )
    dead_letter_queue_urls: CommaSeparated = Field(
        default=(), description="Dead-letter queues whose messages are counted, separated by commas."
    )
