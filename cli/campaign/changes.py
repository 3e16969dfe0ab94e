"""crm-relay campaign edit, cancel and archive: what changes a campaign for good."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from cli.campaign.called import campaign_called
from cli.campaign.files import read_definition
from cli.console import GOOD, AsJson, EnvFile, open_database, reports_errors, show
from crm_relay.campaigns.lifecycle import edit_campaign, end_campaign
from crm_relay.platform.clock import utc_now

app = typer.Typer()

CALLED = typer.Argument(metavar="CAMPAIGN", help="Id, its first characters, or name of the campaign.")


@app.command("edit")
@reports_errors
def edit(
    campaign: Annotated[str, CALLED],
    file: Annotated[
        Path | None,
        typer.Argument(help="JSON or YAML file with the fields that change. Default: print the definition."),
    ] = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Change a campaign, also one that runs, or print its definition.

    Each field in the file replaces the whole field. Steps are known by their place in the list. Exit status 2: the file
    has problems, all of which are listed, and nothing was changed.
    """
    changes = None if file is None else read_definition(file)
    with open_database(env_file) as database:
        found = campaign_called(database, campaign)
        if changes is None:
            typer.echo(json.dumps(edit_campaign.present_definition(database, found), indent=2, ensure_ascii=False))
            return GOOD
        changed = edit_campaign.edit(database, found, changes, utc_now())
    show(asdict(changed), as_json, "Edited")
    return GOOD


@app.command("cancel")
@reports_errors
def cancel(
    campaign: Annotated[str | None, CALLED] = None,
    enrollment: Annotated[
        UUID | None, typer.Option("--enrollment", help="Id of one enrollment, instead of a campaign.")
    ] = None,
    waiting_only: Annotated[
        bool, typer.Option("--waiting-only", help="Only take back mail and texts that wait: sequences go on.")
    ] = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Cancel a campaign, or one enrollment, for good, and take back mail and texts that wait.

    What is being sent at this moment may still arrive. Safe to repeat. With --waiting-only no sequence ends: the steps
    that wait are skipped, and the next ones are due after their delays.
    """
    if (campaign is None) == (enrollment is None):
        raise typer.BadParameter("a campaign or --enrollment: one of them")
    if waiting_only and enrollment is not None:
        raise typer.BadParameter("--waiting-only is for a whole campaign")
    with open_database(env_file, patience=600.0) as database:
        if enrollment is not None:
            ended = end_campaign.cancel_enrollment(database, enrollment, utc_now())
        elif waiting_only:
            ended = end_campaign.cancel_waiting(database, campaign_called(database, str(campaign)), utc_now())
        else:
            ended = end_campaign.cancel(database, campaign_called(database, str(campaign)), utc_now())
    show(asdict(ended), as_json, "Cancelled")
    return GOOD


@app.command("archive")
@reports_errors
def archive(campaign: Annotated[str, CALLED], env_file: EnvFile = None, as_json: AsJson = False) -> int:
    """Archive a campaign in which nobody is on their way.

    Lists leave it out; its log and its counts stay.
    """
    with open_database(env_file) as database:
        ended = end_campaign.archive(database, campaign_called(database, campaign), utc_now())
    show(asdict(ended), as_json, "Archived")
    return GOOD
