"""What mends an incident, by its kind; docs/operations.md has the long form."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Mend:
    """`text` in one line; `command`: of the command line, None where the remedy lies elsewhere."""

    text: str
    command: str | None = None


MENDS: Mapping[str, Mend] = {
    "account_disconnected": Mend("Connect the sender account again in EmailBison."),
    "bison_access": Mend("Set a new API token of the workspace.", "crm-relay doctor"),
    "campaign_content": Mend("A step cannot be written: the doctor names the field.", "crm-relay doctor"),
    "campaign_locked": Mend("End the transaction that somebody left open.", "crm-relay doctor"),
    "campaign_refused": Mend("Correct the campaign's rows; every run tries again."),
    "campaign_unreadable": Mend("The campaign cannot be read: the doctor names the field.", "crm-relay doctor"),
    "connection_differs": Mend("Look at what differs after the next complete sync.", "crm-relay connection list"),
    "connection_failing": Mend("Look at the last syncs of the account.", "crm-relay connection list"),
    "connection_held": Mend("Read what the sync would do, and confirm it.", "crm-relay connection list"),
    "connection_reconnect": Mend("Connect the account again.", "crm-relay connection list"),
    "connection_stream": Mend("A stream stopped: its settings no longer fit the account.", "crm-relay connection list"),
    "edge_source_shrunk": Mend("Put the rows back, or say that they were meant to go.", "crm-relay cache status"),
    "email_batch_refused": Mend("Correct the mail's rows; it is tried again every hour."),
    "email_unknown": Mend("Look for the mails in Resend's log and settle them.", "crm-relay campaign unknown list"),
    "erasure_incomplete": Mend("Repeat the erasure with the address of the request.", "crm-relay erase <who>"),
    "inbound_ambiguous": Mend("Two senders have the inbound domain: give each its own."),
    "installation_copied": Mend("Say that this database is the installation.", "crm-relay arm"),
    "integrity_approval": Mend(
        "More rows than a run may fix: look, then fix by hand.", "crm-relay integrity check --fix"
    ),
    "metric_drift": Mend("Count the month again from its log.", "crm-relay bison rebuild-metrics --dry-run"),
    "notification_slack_disabled": Mend("Replace the address of the webhook of Slack.", "crm-relay notification list"),
    "notification_slack_unknown": Mend("Look into the channel; it is never sent again.", "crm-relay notification list"),
    "notification_template": Mend("Correct the template.", "crm-relay notification list"),
    "notification_unreadable": Mend("Correct the notification's row; it is tried again."),
    "notification_zone": Mend("Correct the time zone of the colleague."),
    "pitch_unknown": Mend("Look into the mailbox and settle the pitch.", "crm-relay pitch list"),
    "provider_drop": Mend("Look at the accounts of that mail provider."),
    "reply_refused": Mend("Correct the reply's row; it is tried again."),
    "secret_mismatch": Mend("The webhook uses another secret.", "crm-relay bison webhooks ensure"),
    "sender_paused": Mend("Find out where the addresses came from.", "crm-relay campaign resume-sender <id>"),
    "sender_refused": Mend("Verify the sender's domain at Resend."),
    "sending_configuration": Mend("Resend refuses the key or the account: set RESEND_API_KEY.", "crm-relay doctor"),
    "sending_quota": Mend("Raise the plan at Resend, or wait: mail leaves when there is room."),
    "sending_rest": Mend("Look at the account at Resend; it is asked again every hour."),
    "sending_stopped": Mend("An operator stopped sending: resume it.", "crm-relay resume-sending"),
    "sms_configuration": Mend("Twilio refuses the account: set its settings.", "crm-relay doctor"),
    "sms_refused": Mend("Correct the text message's row; every run tries again."),
    "sms_rest": Mend("Look at the account at Twilio; it is asked again every hour."),
    "sms_unknown": Mend("Look at Twilio's log and settle the message.", "crm-relay campaign unknown list"),
    "step_refused": Mend("Correct the person's rows; every run tries again."),
    "topic_unnamed": Mend("Name the topic of the provider.", "crm-relay topic name"),
    "unknown_event": Mend("Nothing, or a later version that knows the event."),
    "webhook_health": Mend("Deliveries fail: replay them once the cause is gone.", "crm-relay bison replay"),
    "webhook_missing": Mend("Register the webhook.", "crm-relay bison webhooks ensure"),
    "webhook_silence": Mend(
        "Look whether anything is sent, then register the webhook.", "crm-relay bison webhooks ensure"
    ),
    "workflow_approval_undecidable": Mend("Give the approver a deputy or a manager.", "crm-relay approval list"),
    "workflow_events": Mend("Start what was missed.", "crm-relay workflow start"),
    "workflow_failing": Mend("Look at the failing step, then retry its runs.", "crm-relay workflow retry"),
    "workflow_listening": Mend("Publish the workflow with the column's present name.", "crm-relay workflow publish"),
    "workflow_over_budget": Mend("Resume it with another budget for today.", "crm-relay workflow resume"),
    "workflow_run_refused": Mend("Correct the run's rows, or cancel it.", "crm-relay workflow cancel --run <id>"),
    "workflow_schedule_refused": Mend("Correct the records that were left out."),
    "workflow_start_refused": Mend("Start it by hand, then close this.", "crm-relay workflow start"),
    "workflow_webhook": Mend("Retry or cancel the runs.", "crm-relay workflow retry"),
    "workflow_webhook_host": Mend("The host does not answer: requests go on once it does."),
    "workflow_webhook_secret": Mend("Set the secret in WORKFLOW_SECRETS, then retry.", "crm-relay workflow retry"),
    "workflow_unreadable": Mend("Publish the workflow again.", "crm-relay workflow publish"),
    "workspace_zone": Mend("Correct the workspace's time zone.", "crm-relay bison rebuild-metrics"),
}

_INTEGRITY = Mend("Look at the findings, then check and fix.", "crm-relay integrity check --fix")
_OTHERWISE = Mend("The doctor looks at everything that is set up.", "crm-relay doctor")


def mend_of(kind: str) -> Mend:
    """What mends incidents of this kind."""
    return MENDS.get(kind) or (_INTEGRITY if kind.startswith("integrity_") else _OTHERWISE)
