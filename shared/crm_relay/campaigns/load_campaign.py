"""A campaign as the engine, the simulation and its owner's commands read it from its document."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from crm_relay.campaigns.models import Campaign, LatePolicy, Step, StepChannel, StepDelay
from crm_relay.campaigns.variants import read_variants
from crm_relay.mail.models import Identity
from crm_relay.platform.errors import OF_ONE_ROW, RejectedInput, describe_error
from crm_relay.rules.conditions import read_conditions
from crm_relay.rules.send_windows import SendWindow, zone_of
from crm_relay.rules.templates import VARIABLES

_LONGEST_DELAY = {"delay_days": 3650, "delay_hours": 10 * 8760, "delay_minutes": 10 * 525_600}


def read_campaign(document: Mapping[str, Any]) -> Campaign:
    """Of what `claim_due` and `campaign_defined` put together; `identity` has the organization's postal address.

    RejectedInput, with every problem of a row that somebody wrote by hand and that makes no sense.
    """
    try:
        return _read(document)
    except OF_ONE_ROW as error:
        problems = problems_of_document(document) or [describe_error(error)]
        raise RejectedInput("the campaign cannot be read", status=409, details=problems) from None


def problems_of_document(document: Mapping[str, Any]) -> list[str]:
    """Why a campaign cannot be read, by its field and by the number of the step; empty where it can."""
    found = _problems(lambda: _window(document))
    for row in document["steps"]:
        found += [f"step {row['step_number']}: {problem}" for problem in _problems(partial(_step, row))]
    return found or _problems(lambda: _read(document))


def _problems(read: Callable[[], object]) -> list[str]:
    try:
        read()
    except RejectedInput as error:
        return [error.message]
    except OF_ONE_ROW as error:
        return [describe_error(error)]
    return []


def _window(document: Mapping[str, Any]) -> SendWindow:
    return SendWindow.of(
        document["send_days"],
        document["send_window_start"],
        document["send_window_end"],
        document["timezone"],
    )


def _read(document: Mapping[str, Any]) -> Campaign:
    return Campaign(
        id=UUID(document["id"]),
        org_id=UUID(document["org_id"]),
        name=document["name"],
        window=_window(document),
        steps=tuple(_step(step) for step in document["steps"]),
        identity=_identity(document["identity"], document["postal_address"]),
        use_recipient_timezone=document["use_recipient_timezone"],
        late_policy=LatePolicy(document["late_policy"]),
        late_after=timedelta(minutes=document["late_minutes"]),
        topic=document["topic"],
    )


def window_in(row: Mapping[str, Any]) -> SendWindow | None:
    """The send window of a campaign's row, on the clock of its `recipient_zone`; None where it makes no sense."""
    try:
        return SendWindow.of(
            row["send_days"],
            row["send_window_start"],
            row["send_window_end"],
            zone_of(row["recipient_zone"], row["timezone"]),
        )
    except OF_ONE_ROW:
        return None


def bounded_delay(row: Mapping[str, Any]) -> StepDelay:
    """The delay of a step whose row may break the rules: never so long that no date comes out of it."""
    days, hours, minutes = (min(max(row[column], 0), longest) for column, longest in _LONGEST_DELAY.items())
    return StepDelay(days, timedelta(hours=hours, minutes=minutes))


def sends_mail(campaign: Campaign) -> bool:
    """Whether any step is an e-mail: then it needs a sender, and everybody an address."""
    return any(step.channel is StepChannel.EMAIL for step in campaign.steps)


def _identity(row: Mapping[str, Any] | None, postal_address: str | None) -> Identity | None:
    if row is None:
        return None
    return Identity(
        id=UUID(row["id"]),
        from_address=row["from_address"],
        from_name=row["from_name"],
        reply_to=row["reply_to"],
        inbound_domain=row["inbound_domain"],
        postal_address=postal_address,
        paused=row["paused_at"] is not None,
    )


def _step(row: Mapping[str, Any]) -> Step:
    """The step's own words, and its template's where it has none; both forms of a body come from one place."""
    has_body = bool(row["body_html"] or row["body_text"])
    return Step(
        id=UUID(row["id"]),
        number=row["step_number"],
        channel=StepChannel(row["channel"]),
        delay=_delay(row),
        subject=row["subject"] or row["template_subject"] or "",
        body_html=(row["body_html"] if has_body else row["template_html"]) or "",
        body_text=(row["body_text"] if has_body else row["template_text"]) or "",
        defaults=_defaults(row["template_variables"]),
        conditions=read_conditions(row["skip_conditions"]),
        variants=read_variants(row["ab_variants"]),
        ab_winner=row["ab_winner"],
        stop_on_reply=row["stop_on_reply"],
        task=_task(row["task_config"]),
    )


def _delay(row: Mapping[str, Any]) -> StepDelay:
    for column, longest in _LONGEST_DELAY.items():
        if not 0 <= row[column] <= longest:
            raise RejectedInput(f"{column}: 0 to {longest}")
    return StepDelay(row["delay_days"], timedelta(hours=row["delay_hours"], minutes=row["delay_minutes"]))


def _task(stored: object) -> Mapping[str, Any] | None:
    if stored is not None and not isinstance(stored, dict):
        raise RejectedInput("task_config: an object")
    return stored


def _defaults(variables: object) -> dict[str, str]:
    """What a template declares. Whatever else stands there may concern others who use it, and stops no campaign."""
    entries = [entry for entry in (variables if isinstance(variables, list) else []) if isinstance(entry, dict)]
    return {
        entry["name"]: entry["default"]
        for entry in entries
        if entry.get("name") in VARIABLES and isinstance(entry.get("default"), str)
    }
