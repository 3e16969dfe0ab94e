"""A scheduled run that came to its end says so, for the watchdog."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

from crm_relay.platform.aws.heartbeats import Heartbeats
from crm_relay.platform.clock import utc_now
from crm_relay.platform.errors import FatalError, TransientError
from crm_relay.platform.logging import logger
from crm_relay.platform.settings import SettingsModel, read_settings

ScheduledHandler = Callable[[Any, Any], Any]
SchedulesOf = Callable[[Mapping[str, Any]], Sequence[str]]
"""The body of a message -> the schedules whose work it does."""


class HeartbeatSettings(SettingsModel):
    """`coordination_table` None: nobody watches, as where a handler is invoked by hand."""

    coordination_table: str | None = None


def heartbeat(of_messages: SchedulesOf | None = None) -> Callable[[ScheduledHandler], ScheduledHandler]:
    """Decorates the handler of a scheduled function: a run that came to its end is noted under its schedule's name.

    The name is `schedule` in the event, which the template writes into the schedule's input. A run that raised,
    stepped aside or stopped before its end is not noted: the answer then has `stepped_aside` or `stopped`.
    """

    def decorate(handler: ScheduledHandler) -> ScheduledHandler:
        @wraps(handler)
        def beating(event: Any, context: Any) -> Any:
            answer = handler(event, context)
            if _is_complete(answer):
                _note(_schedules(event, of_messages))
            return answer

        return beating

    return decorate


def _is_complete(answer: Any) -> bool:
    return not isinstance(answer, Mapping) or not (answer.get("stepped_aside") or answer.get("stopped"))


def _schedules(event: Mapping[str, Any], of_messages: SchedulesOf | None) -> Sequence[str]:
    if name := event.get("schedule"):
        return [str(name)]
    records = event.get("Records")
    return of_messages(json.loads(records[-1]["body"])) if records and of_messages else ()


def _note(schedules: Sequence[str]) -> None:
    """A heartbeat that is lost never fails the run: the next one is noted, or the watchdog's alarm rings."""
    if not schedules:
        return
    table = read_settings(HeartbeatSettings).coordination_table
    if table is None:
        return
    try:
        Heartbeats(table).note(schedules, utc_now())
    except (TransientError, FatalError) as error:
        logger().warning("heartbeat not noted", schedules=list(schedules), reason=str(error))
