"""Entry point of watchdog: the schedule, every five minutes."""

from collections.abc import Mapping
from typing import Any

from crm_relay.platform.clock import utc_now
from watchdog.wiring import watch


def handler(_event: Mapping[str, Any], _context: object) -> Mapping[str, Any]:
    """Look for schedules that have fallen silent and for dead letters; answers with what was found."""
    return watch(utc_now())
