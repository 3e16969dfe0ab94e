"""crm-relay notification templates: which there are, what one looks like, and keeping one of an organization."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from cli.console import FOUND, GOOD, AsJson, EnvFile, reports_errors, show
from cli.notification.connection import open_notifications
from crm_relay.notifications.library.list_templates import list_templates
from crm_relay.notifications.library.preview_template import preview_template
from crm_relay.notifications.library.save_template import save_template
from crm_relay.notifications.models import ReaderLocale
from crm_relay.platform.clock import utc_now
from crm_relay.platform.errors import RejectedInput

app = typer.Typer(no_args_is_help=True)

Organization = Annotated[
    UUID | None, typer.Option("--organization", help="Id of an organization. Default: the system's templates alone.")
]

Values = Annotated[str | None, typer.Option("--values", help="JSON object of variables; others are made up.")]


@app.command("templates")
@reports_errors
def list_all(organization: Organization = None, env_file: EnvFile = None, as_json: AsJson = False) -> int:
    """List templates with their variables. Exit status 1: one of them could not be sent."""
    with open_notifications(env_file) as opened:
        found = list_templates(opened.database, organization, opened.links)
    hidden = () if as_json else ("variables", "org_id", "is_critical", "without_text")
    rows = [{name: value for name, value in asdict(each).items() if name not in hidden} for each in found]
    show(rows, as_json, "Templates")
    return FOUND if any(each.problems for each in found) else GOOD


@app.command("template")
@reports_errors
def preview(
    slug: Annotated[str, typer.Argument(metavar="SLUG", help="Slug of the template.")],
    organization: Organization = None,
    values: Annotated[
        str | None, typer.Option("--values", help="JSON object of variables; others are made up.")
    ] = None,
    locale: Annotated[str, typer.Option("--locale", help="Locale of the reader.")] = "en-US",
    zone: Annotated[str, typer.Option("--zone", help="IANA time zone of the reader.")] = "UTC",
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Show what a template looks like with values in it."""
    given = values_of(values)
    with open_notifications(env_file) as opened:
        shown = preview_template(
            opened.database, slug, organization, given, ReaderLocale(zone, locale), utc_now(), links=opened.links
        )
    show({name: value for name, value in asdict(shown).items() if as_json or value is not None}, as_json, "Template")
    return GOOD


@app.command("save-template")
@reports_errors
def save(
    file: Annotated[Path, typer.Argument(help="JSON file of columns, described in docs/notifications.md.")],
    organization: Annotated[UUID, typer.Option("--organization", help="Id of the organization.")],
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Keep a template of an organization, which speaks instead of the system's with the same slug.

    Exit status 2: the file has problems, all of which are listed, and nothing was changed.
    """
    if not file.is_file():
        raise typer.BadParameter(f"{file} is not there", param_hint="FILE")
    columns = values_of(file.read_text(encoding="utf-8"))
    with open_notifications(env_file) as opened:
        saved = save_template(opened.database, organization, columns, opened.links)
    show(asdict(saved), as_json, "Template")
    return GOOD


def values_of(text: str | None) -> dict[str, Any]:
    """Of a JSON object; none: empty. RejectedInput for anything else."""
    try:
        found = {} if text is None else json.loads(text)
    except ValueError:
        raise RejectedInput("not JSON") from None
    if not isinstance(found, dict):
        raise RejectedInput("not a JSON object")
    return found
