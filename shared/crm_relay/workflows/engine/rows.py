"""What was decided about runs, as the rows that record it."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from crm_relay.platform.sql import Json
from crm_relay.workflows.engine.steps.outcomes import Advanced, TakenStep
from crm_relay.workflows.engine.store import SqlRow
from crm_relay.workflows.models import StepKind, WorkflowStep

_LEVELS = {"failed": "error", "skipped": "warning"}


def rows_of(advanced: Iterable[Advanced], now: datetime) -> dict[str, list[SqlRow]]:
    """By the parameters of `record_runs`."""
    rows: dict[str, list[SqlRow]] = {name: [] for name in ("steps", "actions", "lines", "waits", "answers", "runs")}
    for each in advanced:
        rows["runs"].append(_run(each))
        for step in each.steps:
            _add(rows, step, now)
        rows["lines"] += _lines(each, now)
    return rows


def _add(rows: dict[str, list[SqlRow]], step: TakenStep, now: datetime) -> None:
    if step.is_open_wait:
        rows["waits"].append(_wait(step, now))
        if step.is_done and step.action_id is not None:
            rows["answers"].append(_answer(step, now))
        return
    rows["steps"].append(_step(step, now))
    if step.action_id is not None:
        rows["actions"].append(_action(step, now))


def _shown(step: WorkflowStep | None) -> dict[str, Any]:
    """The configuration as every colleague may read it: without what a request is sent and signed with."""
    if step is None:
        return {}
    if step.kind is not StepKind.WEBHOOK:
        return dict(step.config)
    named = dict.fromkeys(step.config.get("headers") or (), "hidden")
    return {name: value for name, value in step.config.items() if name != "secret"} | {"headers": named}


def _step(taken: TakenStep, now: datetime) -> SqlRow:
    step = taken.step
    return {
        "id": taken.id,
        "execution_id": taken.run_id,
        "step_key": None if step is None else step.key,
        "step_type": taken.type,
        "step_name": None if step is None else (step.name or step.kind.value)[:255],
        "step_config": Json(_shown(step)),
        "position": taken.position,
        "status": taken.status,
        "started_at": now,
        "completed_at": now if taken.is_done else None,
        "wait_until": taken.until,
        "wait_condition": None if taken.waits_for is None else Json({"waits_for": taken.waits_for}),
        "result": Json(dict(taken.result)),
        "error_message": taken.error,
        "created_at": now,
        "state_id": None if taken.entered is None else taken.entered.state_id,
        "transition_id": None if taken.entered is None else taken.entered.transition_id,
    }


def _action(taken: TakenStep, now: datetime) -> SqlRow:
    step, status = taken.step, taken.action_status
    return {
        "id": taken.action_id,
        "execution_id": taken.run_id,
        "step_id": taken.id,
        "action_type": None if step is None else step.kind.value,
        "action_config": Json(_shown(step)),
        "status": status,
        "started_at": now,
        "completed_at": None if status == "pending" else now,
        "result": Json(dict(taken.result)),
        "error_message": taken.error,
        "created_at": now,
    }


def _wait(taken: TakenStep, now: datetime) -> SqlRow:
    return {
        "id": taken.id,
        "status": taken.status,
        "result": Json(dict(taken.result)),
        "error_message": taken.error,
        "wait_until": taken.until,
        "completed_at": now if taken.is_done else None,
    }


def _answer(taken: TakenStep, now: datetime) -> SqlRow:
    return {
        "step_id": taken.id,
        "status": taken.action_status,
        "result": Json(dict(taken.result)),
        "error_message": taken.error,
        "completed_at": now,
    }


def _run(advanced: Advanced) -> SqlRow:
    state = advanced.state
    return {
        "id": advanced.run.id,
        "instance_id": advanced.run.instance_id,
        "status": state.status,
        "place": state.place,
        "position": state.position,
        "next_run_at": state.next_run_at,
        "waits_for": state.waits_for,
        "waits_for_id": state.waits_for_id,
        "error_message": state.error,
        "retry_count": state.retry_count,
        "next_retry_at": state.next_run_at if state.status == "failed" else None,
        "retry_of": state.retry_of,
        "total": advanced.total_steps,
        "is_over": state.is_over,
    }


def _lines(advanced: Advanced, now: datetime) -> Iterator[SqlRow]:
    """A line for each step that something became of, and one for a run that is over."""
    for step in advanced.steps:
        if step.is_open_wait and not step.is_done:
            continue
        kind = step.type if step.step is None else step.step.kind.value
        data: dict[str, Any] = {"step": None if step.step is None else step.step.key, **step.result}
        if step.error is not None:
            data["error"] = step.error
        yield _line(advanced, f"{kind} {step.status}", _LEVELS.get(step.status, "info"), data, now, step)
    state = advanced.state
    if state.is_over:
        data = {} if state.error is None else {"error": state.error}
        yield _line(advanced, f"run {state.status}", "error" if state.status == "failed" else "info", data, now)
    elif state.status == "failed":
        retry = {"error": state.error, "retry_at": state.next_run_at}
        yield _line(advanced, "run waits for its next try", "warning", retry, now)


def _line(
    advanced: Advanced, message: str, level: str, data: dict[str, Any], now: datetime, step: TakenStep | None = None
) -> SqlRow:
    return {
        "execution_id": advanced.run.id,
        "step_id": None if step is None else step.id,
        "action_id": None if step is None else step.action_id,
        "level": level,
        "message": message,
        "data": Json(data),
        "occurred_at": now,
    }
