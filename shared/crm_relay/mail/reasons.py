"""Every reason for which a queued e-mail or text message does not leave now, with what it does; pure.

The gate, the engine and docs/campaigns.md use these words and no others; a test compares the table there with this.
"""

from dataclasses import dataclass
from enum import Enum


class Effect(Enum):
    """HOLD: it waits, and every question is asked again. REFUSE: it never leaves.

    KEEP: the mode keeps it here; a campaign's message waits for another mode, any other is passed over.
    """

    HOLD = "hold"
    REFUSE = "refuse"
    KEEP = "keep"


@dataclass(frozen=True)
class Reason:
    """`line` is the status of the step in the log once the reason has settled it; of a hold it stays `pending`."""

    word: str
    effect: Effect
    line: str
    sentence: str


def _refuse(word: str, sentence: str, *, line: str = "stopped") -> Reason:
    return Reason(word, Effect.REFUSE, line, sentence)


def _hold(word: str, sentence: str) -> Reason:
    return Reason(word, Effect.HOLD, "pending", sentence)


def _keep(word: str, sentence: str, *, line: str = "pending") -> Reason:
    return Reason(word, Effect.KEEP, line, sentence)


STOPPED = "stopped_by_operator"
"""The reason of the emergency brake, which is asked before all others."""

LATE = "late"
"""Not asked of people that the mode keeps: they would be late for the mode's own time."""

_TABLE = (
    _refuse("erased", "The person was erased."),
    _refuse("complaint", "The person reported a mail as spam."),
    _refuse("opt_out", "The person opted out of everything, here or in the CRM."),
    _refuse("hard_bounce", "The address bounced for good, or the CRM calls it invalid."),
    _refuse("topic_opt_out", "The person opted out of this topic."),
    _refuse("sms_opt_out", "The person opted out of text messages."),
    _refuse("gone", "The enrollment, its campaign, or the workflow was deleted."),
    _refuse("contact_deleted", "The contact was deleted in the CRM."),
    _refuse("record_gone", "The record that the workflow is about was deleted."),
    _refuse("address_changed", "The contact has another address than the one that the workflow wrote to."),
    _refuse("duplicate_address", "Somebody else of the campaign has the same address by now, and gets the step."),
    _refuse("duplicate_number", "Somebody of the campaign with the same number and address gets the text message."),
    _refuse("replied", "The person replied."),
    _refuse("company_replied", "A colleague replied, and the campaign stops for the whole account."),
    _refuse("bounced", "The sequence ended with a bounce."),
    _refuse("unsubscribed", "The sequence ended with an unsubscription."),
    _refuse("stopped", "Somebody stopped the sequence."),
    _refuse("cancelled", "An operator ended the sequence, the whole campaign, or the run of a workflow."),
    _refuse("taken_back", "An operator took back what waited; the sequence goes on.", line="skipped"),
    _refuse("campaign_archived", "The campaign was archived.", line="skipped"),
    _refuse("campaign_completed", "The campaign was completed.", line="skipped"),
    _refuse("campaign_cancelled", "The campaign was cancelled.", line="skipped"),
    _refuse("step_inactive", "The step was deactivated or deleted.", line="skipped"),
    _refuse(LATE, "The step is later than the campaign's late policy allows.", line="skipped"),
    _refuse("not_sent", "An operator found that an unclear message was not sent.", line="failed"),
    _keep("dry_run", "SEND_MODE is dry-run."),
    _keep("not_on_allow_list", "SEND_MODE is allow-list, and the recipient is not on the list."),
    _keep("no_address", "There is no address to send to.", line="skipped"),
    _hold("campaign_paused", "The campaign is paused, or a draft again."),
    _hold("person_paused", "The enrollment is paused."),
    _hold("workflow_paused", "The workflow, or its run, is paused."),
    _hold("reply_unread", "The person may have written a reply that cannot be followed until its row is corrected."),
    _hold("sender_paused", "The sender is paused for its bounces or complaints."),
    _hold("window", "The campaign's send window is closed."),
    _hold("campaign_unreadable", "The campaign has columns that make no sense."),
    _hold("frequency_cap", "The person got as many e-mails as the organization's cap allows."),
    _hold("mailbox_cap", "The connected mailbox has sent its pitches of the last 24 hours."),
    _hold("receives_only", "The connected mailbox is set to receive alone."),
    _hold("rate_limit", "The organization has sent its e-mails of this minute."),
    _hold("content", "The step's content cannot be made."),
    _hold("provider_rest", "The provider asked for a rest."),
    _hold("quota", "The plan's messages at the provider are used up."),
    _hold("configuration", "The provider refuses this installation until its settings are changed."),
    _hold("sender_refused", "The provider refuses the From address until its domain is verified."),
    _hold("unclear", "It may have been sent: the provider is asked again under the same key."),
    _hold(STOPPED, "An operator stopped sending, for this organization or for all."),
)

REASONS = {reason.word: reason for reason in _TABLE}
"""By their words."""


def line_for(word: str | None) -> str:
    """The status of a step that was refused for this word; one that the table does not have ended the sequence."""
    reason = REASONS.get(word or "")
    return "stopped" if reason is None or reason.effect is not Effect.REFUSE else reason.line
