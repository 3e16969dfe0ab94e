"""crm-relay dead-letter: rounds of schedules that were given up."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from cli.console import FOUND, GOOD, AsJson, EnvFile, reports_errors, show, use_settings
from crm_relay.operations.dead_letters import GivenUpRound, GivenUpRounds
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.settings import SettingsModel, read_settings

app = typer.Typer(no_args_is_help=True, help="Look after rounds of schedules that were given up.")

Queue = Annotated[
    str | None, typer.Option("--queue", help="URL of the queue. Default: SCHEDULE_DEAD_LETTER_QUEUE_URL.")
]
OfSchedule = Annotated[
    str | None, typer.Option("--schedule", help="Only rounds of this one, such as integrity_check.EveryNight.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


class QueueSettings(SettingsModel):
    """The stack's output ScheduleDeadLetterQueueUrl."""

    schedule_dead_letter_queue_url: str | None = None


@app.command("list")
@reports_errors
def list_rounds(
    queue: Queue = None, schedule: OfSchedule = None, env_file: EnvFile = None, as_json: AsJson = False
) -> int:
    """List rounds that could not be started or failed twice, and why.

    Exit status 1: there are some.
    """
    with GivenUpRounds(_queue(queue, env_file)) as letters:
        rounds = letters.rounds(schedule)
    _show(rounds, as_json=as_json)
    return FOUND if rounds else GOOD


@app.command("replay")
@reports_errors
def replay(
    queue: Queue = None,
    schedule: OfSchedule = None,
    yes: Yes = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Start each round once more, however often it was given up, and take its messages away.

    Exit status 1: some messages stay.
    """
    with GivenUpRounds(_queue(queue, env_file)) as letters:
        if not _may(letters.rounds(schedule), "Start these rounds now?", yes=yes or as_json, as_json=as_json):
            return GOOD
        done = letters.replay(schedule)
    show(asdict(done), as_json, "Started")
    return FOUND if done.left else GOOD


@app.command("discard")
@reports_errors
def discard(
    queue: Queue = None,
    schedule: OfSchedule = None,
    yes: Yes = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Take messages away, after their reason was found. No work is lost: the next round does it."""
    with GivenUpRounds(_queue(queue, env_file)) as letters:
        if not _may(letters.rounds(schedule), "Take these away?", yes=yes or as_json, as_json=as_json):
            return GOOD
        done = letters.discard(schedule)
    show(asdict(done), as_json, "Taken away")
    return GOOD


def _queue(given: str | None, env_file: EnvFile) -> str:
    use_settings(env_file)
    found = given or read_settings(QueueSettings).schedule_dead_letter_queue_url
    if found is None:
        raise RejectedInput("--queue or SCHEDULE_DEAD_LETTER_QUEUE_URL is needed")
    return found


def _may(rounds: Sequence[GivenUpRound], question: str, *, yes: bool, as_json: bool) -> bool:
    if not as_json:
        _show(rounds, as_json=False)
    return bool(rounds) and (yes or typer.confirm(question, err=True))


def _show(rounds: Sequence[GivenUpRound], *, as_json: bool) -> None:
    rows = [
        {
            "at": None if each.at is None else each.at.isoformat(),
            "schedule": each.schedule,
            "function": each.function.rpartition(":")[2],
            "outcome": each.outcome,
            "reason": each.reason,
        }
        for each in rounds
    ]
    show(rows, as_json, "Rounds that were given up")
