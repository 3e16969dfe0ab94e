"""What the routes under /api/notifications take and do."""

from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from crm_relay.notifications.content.links import LinkRules
from crm_relay.notifications.library.list_templates import list_templates
from crm_relay.notifications.library.preview_template import preview_template
from crm_relay.notifications.library.save_template import save_template
from crm_relay.notifications.library.send_test import send_test
from crm_relay.notifications.models import Channel, Frequency, ReaderLocale
from crm_relay.notifications.overview.show_deliveries import list_deliveries, show_channels
from crm_relay.notifications.people.settings_of_person import (
    configured_channels,
    find_colleague,
    settings_of_person,
)
from crm_relay.notifications.people.show_history import show_history
from crm_relay.notifications.people.simulate_week import SettingsChange, simulate_week
from crm_relay.platform.clock import utc_now
from crm_relay.platform.http.http_routes import Call, Given
from crm_relay.platform.logging import logger

if TYPE_CHECKING:
    from admin_api.settings import Settings
    from crm_relay.installation.installation import Installation

    Admin = Installation[Settings]

Who = Annotated[
    str, Field(min_length=1, max_length=320, pattern=r"^[^\x00]+$", description="Id or address of a colleague.")
]
Slug = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[a-z0-9_.-]+$")]
Short = Annotated[str, Field(max_length=64, pattern=r"^[^\x00]*$")]
ChannelWord = Literal["in_app", "email", "slack", "sms", "push"]
StateWord = Literal["waiting", "digest", "queued", "sending", "sent", "dry_run", "skipped", "failed", "unknown"]
FrequencyWord = Literal["immediate", "hourly_digest", "daily_digest", "weekly_digest", "never"]
Values = Annotated[dict[str, Any], Field(max_length=200, description="Variables; what is left out is made up.")]


class OfNotification(Given):
    """One notification, by its id."""

    id: UUID


class OfOrganization(Given):
    """Whose templates; none named: those of all, and the system's."""

    organization: UUID | None = None


class DeliveriesAsked(Given):
    """Which deliveries, the newest first."""

    user: UUID | None = None
    channel: ChannelWord | None = None
    state: StateWord | None = None
    limit: Annotated[int, Field(ge=1, le=500, description="So many at most.")] = 50


class PreviewWanted(Given):
    """A template with values in it, for a reader of some place."""

    slug: Slug
    organization: UUID | None = None
    values: Values = Field(default_factory=dict)
    locale: Annotated[str, Field(max_length=35, pattern=r"^[A-Za-z0-9_.@-]*$")] = "en-US"
    zone: Short = "UTC"


class TemplateGiven(Given):
    """A template of an organization: columns of `notification_templates`, which are checked all at once."""

    organization: UUID
    template: Annotated[dict[str, Any], Field(max_length=40)]


class ColleagueAsked(Given):
    """One colleague."""

    who: Who


class WeekWanted(Given):
    """Settings that a colleague thinks of; what is left out stays as it is. Nothing is changed."""

    who: Who
    categories: Annotated[tuple[Short, ...], Field(max_length=100)] = ()
    channels: Annotated[tuple[ChannelWord, ...], Field(max_length=5)] | None = None
    frequency: FrequencyWord | None = None
    digest_time: Annotated[str, Field(pattern=r"^\d\d:\d\d$")] | None = None
    digest_day: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] | None = None
    quiet_hours: Annotated[str, Field(pattern=r"^(\d\d:\d\d-\d\d:\d\d)?$")] | None = None
    zone: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    email_unsubscribed: bool | None = None


class TestWanted(Given):
    """Who gets which template."""

    slug: Slug
    who: Who
    values: Values = Field(default_factory=dict)


def channels(dependencies: "Admin", _call: Call) -> object:
    return show_channels(dependencies.database, utc_now())


def deliveries(dependencies: "Admin", call: Call) -> object:
    asked = call.given
    return list_deliveries(
        dependencies.database, user_id=asked.user, channel=asked.channel, state=asked.state, limit=asked.limit
    )


def why(dependencies: "Admin", call: Call) -> object:
    return show_history(dependencies.database, call.given.id, utc_now(), configured=_configured(dependencies))


def templates(dependencies: "Admin", call: Call) -> object:
    return list_templates(dependencies.database, call.given.organization, _links(dependencies))


def preview(dependencies: "Admin", call: Call) -> object:
    asked = call.given
    reader = ReaderLocale(asked.zone, asked.locale)
    return preview_template(
        dependencies.database,
        asked.slug,
        asked.organization,
        asked.values,
        reader,
        utc_now(),
        links=_links(dependencies),
    )


def save(dependencies: "Admin", call: Call) -> object:
    saved = save_template(dependencies.database, call.given.organization, call.given.template, _links(dependencies))
    _note("notification template saved", call, slug=saved.slug, version=saved.version)
    return saved


def settings(dependencies: "Admin", call: Call) -> object:
    colleague = find_colleague(dependencies.database, call.given.who)
    return settings_of_person(dependencies.database, colleague, utc_now(), configured=_configured(dependencies))


def week(dependencies: "Admin", call: Call) -> object:
    asked = call.given
    change = SettingsChange(
        categories=asked.categories,
        channels=None if asked.channels is None else tuple(map(Channel, asked.channels)),
        frequency=None if asked.frequency is None else Frequency(asked.frequency),
        digest_time=asked.digest_time,
        digest_day=asked.digest_day,
        quiet_hours=asked.quiet_hours,
        zone=asked.zone,
        email_unsubscribed=asked.email_unsubscribed,
    )
    colleague = find_colleague(dependencies.database, asked.who)
    return simulate_week(dependencies.database, colleague, change, utc_now(), configured=_configured(dependencies))


def send(dependencies: "Admin", call: Call) -> object:
    asked = call.given
    colleague = find_colleague(dependencies.database, asked.who)
    sent = send_test(
        dependencies.database,
        asked.slug,
        colleague,
        asked.values,
        utc_now(),
        links=_links(dependencies),
        wake=dependencies.wake_notifications,
    )
    _note("test notification sent", call, slug=asked.slug, notification=sent.notification_id)
    return sent


def _links(dependencies: "Admin") -> LinkRules:
    return LinkRules(dependencies.settings.app_url, frozenset(dependencies.settings.notification_link_hosts))


def _configured(dependencies: "Admin") -> frozenset[Channel]:
    sent_by = dependencies.settings
    return configured_channels(has_email=bool(sent_by.email_from), has_texts=bool(sent_by.twilio_from))


def _note(what: str, call: Call, **about: object) -> None:
    logger().info(what, extra={"ordered_by": call.who, **about})
