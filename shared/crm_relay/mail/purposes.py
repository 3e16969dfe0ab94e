"""What messages are for: mail of one purpose never waits for that of another."""

CAMPAIGN = "campaign"
"""Its mail counts under the limit per minute, and the emergency brake holds it."""

WORKFLOW = "workflow"
"""Mail that a step of a workflow sends: limits, caps, opt-outs and the brake hold it as they hold that of campaigns."""

PITCH = "pitch"
"""Mail that leaves by a connected mailbox: consent, caps and the brake hold it too."""

STOPPED_PURPOSES = (CAMPAIGN, WORKFLOW, PITCH)
"""What the emergency brake holds. Mail to colleagues has another purpose and leaves: they need it most then."""

NOTIFICATION_LANES = ("notification_urgent", "notification", "notification_digest")
"""Purposes of mail to colleagues, the most urgent first: no opt-out from marketing, cap, window or pause holds it."""


def is_to_colleagues(purpose: str) -> bool:
    """Whether mail of this purpose is for colleagues; SQL says `purpose like 'notification%'`."""
    return purpose.startswith("notification")
