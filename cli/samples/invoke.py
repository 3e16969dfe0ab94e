"""crm-relay invoke: a handler as Lambda would run it, and whether it ended as its sample says."""

import json
import os
import traceback
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.console import FOUND, GOOD, AsJson, EnvFile, reports_errors, show, use_settings
from cli.samples.links import given_link, sample_link
from cli.samples.outcomes import EVENTS, deviation, read_outcomes, sample_case
from cli.samples.prepare import FindLink, SampleSettings, prepare_sample
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.settings import CommaSeparated, read_settings
from local.runtime.execution import load_handler
from local.runtime.lambda_context import LocalLambdaContext
from local.stack_file import ROOT, running_stack
from local.template.secrets import settings_class
from local.template.template import FunctionDefinition, SamTemplate

AsItIs = Annotated[bool, typer.Option("--as-is", help="Leave a sample unsigned and undated, as the file has it.")]
LinkToken = Annotated[
    str | None,
    typer.Option("--token", help="Token of the link that a sample opens. Default: a made-up one of the local stack."),
]


class _Settings(SampleSettings):
    unsubscribe_link_key: CommaSeparated = ()


@dataclass(frozen=True)
class InvokedSample:
    """`found`: the status of an answer that is HTTP, else how the function ended; `wrong`: None where that is right."""

    case: str
    found: object
    wrong: str | None


@reports_errors
def invoke_function(
    function: Annotated[str, typer.Argument(help="Name of a function; `all` with --samples.")],
    event: Annotated[
        str | None,
        typer.Option("--event", help="File with the event, or a case of `events/`. Default: an empty event."),
    ] = None,
    samples: Annotated[
        bool, typer.Option("--samples", help="Run every sample of the function on the local stack, and compare.")
    ] = False,
    as_it_is: AsItIs = False,
    token: LinkToken = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Run one function's handler as Lambda would and print its answer.

    Samples in `events/` are signed and dated for the settings in force. Exit status 1: the function failed, or a
    sample did not end as `events/outcomes.toml` says.
    """
    use_settings(env_file)
    functions = _functions(function, every=samples)
    if samples and not _is_of_stack():
        raise RejectedInput(
            "samples are run on the database of the stack of `make up` alone: on any other one their syncs, runs and"
            " opt-outs would be real. Name a single one with --event"
        )
    with ExitStack() as opened:
        find_link = link_finder(token, opened)
        if samples:
            return _report(_run_samples(functions, find_link, as_it_is=as_it_is), as_json)
        file = None if event is None else event_file(function, event)
        return _run_one(functions[0], file, find_link, as_it_is=as_it_is)


def event_file(function: str, event: str) -> Path:
    """A path, or the name of a case. Raises BadParameter where neither is there."""
    for file in (Path(event), EVENTS / function / f"{event.removesuffix('.json')}.json"):
        if file.is_file():
            return file
    if not (EVENTS / function).is_dir():
        known = ", ".join(sorted(each.name for each in EVENTS.iterdir() if each.is_dir()))
        raise typer.BadParameter(f"there is no function {function}; there are {known}", param_hint="function")
    cases = ", ".join(sorted(each.stem for each in (EVENTS / function).glob("*.json")))
    raise typer.BadParameter(f"there is no file {event}, and the cases of {function} are {cases}", param_hint="--event")


def read_event(file: Path) -> dict[str, Any]:
    """Raises RejectedInput, with the line, for a file that holds no event."""
    try:
        event = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise RejectedInput(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise RejectedInput(f"{file} is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise RejectedInput(f"{file} is not JSON: line {error.lineno}, column {error.colno}: {error.msg}") from None
    if not isinstance(event, dict):
        raise RejectedInput(f"{file}: an event is a JSON object")
    return event


def prepared_event(file: Path, find_link: FindLink) -> dict[str, Any]:
    """A sample as it is good now; any other file as it is."""
    event = read_event(file)
    if sample_case(file) is None:
        return event
    return prepare_sample(event, read_settings(SampleSettings), utc_now(), find_link)


def link_finder(token: str | None, opened: ExitStack) -> FindLink:
    """Makes up what a link leads to in the database of the local stack alone: elsewhere it would be somebody's."""
    stack = running_stack()
    if token is not None or stack is None or not _is_of_stack():
        return given_link(token)
    database = Database(str(stack["database_url"]))
    opened.callback(database.close)
    return sample_link(database, read_settings(_Settings).unsubscribe_link_key, utc_now())


def _is_of_stack() -> bool:
    """Whether the settings in force are those of a database that the local stack has made."""
    stack = running_stack() or {}
    environment = stack.get("environment")
    known = environment if isinstance(environment, Mapping) else {}
    return bool(stack.get("owns_database")) and known.get("DATABASE_URL") == os.environ.get("DATABASE_URL")


def _functions(name: str, *, every: bool) -> list[FunctionDefinition]:
    known = SamTemplate.read(ROOT / "template.yaml").functions
    if every and name == "all":
        return list(known.values())
    if name not in known:
        raise typer.BadParameter(f"there are {', '.join(known)}", param_hint="function")
    return [known[name]]


def _run_one(definition: FunctionDefinition, file: Path | None, find_link: FindLink, *, as_it_is: bool) -> int:
    read_settings(settings_class(definition.name))
    event = {} if file is None else read_event(file) if as_it_is else prepared_event(file, find_link)
    answer, failed = _invoke(definition, event)
    typer.echo(json.dumps(answer, indent=2, ensure_ascii=False))
    case = None if file is None else sample_case(file)
    wrong = "the function failed" if failed else deviation(answer, None if case is None else read_outcomes().get(case))
    if wrong is not None:
        typer.echo(f"crm-relay: {case or definition.name}: {wrong}", err=True)
    return GOOD if wrong is None else FOUND


def _run_samples(definitions: list[FunctionDefinition], find_link: FindLink, *, as_it_is: bool) -> list[InvokedSample]:
    outcomes, found = read_outcomes(), []
    for definition in definitions:
        read_settings(settings_class(definition.name))
        for file in sorted((EVENTS / definition.name).glob("*.json")):
            case = f"{definition.name}/{file.stem}"
            event = read_event(file) if as_it_is else prepared_event(file, find_link)
            answer, failed = _invoke(definition, event)
            wrong = answer["errorType"] if failed else deviation(answer, outcomes.get(case))
            status = answer.get("statusCode", "done") if isinstance(answer, dict) else "done"
            found.append(InvokedSample(case, "failed" if failed else status, wrong))
    return found


def _report(found: list[InvokedSample], as_json: bool) -> int:
    wrong = [each for each in found if each.wrong is not None]
    rows = [{"case": each.case, "answer": each.found, "wrong": each.wrong or ""} for each in found]
    show(rows, as_json, f"{len(found) - len(wrong)} of {len(found)} samples ended as their case says")
    return FOUND if wrong else GOOD


def _invoke(definition: FunctionDefinition, event: Mapping[str, Any]) -> tuple[Any, bool]:
    """The answer; or what Lambda answers where a handler raises, and True."""
    try:
        return load_handler(definition.handler)(dict(event), LocalLambdaContext.of(definition)), False
    except Exception as error:  # noqa: BLE001 - Lambda answers any of them like this
        stack = traceback.format_tb(error.__traceback__)
        return {"errorMessage": str(error), "errorType": type(error).__name__, "stackTrace": stack}, True
