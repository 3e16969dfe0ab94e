"""The routes under /api/campaigns: who may look at campaigns, and who may run them."""

from admin_api import campaigns
from admin_api.campaigns import (
    CampaignEdit,
    CampaignsAsked,
    CancelWanted,
    OfCampaign,
    OfEnrollment,
    OfMessage,
    PeopleWanted,
    SimulationWanted,
    UnknownAsked,
)
from admin_api.table import OPERATE, READ, get, patch, post
from crm_relay.campaigns.definition.campaign_file import Definition
from crm_relay.campaigns.lifecycle.change_campaign import CampaignChanged, Created, EnrollReport
from crm_relay.campaigns.lifecycle.edit_campaign import CampaignEdited
from crm_relay.campaigns.lifecycle.end_campaign import CampaignEnded
from crm_relay.campaigns.lifecycle.funnels import CampaignLine, CampaignShown, Funnel
from crm_relay.campaigns.lifecycle.hold_enrollment import PlaceChanged
from crm_relay.campaigns.preview.look_ahead import Forecast
from crm_relay.mail.unknown.settle_unknown import UnknownMessage, UnknownSettled

_STATES = (404, 409)

# Counters, ids and the campaign's own words: nothing in these is personal data.
_SHOWN = [
    get(
        READ,
        "/api/campaigns",
        "Native campaigns, those that run first",
        campaigns.list_all,
        list[CampaignLine],
        CampaignsAsked,
    ),
    # Above the one with an id, which would take its last word for one.
    get(
        READ,
        "/api/campaigns/funnels",
        "The steps of every running campaign, as funnels",
        campaigns.running,
        list[Funnel],
    ),
    get(
        READ,
        "/api/campaigns/{id}",
        "A campaign with its funnel, where its people are, and who did what with it",
        campaigns.one,
        CampaignShown,
        OfCampaign,
    ),
    # It names the recipients.
    get(
        OPERATE,
        "/api/unknown-messages",
        "Messages whose outcome is unknown, the newest first",
        campaigns.unknown,
        list[UnknownMessage],
        UnknownAsked,
    ),
    # The sender's address stands in it.
    get(
        OPERATE,
        "/api/campaigns/{id}/definition",
        "A campaign as its file would have it",
        campaigns.definition,
        Definition,
        OfCampaign,
        errors=(409,),
    ),
]

_ACTING = [
    post(
        OPERATE,
        "/api/unknown-messages/{id}/sent",
        "The provider's log has this message, or this whole batch: settle it, and close its incident",
        campaigns.unknown_sent,
        UnknownSettled,
        OfMessage,
        errors=(404,),
    ),
    post(
        OPERATE,
        "/api/unknown-messages/{id}/not-sent",
        "The provider's log does not have it: settle it, and close its incident; it is not sent again",
        campaigns.unknown_not_sent,
        UnknownSettled,
        OfMessage,
        errors=(404,),
    ),
    post(
        OPERATE,
        "/api/campaigns",
        "Keep a campaign as a draft; everything that is wrong with it is told at once",
        campaigns.create,
        Created,
        Definition,
        status=201,
        errors=(409,),
    ),
    post(
        OPERATE,
        "/api/campaigns/{id}/enroll",
        "Enroll contacts by id, by address, or all of an account; the others are counted by reason",
        campaigns.enroll,
        EnrollReport,
        PeopleWanted,
        errors=_STATES,
    ),
    post(
        OPERATE,
        "/api/campaigns/{id}/activate",
        "Begin: everybody gets the time of the first step; at most 50,000 people",
        campaigns.activate,
        CampaignChanged,
        OfCampaign,
        errors=_STATES,
    ),
    post(
        OPERATE,
        "/api/campaigns/{id}/pause",
        "Hold everybody where they are",
        campaigns.pause,
        CampaignChanged,
        OfCampaign,
        errors=_STATES,
    ),
    post(
        OPERATE,
        "/api/campaigns/{id}/resume",
        "Go on where everybody was held; what fell into the pause is done by the late policy",
        campaigns.resume,
        CampaignChanged,
        OfCampaign,
        errors=_STATES,
    ),
    patch(
        OPERATE,
        "/api/campaigns/{id}",
        "Change fields of a campaign's file; of one that runs too, and nobody gets a step twice",
        campaigns.edit,
        CampaignEdited,
        CampaignEdit,
        errors=_STATES,
    ),
    post(
        OPERATE,
        "/api/campaigns/{id}/cancel",
        "End everybody's sequence for good, and take back what waits to be sent; or only that",
        campaigns.cancel,
        CampaignEnded,
        CancelWanted,
        errors=_STATES,
    ),
    post(
        OPERATE,
        "/api/campaigns/{id}/archive",
        "Put a campaign away in which nobody is on their way",
        campaigns.archive,
        CampaignEnded,
        OfCampaign,
        errors=_STATES,
    ),
    post(
        OPERATE,
        "/api/campaigns/{id}/simulate",
        "Which steps each person would get in the next days, without any effect; at most 2,000 people",
        campaigns.simulate,
        Forecast,
        SimulationWanted,
        errors=_STATES,
    ),
    post(
        OPERATE,
        "/api/enrollments/{id}/pause",
        "Hold one person of a campaign",
        campaigns.pause_one,
        PlaceChanged,
        OfEnrollment,
        errors=_STATES,
    ),
    post(
        OPERATE,
        "/api/enrollments/{id}/cancel",
        "End one person's sequence for good, and take back what waits to be sent to them",
        campaigns.cancel_one,
        CampaignEnded,
        OfEnrollment,
        errors=_STATES,
    ),
    post(
        OPERATE,
        "/api/enrollments/{id}/resume",
        "Let one person go on",
        campaigns.resume_one,
        PlaceChanged,
        OfEnrollment,
        errors=_STATES,
    ),
]

CAMPAIGNS = (*_SHOWN, *_ACTING)
