"""crm-relay campaign: made from a file, filled with people, begun, held, and looked at beforehand."""

import shlex
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from cli.campaign.called import campaign_called
from cli.campaign.changes import app as changes
from cli.campaign.files import read_definition, read_people
from cli.campaign.mail import app as mail
from cli.campaign.overview import app as overview
from cli.campaign.settings import CampaignSettings, say, say_mode
from cli.campaign.unknown import app as unknown
from cli.console import FOUND, GOOD, AsJson, EnvFile, open_database, reports_errors, show
from cli.output.tables import short_id
from crm_relay.campaigns.lifecycle import change_campaign
from crm_relay.campaigns.lifecycle.store import addresses_of, contacts_called
from crm_relay.campaigns.models import Capabilities
from crm_relay.campaigns.preview.look_ahead import Forecast, look_ahead
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.settings import read_settings

app = typer.Typer(no_args_is_help=True, help="Create, run and inspect campaigns.")
app.add_typer(mail)
app.add_typer(overview)
app.add_typer(changes)
app.add_typer(unknown, name="unknown")

CALLED = typer.Argument(metavar="CAMPAIGN", help="Id, its first characters, or name of the campaign.")
Called = Annotated[str, CALLED]
Enrollment = Annotated[
    UUID | None,
    typer.Option("--enrollment", help="Id of one enrollment, instead of a campaign."),
]
Verb = Callable[[Database, UUID, datetime], Any]
_LINES = 20
"""So much of a calendar is shown to a person; --json has it whole."""


@app.command("create")
@reports_errors
def create(
    file: Annotated[Path, typer.Argument(help="JSON or YAML file, described in docs/campaigns.md.")],
    organization: Annotated[
        UUID | None, typer.Option("--organization", help="Id of the organization. Default: the installation's.")
    ] = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Create a draft from a campaign file.

    Exit status 2: the file has problems, all of which are listed, and nothing was created.
    """
    definition = read_definition(file)
    with open_database(env_file) as database:
        made = change_campaign.create(database, definition, utc_now(), org_id=organization)
    show(asdict(made), as_json, "Draft")
    return GOOD


@app.command("enroll")
@reports_errors
def enroll(
    campaign: Called,
    contact: Annotated[list[UUID] | None, typer.Option("--contact", help="Id of a contact. Repeatable.")] = None,
    address: Annotated[list[str] | None, typer.Option("--address", help="Address of a contact. Repeatable.")] = None,
    account: Annotated[UUID | None, typer.Option("--account", help="All contacts of an account.")] = None,
    file: Annotated[
        Path | None, typer.Option("--csv", help="CSV file whose first line names contact_id or email.")
    ] = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Enroll people in a campaign.

    People who may not be written to are counted by reason. Exit status 1: somebody is unknown or belongs to another
    organization.
    """
    if not (contact or address or account or file):
        raise typer.BadParameter("--contact, --address, --account or --csv: one is needed")
    listed = read_people(file) if file is not None else ([], [])
    with open_database(env_file) as database:
        done = change_campaign.enroll(
            database,
            campaign_called(database, campaign),
            utc_now(),
            contacts=[*(contact or ()), *listed[0]],
            addresses=[*(address or ()), *listed[1]],
            account=account,
        )
    counted = asdict(done)
    named = counted["unknown_people"] if as_json else counted.pop("unknown_people")
    show(counted, as_json, "Enrolled")
    if named and not as_json:
        say(_how_to_import(done, file))
    return FOUND if done.unknown or done.other_organization else GOOD


@app.command("activate")
@reports_errors
def activate(campaign: Called, env_file: EnvFile = None, as_json: AsJson = False) -> int:
    """Activate a campaign and schedule everybody's first step.

    Safe to repeat. Exit status 2: something is missing, all of which is listed.
    """
    with open_database(env_file, patience=600.0) as database:
        settings = read_settings(CampaignSettings)
        found = campaign_called(database, campaign)
        changed = change_campaign.activate(
            database, found, utc_now(), email_from=settings.email_from, send_mode=settings.send_mode
        )
    _show_changed(asdict(changed), as_json, "Activated")
    return GOOD


@app.command("pause")
@reports_errors
def pause(
    campaign: Annotated[str | None, CALLED] = None,
    enrollment: Enrollment = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Pause a campaign, or one enrollment.

    Everybody keeps their place.
    """
    changed = _change(
        campaign, enrollment, env_file, whole=change_campaign.pause, person=change_campaign.pause_enrollment
    )
    show(changed, as_json, "Paused")
    return GOOD


@app.command("resume")
@reports_errors
def resume(
    campaign: Annotated[str | None, CALLED] = None,
    enrollment: Enrollment = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Resume a campaign, or one enrollment.

    The campaign's late policy decides about steps that became due during the pause.
    """
    changed = _change(campaign, enrollment, env_file, whole=_resume_campaign, person=change_campaign.resume_enrollment)
    _show_changed(changed, as_json, "Resumed")
    return GOOD


@app.command("simulate")
@reports_errors
def simulate(
    campaign: Called,
    days: Annotated[int, typer.Option("--days", min=1, max=366, help="Days to look ahead.")] = 30,
    recipient: Annotated[str | None, typer.Option("--recipient", help="Id or address of one contact.")] = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Show every recipient's calendar and every day's load, without any effect.

    The forecast assumes that nobody opens or replies.
    """
    with open_database(env_file) as database:
        found = campaign_called(database, campaign)
        settings = read_settings(CampaignSettings)
        can, send_mode = Capabilities(sms=settings.twilio_from is not None), settings.send_mode
        wanted = None if recipient is None else _recipients(database, found, recipient)
        forecast = look_ahead(database, found, utc_now(), days=days, can=can, send_mode=send_mode, recipients=wanted)
        addresses = {} if as_json else addresses_of(database, [each.contact_id for each in forecast.calendar[:_LINES]])
    if as_json:
        show(asdict(forecast), as_json, "")
    else:
        _show_forecast(forecast, addresses)
    return GOOD


def _how_to_import(done: change_campaign.EnrollReport, file: Path | None) -> str:
    named = ", ".join(done.unknown_people)
    more = f" and {done.unknown - len(done.unknown_people):,} more" if done.unknown > len(done.unknown_people) else ""
    command = f"crm-relay import contacts {'FILE.csv' if file is None else shlex.quote(str(file))}"
    return f"Unknown: {named}{more}. To bring them in: {command}, then enroll again."


def _resume_campaign(database: Database, campaign_id: UUID, now: datetime) -> Any:
    send_mode = read_settings(CampaignSettings).send_mode
    return change_campaign.resume(database, campaign_id, now, send_mode=send_mode)


def _show_changed(changed: dict[str, Any], as_json: bool, title: str) -> None:
    if as_json:
        show(changed, as_json, title)
        return
    mode = changed.pop("mail_mode", None)
    show(changed, as_json, title)
    if mode is not None:
        say_mode(mode["says"])


def _change(
    campaign: str | None, enrollment: UUID | None, env_file: Path | None, *, whole: Verb, person: Verb
) -> dict[str, Any]:
    """The whole campaign, or one person's place in it; exactly one of them is named."""
    if (campaign is None) == (enrollment is None):
        raise typer.BadParameter("a campaign or --enrollment: one of them")
    with open_database(env_file, patience=600.0) as database:
        if enrollment is not None:
            return asdict(person(database, enrollment, utc_now()))
        return asdict(whole(database, campaign_called(database, str(campaign)), utc_now()))


def _recipients(database: Database, campaign_id: UUID, called: str) -> list[UUID]:
    try:
        return [UUID(called)]
    except ValueError:
        found = contacts_called(database, campaign_id, called)
    if not found:
        raise RejectedInput("nobody of this campaign has that address")
    return found


def _show_forecast(forecast: Forecast, addresses: Mapping[UUID, str]) -> None:
    about = {
        "campaign": forecast.name,
        "status": forecast.status,
        "until": forecast.until,
        "recipients": forecast.recipients,
        "warnings": forecast.warnings,
        "steps": forecast.actions,
        "held": forecast.held,
        "people then": forecast.ends,
    }
    show(about, False, "Simulation")
    say_mode(forecast.mail_mode.says, also=" The calendar shows what live brings.")
    show([asdict(each) for each in forecast.days], False, f"Load ({forecast.zone})")
    columns = ("step", "channel", "action", "reason", "variant")
    lines = [
        {"at": entry.at, "recipient": addresses.get(entry.contact_id) or short_id(entry.contact_id)}
        | {name: getattr(entry, name) for name in columns}
        for entry in forecast.calendar[:_LINES]
    ]
    show(lines, False, "Calendar")
    if len(forecast.calendar) > _LINES:
        say(f"… and {len(forecast.calendar) - _LINES} more: --recipient narrows, --json shows all")
