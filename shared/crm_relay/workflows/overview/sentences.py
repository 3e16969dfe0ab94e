"""Answers of `why` in sentences."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from crm_relay.workflows.approvals.overview import ApprovalShown
from crm_relay.workflows.models import Trigger, TriggerKind

_GATES: Final[Mapping[str, str]] = {
    "before_publication": "the event is older than the active version",
    "unreadable": "the active version cannot be read",
    "trigger": "the change is not the one that the trigger names",
    "origin": "the change was an import, and the settings do not name that origin",
    "depth": "the change is too many workflows away from its first cause",
    "record_gone": "the record was deleted, or is another organization's",
    "conditions": "its conditions did not hold",
    "cool_down": "it was started for this record too short a time ago",
    "re_entry": "a run for this record was not over",
    "failed": "its rows could not be worked on; an incident says more",
}
"""By the reason of a decision."""


def because(answer: str, entity_type: str, workflow: Mapping[str, Any], decision: Mapping[str, Any] | None) -> str:
    """One sentence for the answer about a record of this type."""
    if answer == "not_started" and decision is not None:
        gate = _GATES.get(str(decision["reason"]), str(decision["reason"]))
        return f"It was asked at {_at(decision)} and did not start: {gate}."
    if answer == "started" and decision is not None:
        return f"It started at {_at(decision)}; the run is {decision['run_status'] or 'no longer kept'}."
    if answer == "queued" and decision is not None:
        return f"At {_at(decision)} a run took its place behind another one; it is {decision['run_status']}."
    other = workflow["entity_type"] or workflow["draft_entity_type"]
    return {
        "event_waits": "Something happened that it listens to, and the next round decides.",
        "other_entity_type": f"It does not listen to this record: it is about records of type {other}, "
        f"and this one is of type {entity_type}.",
        "not_published": "It is not published: it listens to nothing.",
        "unreadable": "Its active version cannot be read; an incident says more.",
        "by_hand": "It starts only by hand or by the API, and nobody has started it for this record.",
        "nothing_happened": "Nothing that it listens to has happened to this record since it was published, "
        "or it is longer ago than decisions are kept.",
    }.get(answer, answer)


def waits_for(approvals: Sequence[ApprovalShown]) -> str:
    """`It waits for the approval of Max since 2026-11-30 12:00 UTC.`"""
    names = sorted({each.approver_name or str(each.approver_id) for each in approvals})
    since = min((each.requested_at for each in approvals if each.requested_at is not None), default=None)
    begun = "" if since is None else f" since {since:%Y-%m-%d %H:%M %Z}"
    return f"It waits for the approval of {', '.join(names)}{begun}."


def describe_trigger(trigger: Trigger) -> str:
    """`status_change: stage from proposal to won`."""
    kind: str = trigger.kind.value
    match trigger.kind:
        case TriggerKind.EVENT:
            return f"event: {trigger.event}"
        case TriggerKind.SCHEDULED:
            return f"scheduled: {trigger.cron} ({trigger.zone})"
        case TriggerKind.STATUS_CHANGE | TriggerKind.FIELD_CHANGE:
            parts = [trigger.column, _value("from", trigger.was), _value("to", trigger.becomes)]
            narrowed = " ".join(part for part in parts if part)
            return f"{kind}: {narrowed}" if narrowed else kind
        case _:
            return kind


def _value(word: str, value: str | None) -> str | None:
    return None if value is None else f"{word} {value or 'null'}"


def _at(decision: Mapping[str, Any]) -> str:
    return f"{decision['decided_at']:%Y-%m-%d %H:%M:%S %Z}"
