"""crm-relay campaign run, list and show: what is due is done, and how campaigns are going."""

from dataclasses import asdict
from typing import Annotated, Literal

import typer

from cli.campaign.called import campaign_called
from cli.campaign.changes import CALLED
from cli.campaign.settings import CampaignSettings, say_mode
from cli.console import FOUND, GOOD, AsJson, EnvFile, open_database, reports_errors, show, use_settings
from cli.output.tables import short_id
from crm_relay.campaigns.lifecycle import funnels
from crm_relay.mail.modes.mail_mode import SENTENCES
from crm_relay.platform.clock import utc_now
from crm_relay.platform.settings import read_settings

app = typer.Typer()
Status = Literal["draft", "active", "paused", "cancelled", "archived"]


@app.command("run")
@reports_errors
def run(env_file: EnvFile = None, as_json: AsJson = False) -> int:
    """Run every due step now, as campaign_cron does every minute.

    Exit status 1: there was an error, or something is left to do.
    """
    from campaign_cron.wiring import run as run_once
    from local.runtime.lambda_context import LocalLambdaContext
    from local.stack_file import ROOT
    from local.template.template import SamTemplate

    use_settings(env_file)
    definition = SamTemplate.read(ROOT / "template.yaml").functions["campaign_cron"]
    answer = run_once({}, LocalLambdaContext.of(definition))
    show(answer, as_json, "Campaigns")
    if not as_json:
        kept = f" {answer['kept']} people are due." if answer["kept"] else ""
        say_mode(SENTENCES[answer["mail_mode"]], also=kept)
    return GOOD if answer["finished"] and not answer["errors"] else FOUND


@app.command("list")
@reports_errors
def list_all(
    status: Annotated[Status | None, typer.Option("--status", help="Only campaigns of this status.")] = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """List the campaigns that run here, active ones first.

    Archived ones are left out unless --status archived asks for them.
    """
    with open_database(env_file) as database:
        send_mode = read_settings(CampaignSettings).send_mode
        found = funnels.list_campaigns(database, status=status, limit=500, send_mode=send_mode)
    rows = [asdict(each) if as_json else {**asdict(each), "id": short_id(each.id)} for each in found]
    totals = ("total_active", "total_sent", "total_completed")
    shown = ("id", "name", "status", "mail_mode", "steps", *totals, "activated_at")
    show(rows if as_json else [{name: row[name] for name in shown} for row in rows], as_json, "Campaigns")
    return GOOD


@app.command("show")
@reports_errors
def show_one(campaign: Annotated[str, CALLED], env_file: EnvFile = None, as_json: AsJson = False) -> int:
    """Show a campaign with its funnel, what waits and why, its people and its history.

    Exit status 1: the log of a step does not add up.
    """
    with open_database(env_file) as database:
        send_mode = read_settings(CampaignSettings).send_mode
        campaign_id = campaign_called(database, campaign)
        found = funnels.show_campaign(database, campaign_id, utc_now(), send_mode=send_mode)
    if as_json:
        show(asdict(found), as_json, "")
    else:
        show({**asdict(found.campaign), "people": found.people}, as_json, "Campaign")
        hidden = {"is_active", "ab_winner", "subject"} | (
            {"holds"} if all(each.holds for each in found.steps) else set()
        )
        steps = [{name: value for name, value in asdict(each).items() if name not in hidden} for each in found.steps]
        show(steps, as_json, "Steps")
        show([asdict(each) for each in found.waiting], as_json, "Waiting")
        if found.stop is not None:
            show(asdict(found.stop), as_json, "Stopped: see crm-relay resume-sending")
        show([asdict(each) for each in found.history], as_json, "History")
        say_mode(found.mail_mode.says)
    return GOOD if all(each.holds for each in found.steps) else FOUND
