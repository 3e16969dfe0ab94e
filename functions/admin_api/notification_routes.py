"""The routes under /api/notifications: what waits and failed, templates, and a colleague's settings."""

from admin_api import notifications
from admin_api.notifications import (
    ColleagueAsked,
    DeliveriesAsked,
    OfNotification,
    OfOrganization,
    PreviewWanted,
    TemplateGiven,
    TestWanted,
    WeekWanted,
)
from admin_api.table import OPERATE, READ, get, post
from crm_relay.notifications.library.list_templates import TemplateLine
from crm_relay.notifications.library.preview_template import TemplatePreview
from crm_relay.notifications.library.save_template import TemplateSaved
from crm_relay.notifications.library.send_test import SentTest
from crm_relay.notifications.overview.show_deliveries import ChannelDeliveries, DeliveryLine
from crm_relay.notifications.people.settings_of_person import PersonSettings
from crm_relay.notifications.people.show_history import WhyShown
from crm_relay.notifications.people.simulate_week import SimulatedWeek

_COLLEAGUE = (404, 409)

# Counters, ids, and templates without anybody's values: nothing in these is personal data.
_SHOWN = [
    get(
        READ,
        "/api/notifications",
        "What waits, was held, left and failed, by channel",
        notifications.channels,
        list[ChannelDeliveries],
    ),
    get(
        READ,
        "/api/notifications/deliveries",
        "Single deliveries, the newest first, without their words",
        notifications.deliveries,
        list[DeliveryLine],
        DeliveriesAsked,
    ),
    get(
        READ,
        "/api/notifications/templates",
        "Templates with their variables, and what is wrong with them",
        notifications.templates,
        list[TemplateLine],
        OfOrganization,
    ),
    post(
        READ,
        "/api/notifications/templates/preview",
        "What a template looks like with values in it",
        notifications.preview,
        TemplatePreview,
        PreviewWanted,
        errors=(404,),
    ),
]

# A colleague's own choices, times and events.
_PERSONAL = [
    get(
        OPERATE,
        "/api/notifications/{id}/why",
        "Why a notification left, waits or was left out, with what every gate says now",
        notifications.why,
        WhyShown,
        OfNotification,
    ),
    get(
        OPERATE,
        "/api/notifications/settings",
        "A colleague's settings as they act now",
        notifications.settings,
        PersonSettings,
        ColleagueAsked,
        errors=_COLLEAGUE,
    ),
    post(
        OPERATE,
        "/api/notifications/settings/week",
        "What the last seven days would have brought a colleague with other settings; nothing is changed",
        notifications.week,
        SimulatedWeek,
        WeekWanted,
        errors=_COLLEAGUE,
    ),
]

_ACTING = [
    post(
        OPERATE,
        "/api/notifications/templates",
        "Keep a template of an organization, which speaks instead of the system's; everything wrong is listed at once",
        notifications.save,
        TemplateSaved,
        TemplateGiven,
        errors=(404,),
    ),
    post(
        OPERATE,
        "/api/notifications/test",
        "Notify one colleague with a template, like any other notification",
        notifications.send,
        SentTest,
        TestWanted,
        status=201,
        errors=_COLLEAGUE,
    ),
]

NOTIFICATIONS = (*_SHOWN, *_PERSONAL, *_ACTING)
