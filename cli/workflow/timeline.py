"""The timeline of a run on a terminal."""

from dataclasses import asdict
from typing import Any

from cli.console import FOUND, GOOD, show
from crm_relay.workflows.approvals.overview import ApprovalShown
from crm_relay.workflows.overview.models import ActionShown, LogLine, RunShown, StepShown


def show_timeline(found: RunShown, as_json: bool) -> int:
    """FOUND where the run failed."""
    code = FOUND if found.run.status == "failed" else GOOD
    if as_json:
        show(asdict(found), as_json, "")
        return code
    about = {name: value for name, value in asdict(found.run).items() if value is not None}
    show(about, as_json, "Run")
    start = {name: value for name, value in asdict(found.start).items() if value not in (None, [], {})}
    show(start, as_json, "Start")
    show([_step_line(each) for each in found.steps], as_json, "Steps" if found.is_complete else "Steps, the newest")
    show([_log_line(each) for each in found.logs], as_json, "Log of the run")
    return code


def _step_line(each: StepShown) -> dict[str, Any]:
    state = [
        each.status,
        each.error,
        None if each.wait_until is None else f"until {each.wait_until:%Y-%m-%d %H:%M %Z}",
        None if each.waits_for is None else f"for {each.waits_for}",
    ]
    return {
        "step": each.position,
        "place": each.key,
        "what": each.name or each.type,
        "at": "" if each.started_at is None else f"{each.started_at:%Y-%m-%d %H:%M:%S}",
        "state": "\n".join(part for part in state if part),
        "result": each.result,
        "effects": "\n".join(
            (*(line for action in each.actions for line in _effects(action)), *map(_approval, each.approvals))
        ),
    }


def _approval(each: ApprovalShown) -> str:
    place = "" if each.came_by == "self" else f", as {each.came_by} for {each.stands_for_name or 'nobody'}"
    decided = f" by {each.decided_by_name} ({each.decided_via})" if each.decided_via else ""
    return f"{each.approver_name or each.approver_id}{place}: {each.status}{decided}{_because(each.ended_for)}"


def _effects(action: ActionShown) -> list[str]:
    lines = [f"{action.type}: {action.status}"]
    if action.mail is not None:
        lines.append(f"mail {action.mail.status}{_because(action.mail.reason)}")
    if action.webhook is not None:
        hook = action.webhook
        answered = "" if hook.status_code is None else f", answered {hook.status_code}"
        lines.append(f"webhook {hook.state}, {hook.attempts} attempts{answered}{_because(hook.reason)}")
    for each in action.notifications:
        channels = ", ".join(f"{name}: {state}" for name, state in each.channels.items())
        lines.append(f"notified {each.user_id}: {channels or 'in a group'}")
    return lines


def _log_line(each: LogLine) -> dict[str, Any]:
    return {"at": f"{each.occurred_at:%Y-%m-%d %H:%M:%S}", "level": each.level, "line": each.message, "data": each.data}


def _because(reason: str | None) -> str:
    return f" ({reason})" if reason else ""
