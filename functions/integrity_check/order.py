"""How checks can be ordered: by a schedule, or by a message of the queue of orders."""

import json
from collections.abc import Mapping
from typing import Any

from crm_relay.integrity.models import CHECKS, CheckOrder
from crm_relay.platform.errors import RejectedInput

SCHEDULE = "schedule"


def ordered(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """The event of a schedule as it is, or the message that it brings."""
    records = event.get("Records")
    content: Mapping[str, Any] = json.loads(records[0]["body"]) if records else event
    return content


def read_order(given: Mapping[str, Any], cap: int) -> CheckOrder:
    """Raises RejectedInput, which names what is allowed."""
    wishes = {name: given.get(name, False) for name in ("full", "fix", "dry_run")}
    approved, who = given.get("approve", []), given.get("ordered_by", SCHEDULE)
    if not all(isinstance(each, bool) for each in wishes.values()):
        raise RejectedInput("full, fix and dry_run are true or false", status=422)
    if not isinstance(approved, list) or not set(map(str, approved)) <= set(CHECKS):
        raise RejectedInput(f"approve must be a list of {', '.join(CHECKS)}", status=422)
    return CheckOrder(**wishes, approved=frozenset(approved), cap=cap, ordered_by=str(who))


def schedules_of(message: Mapping[str, Any]) -> tuple[str, ...]:
    """The schedules whose work a message's run does."""
    if message.get("dry_run"):
        return ()
    hourly = ("integrity_check.EveryHour",)
    return (*hourly, "integrity_check.EveryNight") if message.get("full") and message.get("fix") else hourly
