"""crm-relay stop-sending and resume-sending: the emergency brake."""

from dataclasses import asdict
from typing import Annotated
from uuid import UUID

import typer

from cli.console import FOUND, GOOD, AsJson, EnvFile, open_database, reports_errors, show
from crm_relay.consent.store import organization_called
from crm_relay.mail.stops.stop_sending import EVERYTHING, SendingChanged
from crm_relay.mail.stops.stop_sending import resume_sending as resume
from crm_relay.mail.stops.stop_sending import stop_sending as stop
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Queryable
from crm_relay.platform.errors import RejectedInput

Organization = Annotated[
    str, typer.Option("--organization", help="Id or name of one organization, or `everything`.", show_default=True)
]


@reports_errors
def stop_sending(
    reason: Annotated[str | None, typer.Option("--reason", help="Why; kept with the stop.")] = None,
    organization: Organization = EVERYTHING,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Stop at once what campaigns send; everything keeps its place.

    Every worker sees it before its next request. `on its way` counts requests that nobody can call back. Notifications
    to colleagues, webhooks, opt-outs and erasure go on.
    """
    with open_database(env_file) as database:
        done = stop(database, utc_now(), reason=_reason(reason), org_id=_organization(database, organization))
    return _show(done, as_json, "Sending is stopped")


@reports_errors
def resume_sending(
    organization: Organization = EVERYTHING,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Let campaigns send again, as after a pause of all of them.

    `everything` ends the stop of all organizations; one of a single organization stays until it is named. Exit status
    1: another stop holds.
    """
    with open_database(env_file) as database:
        done = resume(database, utc_now(), org_id=_organization(database, organization))
    _show(done, as_json, "Sending is resumed")
    return FOUND if done.stops else GOOD


def _show(done: SendingChanged, as_json: bool, title: str) -> int:
    if as_json:
        show(asdict(done), as_json, title)
        return GOOD
    show({"changed": done.changed, "on its way": done.on_its_way}, as_json, title)
    show([asdict(each) for each in done.stops], as_json, "Stops that hold")
    return GOOD


def _reason(given: str | None) -> str | None:
    """On one line: terminals and logs show it."""
    return None if given is None else " ".join(given.split())[:500] or None


def _organization(database: Queryable, wanted: str) -> UUID | None:
    if wanted == EVERYTHING:
        return None
    try:
        return UUID(wanted)
    except ValueError:
        found = organization_called(database, wanted)
    if found is None:
        raise RejectedInput("--organization: there is no such organization, or two have this name")
    return found
