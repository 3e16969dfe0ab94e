"""What the routes of single views do."""

from typing import TYPE_CHECKING

from crm_relay.campaigns.preview.preview_mails import preview_mails
from crm_relay.incidents.close_by_hand import close_by_hand
from crm_relay.incidents.snooze import snooze
from crm_relay.operations.views import incidents as incident_pages
from crm_relay.operations.views import people as people_pages
from crm_relay.operations.views.activity import activity as count_activity
from crm_relay.operations.views.mail import show_mail
from crm_relay.operations.views.settings_in_force import settings_in_force
from crm_relay.platform.clock import utc_now
from crm_relay.platform.http.http_routes import Call
from crm_relay.platform.logging import logger

if TYPE_CHECKING:
    from admin_api.settings import Settings
    from crm_relay.installation.installation import Installation

    Admin = Installation[Settings]


def activity(dependencies: "Admin", call: Call) -> object:
    return count_activity(dependencies.database, utc_now(), days=call.given.days, zone=call.given.zone)


def incidents(dependencies: "Admin", call: Call) -> object:
    asked = call.given
    return incident_pages.incidents_page(
        dependencies.database, open_only=asked.open, before=asked.before, limit=asked.limit
    )


def close_incident(dependencies: "Admin", call: Call) -> object:
    closed = close_by_hand(dependencies.database, call.given.id, utc_now(), who=call.who)
    logger().info("incident closed by hand", extra={"incident": closed.id, "kind": closed.kind, "ordered_by": call.who})
    return closed


def snooze_incident(dependencies: "Admin", call: Call) -> object:
    done = snooze(dependencies.database, call.given.id, utc_now(), hours=call.given.hours, who=call.who)
    logger().info("incident put off", extra={"incident": done.id, "kind": done.kind, "ordered_by": call.who})
    return done


def people(dependencies: "Admin", call: Call) -> object:
    return people_pages.find_people(dependencies.database, call.given.q, limit=call.given.limit)


def campaign_people(dependencies: "Admin", call: Call) -> object:
    asked = call.given
    return people_pages.people_of_campaign(
        dependencies.database, asked.id, status=asked.status, after=asked.after, limit=asked.limit
    )


def preview(dependencies: "Admin", call: Call) -> object:
    return preview_mails(dependencies.database, call.given.id, call.given.who, utc_now())


def mail(dependencies: "Admin", call: Call) -> object:
    return show_mail(dependencies.database, call.given.id, utc_now())


def settings(dependencies: "Admin", _call: Call) -> object:
    return settings_in_force(dependencies.settings)
