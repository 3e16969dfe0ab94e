"""crm-relay workflow watch and rehearse: what is recorded, and what a draft would have done with it."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import typer

from cli.console import FOUND, GOOD, AsJson, EnvFile, reports_errors, show
from cli.workflow.connection import Called, Organization, open_workflows, workflow_called
from crm_relay.platform.clock import utc_now
from crm_relay.workflows.definition.drafts import record
from crm_relay.workflows.events.watch import (
    Recording,
    list_recordings,
    stop_watching_draft,
    stop_watching_field,
    watch_field,
)
from crm_relay.workflows.operations.steer import OPERATOR
from crm_relay.workflows.rehearsal.models import Rehearsal, RehearsedDay, RehearsedStep
from crm_relay.workflows.rehearsal.rehearse import rehearse as rehearse_draft

app = typer.Typer()

_PATIENCE = 600.0


@app.command("watch")
@reports_errors
def watch(
    field: Annotated[
        str | None,
        typer.Argument(metavar="[TABLE.FIELD]", help="Such as deals.stage, contacts.+ or contacts.event:replied."),
    ] = None,
    workflow: Annotated[
        str | None, typer.Option("--workflow", help="Id or name: record what its draft would listen to.")
    ] = None,
    stop: Annotated[bool, typer.Option("--stop", help="Record it no more.")] = False,
    organization: Organization = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Record changes of a field for rehearsals, or list what is recorded and since when.

    What is recorded starts nothing by itself. Saving a draft records what it would listen to. Exit status 1: it is not
    recorded yet, since the table is busy; the next round does it.
    """
    if field is not None and workflow is not None:
        raise typer.BadParameter("TABLE.FIELD or --workflow: one of them")
    with open_workflows(env_file) as installation:
        database = installation.database
        if field is not None:
            done = (
                stop_watching_field(database, organization, field, utc_now())
                if stop
                else watch_field(database, organization, field, utc_now(), who=OPERATOR)
            )
            show(asdict(done), as_json, "Watched")
            return GOOD if stop or done.since is not None else FOUND
        if workflow is not None:
            found = workflow_called(installation, workflow, organization)
            if stop:
                changed = stop_watching_draft(database, found, utc_now())
                show({"id": found, "changed": changed}, as_json, "Watched")
                return GOOD
            saved = record(database, found)
            show(asdict(saved), as_json, "Watched")
            return GOOD if saved.is_recorded else FOUND
        recordings = list_recordings(database, organization)
    show([asdict(each) if as_json else _recording_line(each) for each in recordings], as_json, "Recorded")
    return GOOD


@app.command("rehearse")
@reports_errors
def rehearse(
    workflow: Called,
    since: Annotated[
        datetime | None,
        typer.Option("--since", help="From when on, in UTC. Default: from where all of it is recorded."),
    ] = None,
    effects: Annotated[int, typer.Option("--effects", min=0, max=100_000, help="List so many effects.")] = 50,
    organization: Organization = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Run a draft over what happened and say who would have got what. Nothing takes effect.

    Exit status 1: a budget would have run out, a step would have failed, or something of it was not recorded.
    """
    with open_workflows(env_file, patience=_PATIENCE) as installation:
        found = workflow_called(installation, workflow, organization)
        begins = (
            None if since is None else since.astimezone() if since.tzinfo else since.replace(tzinfo=utc_now().tzinfo)
        )
        said = rehearse_draft(installation.database, found, utc_now(), since=begins, most_effects=effects)
    if as_json:
        show(asdict(said), as_json, "")
    else:
        _show_rehearsal(said)
    troubled = (
        said.span.not_rehearsed or any(day.paused for day in said.days) or any(step.failed for step in said.steps)
    )
    return FOUND if troubled else GOOD


def _show_rehearsal(said: Rehearsal) -> None:
    span = said.span
    shown: dict[str, Any] = {
        "from": f"{span.since:%Y-%m-%d %H:%M %Z}",
        "until": f"{span.until:%Y-%m-%d %H:%M %Z}",
        "complete from": "never" if span.complete_from is None else f"{span.complete_from:%Y-%m-%d %H:%M %Z}",
        "events": f"{span.events}, the newest of more" if span.is_cut else span.events,
        "due times of schedules": span.due_times,
        "not rehearsed": "\n".join(span.not_rehearsed) or "nothing",
        "started": said.starts.started,
        "not started": {each.reason: each.starts for each in said.starts.refused},
        "queued": said.starts.queued,
        "delayed by the pace": f"{said.starts.delayed}, at most {said.starts.longest_delay:.0f} s",
        "runs": said.runs,
        "contacts with e-mails": said.recipients,
        "assumed": "\n".join(said.assumptions),
    }
    show(shown, False, f"Rehearsal of {said.name}")
    show([_step_line(each) for each in said.steps], False, "Steps")
    show([_day_line(each, said) for each in said.days], False, "Days")
    listed = [
        {
            "at": f"{each.at:%Y-%m-%d %H:%M:%S}",
            "step": each.step,
            "what": each.kind,
            "record": each.entity_id,
            "to": each.to,
        }
        for each in said.effects
    ]
    show(listed, False, "Effects, the first ones" if said.has_more_effects else "Effects")


def _step_line(each: RehearsedStep) -> dict[str, Any]:
    return {
        "step": each.key,
        "what": each.name or each.kind,
        "completed": each.completed,
        "skipped": each.skipped,
        "failed": each.failed,
        "waiting": each.waiting,
        "why": "\n".join(f"{problem}: {number}" for problem, number in each.problems.items()),
    }


def _day_line(each: RehearsedDay, said: Rehearsal) -> dict[str, Any]:
    return {
        "day": each.day,
        "started": each.started,
        "e-mails": _against(each.emails, said.budget.emails),
        "records": _against(each.records, said.budget.records),
        "notifications": each.notifications,
        "webhooks": each.webhooks,
        "paused": f"no {each.paused} left" if each.paused else "",
    }


def _against(done: int, budget: int | None) -> str:
    return str(done) if budget is None else f"{done} of {budget}"


def _recording_line(each: Recording) -> dict[str, Any]:
    return {
        "field": each.field,
        "since": "not yet" if each.since is None else f"{each.since:%Y-%m-%d %H:%M %Z}",
        "for": "\n".join((*each.workflows, *([each.watched_by] if each.watched_by else []))),
        "organization": each.org_id,
    }
