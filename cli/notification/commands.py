"""crm-relay notification: what colleagues are notified of, why, and what other settings would have brought."""

from dataclasses import asdict
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

import typer

from cli.console import FOUND, GOOD, AsJson, EnvFile, console, reports_errors, show
from cli.notification.connection import open_notifications
from cli.notification.templates import Values, values_of
from cli.notification.templates import app as templates
from cli.notification.unknown import app as unknown
from crm_relay.notifications.library.send_test import send_test
from crm_relay.notifications.models import Channel, Frequency
from crm_relay.notifications.overview.show_deliveries import DeliveryLine, list_deliveries, show_channels
from crm_relay.notifications.people.settings_of_person import CategorySetting, find_colleague, settings_of_person
from crm_relay.notifications.people.show_history import ChannelShown, show_history
from crm_relay.notifications.people.simulate_week import ChannelWeek, SettingsChange, simulate_week
from crm_relay.platform.clock import utc_now

app = typer.Typer(no_args_is_help=True, help="List, explain, test and preview notifications to colleagues.")
app.add_typer(templates)
app.add_typer(unknown, name="unknown")


class DeliveryState(Enum):
    """As `notification_deliveries.state` has it."""

    WAITING = "waiting"
    DIGEST = "digest"
    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DRY_RUN = "dry_run"
    SKIPPED = "skipped"
    FAILED = "failed"
    UNKNOWN = "unknown"


Who = Annotated[str, typer.Argument(metavar="USER", help="Id or address of a colleague.")]
Option = typer.Option


@app.command("list")
@reports_errors
def list_all(
    user: Annotated[str | None, Option("--user", help="Id or address of one colleague.")] = None,
    channel: Annotated[Channel | None, Option("--channel", help="One channel.")] = None,
    state: Annotated[DeliveryState | None, Option("--state", help="What became of them.")] = None,
    counts: Annotated[bool, Option("--counts", help="How many, by channel, instead of each.")] = False,
    limit: Annotated[int, Option("--limit", min=1, max=10_000, help="So many of the newest.")] = 50,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """List deliveries, the newest first, without a word of what they say.

    Exit status 1: some of those shown failed, or nobody knows whether they arrived.
    """
    with open_notifications(env_file) as opened:
        if counts:
            channels = show_channels(opened.database, utc_now())
            show([asdict(each) for each in channels], as_json, "Deliveries by channel")
            return FOUND if any(each.failed or each.unknown for each in channels) else GOOD
        person = None if user is None else find_colleague(opened.database, user)
        found = list_deliveries(
            opened.database,
            user_id=None if person is None else person.user_id,
            channel=None if channel is None else channel.value,
            state=None if state is None else state.value,
            limit=limit,
        )
    show([asdict(each) if as_json else _delivery_line(each) for each in found], as_json, "Deliveries")
    return FOUND if any(each.state in {"failed", "unknown"} for each in found) else GOOD


@app.command("why")
@reports_errors
def why(
    notification: Annotated[UUID, typer.Argument(metavar="ID", help="Id of a notification.")],
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Say why a notification left, waits or was left out, channel by channel, with what every gate says now."""
    with open_notifications(env_file) as opened:
        found = show_history(opened.database, notification, utc_now(), configured=opened.configured)
    if as_json:
        show(asdict(found), as_json, "")
        return GOOD
    about = {name: value for name, value in asdict(found).items() if name != "channels" and value is not None}
    show(about | {each.channel: _channel_lines(each) for each in found.channels}, as_json, "Notification")
    return GOOD


@app.command("test")
@reports_errors
def send_to_colleague(
    slug: Annotated[str, typer.Argument(metavar="SLUG", help="Slug of the template.")],
    user: Annotated[str, Option("--user", help="Id or address of the colleague who gets it.")],
    values: Values = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Notify one colleague with a template, like any other notification: their settings hold for it."""
    given = values_of(values)
    with open_notifications(env_file) as opened:
        colleague = find_colleague(opened.database, user)
        wake = opened.installation.wake_notifications
        sent = send_test(opened.database, slug, colleague, given, utc_now(), links=opened.links, wake=wake)
    show(asdict(sent), as_json, "Test")
    return GOOD


@app.command("settings")
@reports_errors
def settings(user: Who, env_file: EnvFile = None, as_json: AsJson = False) -> int:
    """Show a colleague's settings as they act now: what a notification of this moment would come to."""
    with open_notifications(env_file) as opened:
        colleague = find_colleague(opened.database, user)
        found = settings_of_person(opened.database, colleague, utc_now(), configured=opened.configured)
    if as_json:
        show(asdict(found), as_json, "")
        return GOOD
    show({name: value for name, value in asdict(found).items() if name != "categories"}, as_json, "Person")
    show({each.category: _category_lines(each) for each in found.categories}, as_json, "Categories")
    return GOOD


@app.command("preview")
@reports_errors
def preview(
    user: Who,
    category: Annotated[list[str] | None, Option("--category", help="Only this category. Repeatable.")] = None,
    channel: Annotated[list[Channel] | None, Option("--channel", help="A channel that is wanted. Repeatable.")] = None,
    frequency: Annotated[Frequency | None, Option("--frequency", help="How often.")] = None,
    digest_time: Annotated[str | None, Option("--digest-time", help="HH:MM of daily and weekly digests.")] = None,
    digest_day: Annotated[str | None, Option("--digest-day", help="Weekday of weekly digests.")] = None,
    quiet_hours: Annotated[str | None, Option("--quiet-hours", help="HH:MM-HH:MM; empty: never quiet.")] = None,
    zone: Annotated[str | None, Option("--zone", help="IANA time zone.")] = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Show what the last seven days would have brought a colleague with other settings. Nothing is changed."""
    change = SettingsChange(
        categories=tuple(category or ()),
        channels=tuple(channel) if channel else None,
        frequency=frequency,
        digest_time=digest_time,
        digest_day=digest_day,
        quiet_hours=quiet_hours,
        zone=zone,
    )
    with open_notifications(env_file) as opened:
        colleague = find_colleague(opened.database, user)
        week = simulate_week(opened.database, colleague, change, utc_now(), configured=opened.configured)
    if as_json:
        show(_plain(asdict(week)), as_json, "")
        return GOOD
    console.print(f"{week.notifications} notifications in seven days{'' if week.is_complete else ', the newest'}")
    for title, weeks in (("As it is", week.now), ("With these settings", week.then)):
        show([{"channel": each.channel, "messages": each.messages, **_week_line(each)} for each in weeks], False, title)
    return GOOD


def _week_line(each: ChannelWeek) -> dict[str, Any]:
    return {name: value for name, value in asdict(each).items() if name != "channel"}


def _channel_lines(each: ChannelShown) -> str:
    """State and reason, the mail's fate, and the gates that do not let it pass."""
    head = [each.state, each.reason, f"not before {each.not_before:%Y-%m-%d %H:%M %Z}" if each.not_before else None]
    mail = None if each.mail is None else f"mail: {each.mail}"
    digest = None if each.digest_id is None else f"digest {each.digest_id}: {each.digest_state}"
    gates = (f"{gate.gate}: {gate.verdict}{f' ({gate.reason})' if gate.reason else ''}" for gate in each.gates)
    return "\n".join(line for line in (" · ".join(part for part in head if part), mail, digest, *gates) if line)


def _delivery_line(each: DeliveryLine) -> dict[str, Any]:
    return {
        "notification": each.notification_id,
        "delivery": f"{each.channel}: {each.state}{_reason(each.reason)}",
        "template": each.template_slug,
        "created": f"{each.created_at:%Y-%m-%d %H:%M}",
    }


def _category_lines(each: CategorySetting) -> str:
    """What is wanted, and what becomes of a notification now."""
    quiet = f"quiet {each.quiet_hours}" if each.quiet_hours else None
    wanted = (", ".join(each.channels) or "nothing", each.frequency, quiet, f"set by {each.source}")
    now = (f"now {channel.channel}: {channel.verdict}{_reason(channel.reason)}" for channel in each.now)
    return "\n".join((" · ".join(part for part in wanted if part), *now))


def _reason(word: str | None) -> str:
    return f" ({word})" if word else ""


def _plain(value: Any) -> Any:
    """Enums as their words."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value.value if isinstance(value, Enum) else value
