"""EmailBison's words for what happens, as tables: handled, ignored on purpose, and everything else is unknown.

https://docs.emailbison.com/webhooks/when-are-webhooks-triggered - the names there are those of its pages ("Contact
Replied"); the machine names are those of GET /api/webhook-events/event-types, in upper case in a delivery's body.
"""

from collections.abc import Mapping
from typing import Literal

EventKind = Literal[
    "email_sent",
    "lead_replied",
    "lead_interested",
    "email_bounced",
    "lead_unsubscribed",
    "untracked_reply",
    "account_added",
    "account_removed",
    "account_disconnected",
    "account_reconnected",
]

AccountStatus = Literal["Connected", "Disconnected"]

HANDLED_EVENTS: Mapping[str, EventKind] = {
    "email_sent": "email_sent",
    "lead_replied": "lead_replied",
    "lead_interested": "lead_interested",
    "email_bounced": "email_bounced",
    "lead_unsubscribed": "lead_unsubscribed",
    "untracked_reply_received": "untracked_reply",
    "email_account_added": "account_added",
    "email_account_removed": "account_removed",
    "email_account_disconnected": "account_disconnected",
    "email_account_reconnected": "account_reconnected",
}

REPLIES: frozenset[EventKind] = frozenset({"lead_replied", "lead_interested", "untracked_reply"})
"""Events about a mail that a person or a machine of theirs wrote. What bounced is a mail too, and nobody wrote it."""

HOOK_EVENTS = tuple(HANDLED_EVENTS)
"""What a webhook of ours asks for. Any other would only cost a request each."""

IGNORED_EVENTS: Mapping[str, str] = {
    "email_opened": "opens say little in cold outreach and are not kept",
    "manual_email_sent": "what somebody writes by hand is no send of a campaign",
    "lead_first_contacted": "the same mail is reported as email_sent",
    "tag_attached": "tags are read with the account, by the poll",
    "tag_removed": "tags are read with the account, by the poll",
    "warmup_disabled_receiving_bounces": "warm-up is read with the account, by the poll",
    "warmup_disabled_causing_bounces": "warm-up is read with the account, by the poll",
    "email_send_failed": "nothing was sent",
    "manual_email_send_failed": "nothing was sent",
    "blacklisted_email_added": "EmailBison keeps its own list of who is never written to",
    "blacklisted_email_removed": "EmailBison keeps its own list of who is never written to",
    "blacklisted_domain_added": "EmailBison keeps its own list of who is never written to",
    "blacklisted_domain_removed": "EmailBison keeps its own list of who is never written to",
}
