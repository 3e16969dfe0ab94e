"""What a role that merely reads may see of the columns of all tables, and a text in each that names its column."""

import re

# Column -> why a role that merely reads may see it. Whatever is not named here reaches no such role.
NOT_PERSONAL = {
    "campaigns.name": "the operator's words",
    "campaigns.status": "a word of ours",
    "campaigns.topic": "the operator's words",
    "campaign_enrollments.held_for": "a word of the table of reasons",
    "email_sends.held_for": "a word of the table of reasons",
    "sms_sends.held_for": "a word of the table of reasons",
    "campaign_sequences.subject": "the operator's words, with variables instead of people",
    "campaign_sequences.ab_winner": "the name of a variant",
    "edge_conflicts.differing": "names of fields",
    "edge_conflicts.entity": "the name of a table",
    "edge_conflicts.reverted_by": "the name of a token",
    "edge_conflicts.rule": "a word of ours",
    "edge_entities.entity": "the name of a table",
    "edge_resyncs.entity": "the name of a table",
    "edge_resyncs.ordered_by": "the name of a token",
    "failed_tasks.source": "the name of a provider",
    "incidents.kind": "a word of ours",
    "incidents.snoozed_by": "the name of a token",
    "incidents.title": "a sentence of ours without the subject",
    "incidents.workspace_name": "a workspace",
    "integration_connections.integration_type": "the name of a provider",
    "integration_connections.label": "the workspace's word for an account",
    "integrity_findings.check_name": "a word of ours",
    "integrity_findings.entity": "the name of a table",
    "integrity_fixes.action": "a word of ours",
    "integrity_fixes.check_name": "a word of ours",
    "integrity_fixes.entity": "the name of a table",
    "integrity_fixes.fixed_by": "the name of a token",
    "integrity_fixes.reverted_by": "the name of a token",
    "integrity_runs.ordered_by": "the name of a token",
    "notification_deliveries.reason": "a word of ours",
    "notifications.template_slug": "the operator's word",
    "organizations.name": "an organization",
    "sending_stops.purposes": "words of ours",
    "sending_stops.stopped_by": "the name of a token",
    "sync_log.entity": "the name of a table",
    "sync_log.ordered_by": "the name of a token",
    "workflow_approvals.ended_for": "a word of the table of reasons",
    "workflow_executions.entity_type": "a word of ours",
    "workflow_executions.waits_for": "the name of an event",
    "workflows.entity_type": "a word of ours",
    "workflows.name": "the operator's words",
    "workspaces.name": "a workspace",
}
MARKED = re.compile(r"([a-z_]+)\.([a-z0-9_]+)@planted\.example")


def planted(table: str, column: str) -> str:
    """A text that names the column which holds it."""
    # A zone that is none is an error of the database's.
    return "UTC" if column == "timezone" else f"{table}.{column}@planted.example"


def columns_in(text: str) -> set[str]:
    """Columns whose content is in the text."""
    return {f"{table}.{column}" for table, column in MARKED.findall(text)}
