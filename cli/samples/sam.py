"""crm-relay sam: what `sam local invoke` needs of the running stack."""

import asyncio
import json
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cli.console import EnvFile, reports_errors, use_settings
from cli.samples.invoke import LinkToken, event_file, link_finder, prepared_event
from cli.samples.outcomes import EVENTS
from crm_relay.platform.errors import FatalError, RejectedInput
from local.sam.bridge import bridge
from local.sam.environment import (
    built_architecture,
    container_environment,
    ports_of,
    write_environment,
    write_local_template,
)
from local.stack_file import ROOT, running_stack
from local.template.template import SamTemplate

app = typer.Typer(no_args_is_help=True, help="Prepare what `sam local invoke` needs of the running stack.")
_DESKTOP_HOST = "host.docker.internal"


@app.command("env")
@reports_errors
def write_env(
    bridge_address: Annotated[
        str | None,
        typer.Option("--bridge", help="Address of Docker's bridge (172.17.0.1): lets containers in, until Ctrl-C."),
    ] = None,
    host: Annotated[
        str | None, typer.Option("--host", help=f"This machine as containers see it. Default: {_DESKTOP_HOST}.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Where the variables go. Default: events/env.json.")] = None,
    build_directory: Annotated[
        Path | None, typer.Option("--build-dir", help="What `make build` made. Default: .aws-sam/build.")
    ] = None,
) -> int:
    """Write `events/env.json` and the template beside the build, and print how to invoke.

    On Linux without Docker Desktop, containers do not reach this machine's loopback: give --bridge, and leave the
    command running.
    """
    file, folder = out or EVENTS / "env.json", build_directory or ROOT / ".aws-sam" / "build"
    known, architecture = _environment_of_stack(), built_architecture(folder)
    if architecture is None:
        raise FatalError("nothing is built: run `ARCHITECTURE=x86_64 make build`, or arm64, as this machine is")
    seen_as = host or bridge_address or _DESKTOP_HOST
    template = SamTemplate.read(ROOT / "template.yaml")
    variables = container_environment(template, known, seen_as, ROOT / "shared")
    write_environment(file, variables)
    local = write_local_template(template, folder, variables, known.get("CONNECTION_KEY", ""))
    _print_how(local, file, architecture)
    if bridge_address is not None:
        asyncio.run(_keep_bridge(bridge_address, ports_of(variables, seen_as)))
    return 0


@app.command("event")
@reports_errors
def print_event(
    function: Annotated[str, typer.Argument(help="Name of a function.")],
    event: Annotated[str, typer.Argument(help="A case of `events/`, or a file.")],
    token: LinkToken = None,
    env_file: EnvFile = None,
) -> int:
    """Print a sample as it is good now: signed, dated, with tokens and queues of the stack."""
    use_settings(env_file)
    with ExitStack() as opened:
        typer.echo(json.dumps(prepared_event(event_file(function, event), link_finder(token, opened)), indent=2))
    return 0


def _environment_of_stack() -> Mapping[str, str]:
    stack = running_stack()
    if stack is None:
        raise FatalError("no stack runs: run `make up`")
    environment = stack["environment"]
    return environment if isinstance(environment, Mapping) else {}


def _print_how(template: Path, variables: Path, architecture: str) -> None:
    console = Console(file=sys.stdout, soft_wrap=True, highlight=False, markup=False)
    console.print(f"{variables}: the variables of every function; it holds keys, and is not for git")
    console.print(f"{template}: the functions as they are built, for {architecture}")
    console.print("\n.venv/bin/crm-relay sam event resend_webhook delivered |")
    console.print(
        f"  .venv-sam/bin/sam local invoke ResendWebhook --template {template} --env-vars {variables} --event -"
    )


async def _keep_bridge(address: str, ports: set[int]) -> None:
    try:
        async with bridge(address, ports):
            typer.echo(f"\nContainers reach {len(ports)} ports of this machine at {address}; stop with Ctrl-C")
            await asyncio.Event().wait()
    except OSError as error:
        raise RejectedInput(f"--bridge {address}: {error.strerror or error}") from None
