"""The outside world of watchdog, built once per execution environment."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from crm_relay.operations.watchdog import count_dead_letters, find_overdue
from crm_relay.platform.aws.heartbeats import Heartbeats
from crm_relay.platform.execution_environment import PerEnvironment
from crm_relay.platform.logging import count_metric, logger
from crm_relay.platform.settings import read_settings
from watchdog.settings import Settings

settings = PerEnvironment(lambda: read_settings(Settings))


def watch(now: datetime) -> Mapping[str, Any]:
    """Count both metrics, also when they are 0: the alarms ring when one is missing."""
    here = settings()
    overdue = find_overdue(Heartbeats(here.coordination_table), here.watched_schedules, now)
    minutes = {name: round(age.total_seconds() / 60) for name, age in overdue.items()}
    count_metric("OverdueSchedules", len(minutes))
    if minutes:
        logger().warning("schedules are overdue", silent_minutes=minutes)
    dead_letters = count_dead_letters(here.dead_letter_queue_urls)
    count_metric("DeadLetters", sum(dead_letters.values()))
    if dead_letters:
        logger().warning("dead letters", queues=dead_letters)
    return {"success": True, "overdue": minutes, "dead_letters": dead_letters}
