"""crm-relay init."""

import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cli.console import FOUND, GOOD, AsJson, reports_errors, show
from cli.init.credentials import check_credentials
from cli.init.organization import OrganizationMade, database_of, set_up_organization
from cli.init.questions import ORGANIZATION_ANSWERS, Ask, Question, collect, from_file
from crm_relay.platform.clock import utc_now
from crm_relay.platform.errors import RejectedInput
from local.settings_file import read_env_file, write_env_file
from local.stack_file import running_stack

_INTRODUCTION = """\
Enter keeps what is in [brackets]. What you leave empty, the local stack simulates.
"""

Answers = Annotated[
    Path | None,
    typer.Option("--answers", help="File of NAME=value lines with the answers, instead of being asked."),
]


@reports_errors
def init(
    answers_file: Answers = None,
    env_file: Annotated[Path, typer.Option("--env-file", help="File of settings that is written.")] = Path(".env"),
    as_json: AsJson = False,
) -> int:
    """Set up an installation: ask what to connect, write `.env`, name the organization and its sender.

    Every credential is tried. Safe to repeat: what was answered before is offered again. Exit status 1: something does
    not work yet; the answers are written.
    """
    known = read_env_file(env_file) if env_file.exists() else {}
    if answers_file is None and (as_json or not sys.stdin.isatty()):
        raise RejectedInput("nobody is there to ask: name a file with --answers")
    answers = collect(known, from_file(read_env_file(answers_file)) if answers_file is not None else asking())
    settings = {name: value for name, value in answers.items() if name not in ORGANIZATION_ANSWERS}
    write_env_file(env_file, settings)
    checks = [asdict(each) for each in check_credentials({**known, **answers})]
    typer.echo("Describing the organization in the database …", err=True)
    with database_of({**known, **answers}) as database:
        made = set_up_organization(database, answers, utc_now())
    steps = next_steps(env_file, {**known, **answers}, is_running=running_stack() is not None)
    _show(made, checks, env_file, steps, as_json)
    return FOUND if made.lacks or any(each["verdict"] == "wrong" for each in checks) else GOOD


def asking() -> Ask:
    """Asks on the terminal; a secret that is known already is not shown."""
    typer.echo(_INTRODUCTION)

    def ask(question: Question, known: str) -> str:
        while True:
            kept = "[kept] " if known and question.is_secret else f"[{known or question.default}] "
            shown = f"{question.text}: {kept if known or question.default else ''}"
            answer = typer.prompt(
                shown, default="", show_default=False, prompt_suffix="", hide_input=question.is_secret
            ).strip()
            answer = answer or known or question.default
            problem = question.problem(answer) if answer else None
            if problem is None:
                return answer
            typer.echo(f"  {problem}")

    return ask


def next_steps(env_file: Path, answers: Mapping[str, str], *, is_running: bool) -> list[str]:
    """The commands that follow, in their order."""
    if answers.get("DATABASE_URL"):
        return [f"crm-relay migrate --env-file {env_file}", f"crm-relay doctor --env-file {env_file}"]
    start = "stop `make up` with Ctrl-C and start it again, so that it reads the settings" if is_running else "make up"
    return [start, "docs/first-campaign.md: people of yours in a campaign"]


def _show(
    made: OrganizationMade, checks: list[dict[str, str]], env_file: Path, steps: list[str], as_json: bool
) -> None:
    if as_json:
        show({**asdict(made), "checks": checks, "settings": str(env_file), "next": steps}, as_json, "")
        return
    if checks:
        show(checks, as_json, "Services")
    show({**asdict(made), "settings": str(env_file)}, as_json, "Installation")
    typer.echo("Next")
    for step in steps:
        typer.echo(f"  {step}")
