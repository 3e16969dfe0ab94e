"""Mautic's words for what happens to a contact, as tables: applied, ignored on purpose, and everything else is unknown.

The fourteen real events are all that Mautic 5.1 offers (`GET /api/hooks/triggers`). The last three that are applied
were never sent by any Mautic, but an installation may have a sender of its own that was built for them.
"""

from collections.abc import Mapping
from typing import Literal

OUR_DNC_COMMENT = "CRM Relay"
"""How the comment of every do-not-contact begins that we push: Mautic reports our own calls back as events."""

EventKind = Literal["open", "click", "unsubscribe", "bounce", "sms_opt_out", "contact_deleted"]

APPLIED_EVENTS: Mapping[str, str] = {
    "mautic.email_on_open": "an open, sent again each time the mail is opened",
    "mautic.page_on_hit": "a click where the hit names an e-mail, else somebody on the website",
    "mautic.lead_channel_subscription_changed": "an unsubscribe or a bounce, by the new status",
    "mautic.lead_post_delete": "the contact's id is forgotten",
    "mautic.email_on_click": "a click",
    "mautic.email_on_unsubscribe": "an unsubscribe",
    "mautic.email_on_bounce": "a bounce",
}

HOOK_EVENTS = (
    "mautic.email_on_open",
    "mautic.page_on_hit",
    "mautic.lead_channel_subscription_changed",
    "mautic.lead_post_delete",
)
"""What a webhook of ours asks for: the applied events that exist. Any other would only cost Mautic a request each."""

IGNORED_EVENTS: Mapping[str, str] = {
    "mautic.lead_post_save_new": "PostgreSQL is the source of contacts",
    "mautic.lead_post_save_update": "PostgreSQL is the source of contacts",
    "mautic.lead_points_change": "points are not kept",
    "mautic.lead_list_change": "segments follow PostgreSQL",
    "mautic.lead_company_change": "companies are not kept",
    "mautic.company_post_save": "companies are not kept",
    "mautic.company_post_delete": "companies are not kept",
    "mautic.email_on_send": "a send is no engagement, and one that was refused with 550 is reported all the same",
    "mautic.form_on_submit": "forms are not kept",
    "mautic.sms_on_send": "a send is no engagement",
}

# `new_status` of a subscription change -> what it means here; None: known, and deliberately not kept. Only a recorded
# consent clears an opt-out, so "contactable" means nothing.
EMAIL_STATUS: Mapping[str, EventKind | None] = {
    "unsubscribed": "unsubscribe",
    "manual": "unsubscribe",
    "bounced": "bounce",
    "contactable": None,
}
SMS_STATUS: Mapping[str, EventKind | None] = {
    "unsubscribed": "sms_opt_out",
    "manual": "sms_opt_out",
    "bounced": None,
    "contactable": None,
}
CHANNELS: Mapping[str, Mapping[str, EventKind | None]] = {"email": EMAIL_STATUS, "sms": SMS_STATUS}

# `reason` of a do-not-contact entry -> the status that it brings about.
# https://github.com/mautic/mautic/blob/5.1.1/app/bundles/LeadBundle/Entity/DoNotContact.php
STATUS_OF_REASON: Mapping[int, str] = {1: "unsubscribed", 2: "bounced", 3: "manual"}
