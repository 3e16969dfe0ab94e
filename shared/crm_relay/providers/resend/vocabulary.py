"""Resend's words for what happens, as tables; a type that stands in none of them is unknown, or nobody here needs it.

https://resend.com/docs/webhooks/event-types. There is no event for an unsubscription: it comes as `contact.updated`.
"""

from collections.abc import Mapping

from crm_relay.providers.email_events import BounceType, MailEventKind

MAIL_EVENTS: Mapping[str, MailEventKind] = {
    "email.sent": "sent",
    "email.scheduled": "scheduled",
    "email.delivered": "delivered",
    "email.delivery_delayed": "delivery_delayed",
    "email.complained": "complained",
    "email.bounced": "bounced",
    "email.opened": "opened",
    "email.clicked": "clicked",
    "email.failed": "failed",
    "email.suppressed": "suppressed",
}

INBOUND = "email.received"
CONTACT_EVENTS = ("contact.updated", "contact.topics.updated")
SUPPRESSION = "suppression.added"

HOOK_EVENTS = (*MAIL_EVENTS, INBOUND, *CONTACT_EVENTS, SUPPRESSION)
"""What a webhook of ours asks for. Any other would only cost a request each."""

BOUNCES: Mapping[str, BounceType] = {
    "permanent": "permanent",
    "transient": "transient",
    "temporary": "transient",
}
"""Type of a bounce in lower case; any other is undetermined."""

PREVIOUS_BOUNCE = "previous_bounce"
PREVIOUS_COMPLAINT = "previous_complaint"

TOPIC_SUBSCRIPTIONS: Mapping[str | None, bool] = {"opt_in": True, "opt_out": False}
