"""The routes under /api/workflows: who may look at workflows and runs, and who may start and steer them."""

from functools import partial

from admin_api.table import OPERATE, READ, get, post
from admin_api.workflows import answers
from admin_api.workflows.backfills import BACKFILLS
from admin_api.workflows.inputs import (
    DraftGiven,
    EventGiven,
    OfRun,
    OfWorkflow,
    PauseWanted,
    RetryWanted,
    RunsAsked,
    RunsWanted,
    StartWanted,
    WhyAsked,
    WorkflowGiven,
    WorkflowsAsked,
)
from admin_api.workflows.moves import MOVES
from admin_api.workflows.rehearsals import REHEARSALS
from crm_relay.workflows.definition.deactivate import WorkflowDeactivated
from crm_relay.workflows.definition.drafts import WorkflowSaved, WorkflowShown
from crm_relay.workflows.definition.publish import WorkflowPublished
from crm_relay.workflows.operations.report_event import EventReported
from crm_relay.workflows.operations.steer import RunChange, RunsChanged
from crm_relay.workflows.overview.models import RecordWhy, RunLine, RunShown, WorkflowListed
from crm_relay.workflows.starting.by_hand import StartAnswer

_RUNS = {
    RunChange.PAUSE: "Hold runs where they are",
    RunChange.RESUME: "Let paused runs go on",
    RunChange.CANCEL: "End runs for good; what waits to be sent is taken back",
    RunChange.RETRY: "Let failed runs go on with the step that failed",
}

# Ids, counters and states: nothing in these is personal data.
_SHOWN = [
    get(
        READ,
        "/api/workflows",
        "Workflows by name, each with its runs by status",
        answers.list_all,
        list[WorkflowListed],
        WorkflowsAsked,
    ),
    get(READ, "/api/workflows/runs", "Runs, the newest first", answers.runs, list[RunLine], RunsAsked),
]

# A definition has addresses and texts in it; a timeline and an explanation have values of records.
_PERSONAL = [
    get(
        OPERATE,
        "/api/workflows/why",
        "Why workflows did or did not start for a record, and what a start would come to now",
        answers.why_record,
        RecordWhy,
        WhyAsked,
        errors=(404,),
    ),
    get(
        OPERATE,
        "/api/workflows/runs/{id}",
        "The timeline of a run: steps, actions, decisions with their values, mails and webhooks",
        answers.one_run,
        RunShown,
        OfRun,
    ),
    get(
        OPERATE,
        "/api/workflows/{id}",
        "A workflow with its draft and its versions",
        answers.one,
        WorkflowShown,
        OfWorkflow,
    ),
]

_DEFINING = [
    post(
        OPERATE,
        "/api/workflows",
        "Keep a workflow as a draft; what publishing would refuse it for is listed",
        answers.create,
        WorkflowSaved,
        WorkflowGiven,
        status=201,
        errors=(409,),
    ),
    post(
        OPERATE,
        "/api/workflows/{id}/draft",
        "Put a file in the place of the draft; the version that is active goes on",
        answers.save,
        WorkflowSaved,
        DraftGiven,
        errors=(404,),
    ),
    post(
        OPERATE,
        "/api/workflows/{id}/publish",
        "Check the draft as a whole and make it the active version; every problem is listed",
        answers.publish,
        WorkflowPublished,
        OfWorkflow,
        errors=(404,),
    ),
    post(
        OPERATE,
        "/api/workflows/{id}/deactivate",
        "Start nothing more; runs that have begun go on",
        answers.deactivate,
        WorkflowDeactivated,
        OfWorkflow,
        errors=(404,),
    ),
]

_ACTING = [
    post(
        OPERATE,
        "/api/workflows/{id}/start",
        "Start a workflow for one record, through the same gates as an event; a key makes it safe to repeat",
        answers.start,
        StartAnswer,
        StartWanted,
        errors=(404, 409),
    ),
    post(
        OPERATE,
        "/api/workflows/{id}/pause",
        "Hold all runs of a workflow, and its mail and webhooks",
        answers.pause,
        answers.WorkflowSteered,
        PauseWanted,
        errors=(404,),
    ),
    post(
        OPERATE,
        "/api/workflows/{id}/resume",
        "Let a paused workflow go on; one that its effect budget paused gets another budget for today",
        answers.resume,
        answers.WorkflowSteered,
        OfWorkflow,
        errors=(404,),
    ),
    *(
        post(
            OPERATE,
            f"/api/workflows/runs/{change.value}",
            summary,
            partial(answers.change_runs, change=change),
            RunsChanged,
            RetryWanted if change is RunChange.RETRY else RunsWanted,
        )
        for change, summary in _RUNS.items()
    ),
    post(
        OPERATE,
        "/api/workflows/events",
        "Report a named event of a record; a key makes it safe to repeat",
        answers.event,
        EventReported,
        EventGiven,
        errors=(404,),
    ),
    # It carries nothing, and the next minute does the same without it.
    post(READ, "/api/workflows/wake", "Have workflow_cron look at once", answers.wake, answers.WakeSent),
]

WORKFLOWS = (*_SHOWN, *REHEARSALS, *BACKFILLS, *MOVES, *_PERSONAL, *_DEFINING, *_ACTING)
