"""The doctor's look at campaigns: whether each can be read, each step written, and whether sending is stopped."""

import os
from collections.abc import Iterator
from pathlib import Path

from cli.campaign.settings import CampaignSettings
from cli.doctor.checks import Check
from crm_relay.campaigns.watch.faults import problems_of_campaign
from crm_relay.campaigns.watch.store import campaign_documents
from crm_relay.integrity.look import stranded_lines
from crm_relay.mail.modes.mail_mode import mail_mode
from crm_relay.mail.stops.stop_sending import sending_stops
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Queryable
from crm_relay.platform.settings import read_settings
from crm_relay.platform.sql import parse_queries

_SQL = parse_queries((Path(__file__).with_name("doctor.sql")).read_text(encoding="utf-8"))


def examine_campaigns(database: Queryable) -> Iterator[Check]:
    """A line for each campaign with a problem, which names its fields; one line where there is none."""
    rows = campaign_documents(database)
    found = [(row, problems) for row in rows if (problems := problems_of_campaign(row["document"]))]
    if not found:
        yield Check("campaigns", "good", f"{len(rows)} can be read")
    for row, problems in found:
        yield Check(f"campaign {row['name']}", "wrong", f"{row['id']}: {'; '.join(problems)}")


def examine_organizations(database: Queryable) -> Iterator[Check]:
    """Whether each can be the sender of an e-mail, which the law and the activation of a campaign ask of it."""
    own_sender = bool(os.environ.get("EMAIL_FROM"))
    for row in database.run(_SQL["organizations"]):
        lacks = [] if row["has_address"] else ["no postal address"]
        lacks += [] if row["has_sender"] or own_sender else ["no sender"]
        found = f"{' and '.join(lacks)}: crm-relay init" if lacks else "has a postal address and a sender"
        yield Check(f"organization {row['name']}", "worth a look" if lacks else "good", found)


def examine_sending(database: Queryable) -> Iterator[Check]:
    """In which mode it is, and whether an operator stopped it: both are easily forgotten."""
    mode = mail_mode(database, read_settings(CampaignSettings).send_mode)
    yield Check("mail mode", "good" if mode.mode == "live" else "worth a look", mode.says)
    stops = sending_stops(database)
    if not stops:
        yield Check("sending", "good", "not stopped")
    for stop in stops:
        whose = "everything" if stop.organization_id is None else f"organization {stop.organization_id}"
        since = stop.stopped_at.strftime("%Y-%m-%d %H:%M")
        reason = "" if stop.reason is None else f": {stop.reason}"
        found = f"{whose} stopped by {stop.stopped_by} since {since}{reason}; crm-relay resume-sending"
        yield Check("sending", "worth a look", found)


def examine_lines(database: Queryable) -> Iterator[Check]:
    """Whether steps wait for messages whose fate is known: nobody would ever record it."""
    rows = stranded_lines(database, utc_now())
    if not rows:
        yield Check("steps that wait", "good", "their messages are on their way")
        return
    found = f"{rows[0]['total']} for messages that are not on their way: crm-relay integrity check --fix"
    yield Check("steps that wait", "wrong", found)
