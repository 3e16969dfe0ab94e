"""The routes of single views: plots, people, mails, incidents and settings."""

from admin_api.inputs import OfNumber
from admin_api.table import OPERATE, READ, get, post
from admin_api.views import answers
from admin_api.views.inputs import (
    ActivityAsked,
    CampaignPeopleAsked,
    IncidentsAsked,
    MailPreviewWanted,
    OfMail,
    PeopleAsked,
    SnoozeWanted,
)
from crm_relay.campaigns.preview.preview_mails import MailPreview
from crm_relay.incidents.close_by_hand import IncidentClosed
from crm_relay.incidents.snooze import IncidentSnoozed
from crm_relay.operations.overview.models import OpenIncident
from crm_relay.operations.views.activity import Activity
from crm_relay.operations.views.mail import MailShown
from crm_relay.operations.views.people import CampaignPerson, PersonFound
from crm_relay.operations.views.settings_in_force import SettingShown

# Nothing in these is personal data.
_SHOWN = [
    get(
        READ,
        "/api/activity",
        "Mails by what became of them and what came back, by hour or day",
        answers.activity,
        Activity,
        ActivityAsked,
    ),
    get(
        READ,
        "/api/incidents",
        "Incidents with what mends each, the newest first",
        answers.incidents,
        list[OpenIncident],
        IncidentsAsked,
    ),
]

# Personal data, or hosts and addresses: a role that merely reads does not see them.
_PERSONAL = [
    get(
        OPERATE,
        "/api/people",
        "Contacts and customers by the beginning of an address or last name",
        answers.people,
        list[PersonFound],
        PeopleAsked,
    ),
    get(
        OPERATE,
        "/api/campaigns/{id}/people",
        "A page of the people of a campaign, each with the newest mail to them",
        answers.campaign_people,
        list[CampaignPerson],
        CampaignPeopleAsked,
    ),
    post(
        OPERATE,
        "/api/campaigns/{id}/preview",
        "What each message of a campaign says to one contact; nothing is sent",
        answers.preview,
        MailPreview,
        MailPreviewWanted,
        errors=(404, 409),
    ),
    get(OPERATE, "/api/mails/{id}", "A mail as it was sent, and what became of it", answers.mail, MailShown, OfMail),
    get(
        OPERATE,
        "/api/settings",
        "The settings that admin_api runs with, without secrets",
        answers.settings,
        list[SettingShown],
    ),
]

_ACTING = [
    post(
        OPERATE,
        "/api/incidents/{id}/close",
        "Close an incident; one that is still true opens again with the next look",
        answers.close_incident,
        IncidentClosed,
        OfNumber,
        errors=(404,),
    ),
    post(
        OPERATE,
        "/api/incidents/{id}/snooze",
        "Put an incident off for some hours: no alert of it is sent meanwhile; 0 hours: it counts again",
        answers.snooze_incident,
        IncidentSnoozed,
        SnoozeWanted,
        errors=(404,),
    ),
]

VIEWS = (*_SHOWN, *_PERSONAL, *_ACTING)
