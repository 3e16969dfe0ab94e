"""What watchdog is connected to, and its one use case."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from crm_relay.installation.installation import install
from crm_relay.operations.watchdog import count_dead_letters, find_overdue
from crm_relay.platform.aws.heartbeats import Heartbeats
from crm_relay.platform.execution_environment import PerEnvironment
from crm_relay.platform.logging import count_metric, logger
from watchdog.settings import Settings

installation = PerEnvironment(lambda: install(Settings))


def watch(now: datetime) -> Mapping[str, Any]:
    """Count both metrics, also when they are 0: the alarms ring when one is missing."""
    settings = installation().settings
    overdue = find_overdue(Heartbeats(settings.coordination_table), settings.watched_schedules, now)
    minutes = {name: round(age.total_seconds() / 60) for name, age in overdue.items()}
    count_metric("OverdueSchedules", len(minutes))
    if minutes:
        logger().warning("schedules are overdue", silent_minutes=minutes)
    dead_letters = count_dead_letters(settings.dead_letter_queue_urls)
    count_metric("DeadLetters", sum(dead_letters.values()))
    if dead_letters:
        logger().warning("dead letters", queues=dead_letters)
    return {"success": True, "overdue": minutes, "dead_letters": dead_letters}
