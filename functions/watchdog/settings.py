"""Settings of watchdog."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator

from crm_relay.platform.settings import CommaSeparated, SettingsModel


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
    """`watched_schedules`: how long each may be silent. The template lists those of the rooms that are installed."""

    coordination_table: str
    watched_schedules: Annotated[Mapping[str, timedelta], BeforeValidator(_limits)]
    dead_letter_queue_urls: CommaSeparated = ()
