"""Where each command is, and what it does in one line: the list of all of them imports none."""

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import typer
from typer.core import TyperCommand

from cli.output.errors import CrmRelayCommands


@dataclass(frozen=True)
class CommandPlace:
    """`name` in `module`: a function, or the `app` of a group. `summary` is the first line of its help."""

    command: str
    module: str
    name: str
    summary: str


_PLACES = (
    CommandPlace(
        "init",
        "cli.init.commands",
        "init",
        "Set up an installation: ask what to connect, write `.env`, name the organization and its sender.",
    ),
    CommandPlace("up", "cli.stack.commands", "up", "Run the local stack without sample data until Ctrl-C."),
    CommandPlace(
        "demo",
        "cli.stack.commands",
        "demo",
        "Run the main job end to end with sample data, which is kept nowhere.",
    ),
    CommandPlace(
        "reset",
        "cli.stack.commands",
        "reset",
        "Remove the data of the local stack for good: its database, its secrets and the key of its connections.",
    ),
    CommandPlace(
        "stop-sending",
        "cli.campaign.sending",
        "stop_sending",
        "Stop at once what campaigns send; everything keeps its place.",
    ),
    CommandPlace(
        "resume-sending",
        "cli.campaign.sending",
        "resume_sending",
        "Let campaigns send again, as after a pause of all of them.",
    ),
    CommandPlace(
        "import",
        "cli.imports.import_people",
        "import_people",
        "Import customers, contacts or prospects from a CSV file or an Excel workbook.",
    ),
    CommandPlace(
        "invoke",
        "cli.samples.invoke",
        "invoke_function",
        "Run one function's handler as Lambda would and print its answer.",
    ),
    CommandPlace(
        "cost",
        "cli.cost.command",
        "show_cost",
        "Show what a deployment costs on AWS: at rest by part, for 1,000 of each unit, and in a month.",
    ),
    CommandPlace(
        "uninstall",
        "cli.uninstall.command",
        "uninstall_installation",
        "Take the installation out of the database, after `sam delete`.",
    ),
    CommandPlace("migrate", "cli.database", "migrate", "Apply the migrations that are missing."),
    CommandPlace(
        "arm",
        "cli.database",
        "arm_installation",
        "Let this installation act: say that its database is in the right place.",
    ),
    CommandPlace("why", "cli.why", "why", "Show what is known about a person, and why they are in Mautic as they are."),
    CommandPlace("erase", "cli.erase", "erase_person", "Erase a person everywhere."),
    CommandPlace(
        "doctor",
        "cli.doctor.command",
        "doctor",
        "Check settings, database, queues, Mautic, and every workspace of EmailBison.",
    ),
    CommandPlace("mautic", "cli.mautic.commands", "app", "Synchronise customers and segments to Mautic."),
    CommandPlace("bison", "cli.bison", "app", "Manage EmailBison's webhooks, sender accounts and counters."),
    CommandPlace("cache", "cli.cache", "app", "Replicate between PostgreSQL and the DynamoDB cache at the edge."),
    CommandPlace("integrity", "cli.integrity", "app", "Check stored data, fix it, and revert fixes."),
    CommandPlace("incident", "cli.incident", "app", "List and close incidents."),
    CommandPlace("campaign", "cli.campaign.commands", "app", "Create, run and inspect campaigns."),
    CommandPlace(
        "notification",
        "cli.notification.commands",
        "app",
        "List, explain, test and preview notifications to colleagues.",
    ),
    CommandPlace("workflow", "cli.workflow.commands", "app", "Publish, start, steer and explain workflows."),
    CommandPlace("approval", "cli.workflow.approvals", "app", "List what waits for approval, and decide it."),
    CommandPlace(
        "connection",
        "cli.connection.hook",
        "app",
        "Connect, look at, sync and steer the accounts of workspaces.",
    ),
    CommandPlace("pitch", "cli.connection.pitches", "app", "Look at pitches, send, cancel and settle them."),
    CommandPlace("deferred", "cli.deferred", "app", "Replay deliveries that could not be applied."),
    CommandPlace("consent", "cli.consent", "app", "Read and write the ledger of opt-outs and consents."),
    CommandPlace("secret", "cli.aws.secret", "app", "Write the secrets that functions read."),
    CommandPlace("dead-letter", "cli.aws.dead_letter", "app", "Look after rounds of schedules that were given up."),
    CommandPlace("token", "cli.token", "app", "Manage named tokens of the admin API and its page."),
    CommandPlace("sam", "cli.samples.sam", "app", "Prepare what `sam local invoke` needs of the running stack."),
    CommandPlace("topic", "cli.campaign.topic", "app", "Name the topics of the e-mail provider as campaigns do."),
    CommandPlace("webhook", "cli.samples.webhook", "app", "Send sample deliveries to an installation."),
)
COMMANDS: Mapping[str, CommandPlace] = {place.command: place for place in _PLACES}


class CommandsOnUse(CrmRelayCommands):
    """Imports a command when it is asked for; its line in the help comes from the table."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.commands = _Imported(COMMANDS, self.rich_markup_mode)  # type: ignore[assignment]  # read as a mapping
        self._is_listing = False

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Without a look at the commands themselves."""
        self._is_listing = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._is_listing = False

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - as the library calls it
        """Their names."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """None where there is none."""
        if self._is_listing:
            return TyperCommand(cmd_name, help=COMMANDS[cmd_name].summary)
        return super().get_command(ctx, cmd_name)


class _Imported(Mapping[str, Any]):
    def __init__(self, places: Mapping[str, CommandPlace], markup: Any) -> None:
        self._places, self._markup = places, markup

    def __getitem__(self, name: str) -> Any:
        place = self._places[name]
        given = getattr(importlib.import_module(place.module), place.name)
        # As a part of one application, so that all take over the same settings.
        parent = typer.Typer(add_completion=False, rich_markup_mode=self._markup, pretty_exceptions_show_locals=False)
        parent.callback()(_nothing)
        if isinstance(given, typer.Typer):
            parent.add_typer(given, name=name)
        else:
            parent.command(name)(given)
        return typer.main.get_group(parent).commands[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def _nothing() -> None:
    """Every application has a callback."""
