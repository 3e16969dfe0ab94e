"""What a reading of accounts is worth, and when a workspace's webhooks give cause for alarm; pure, with the reason."""

from crm_relay.incidents.models import Incident
from crm_relay.outreach.models import PassOutcome, WorkspaceHealth

MOST_PASSES = 3
SMALLEST_SAMPLE = 20
UNHEALTHY_BELOW = 95.0
"""The document's limit, in percent."""

HEALTHY_AGAIN_AT = 97.0
"""Who is below 95 has to come this far up before it is over: at the limit itself the alert would come and go."""


def needs_another_pass(outcome: PassOutcome, pass_number: int) -> bool:
    """Whether accounts may have slipped from one page to another while they were read.

    The number of accounts changed on the way, or fewer stood on the pages than EmailBison says there are. After three
    passes it has to be enough: the next reading is five minutes away.
    """
    is_short = outcome.total is not None and outcome.seen < outcome.total
    return pass_number < MOST_PASSES and (is_short or not outcome.is_steady)


def judge_health(health: WorkspaceHealth) -> Incident | None:
    """Too many attempts fail. Fewer than 20 in a day say nothing."""
    limit = HEALTHY_AGAIN_AT if health.is_open else UNHEALTHY_BELOW
    if health.success_rate is None or health.deliveries < SMALLEST_SAMPLE or health.success_rate >= limit:
        return None
    title = f"Less than {UNHEALTHY_BELOW:.0f} % of the webhooks of a day succeeded"
    return Incident("webhook_health", health.workspace_name, title, health.workspace_name)


def judge_silence(health: WorkspaceHealth) -> Incident | None:
    """Nothing came for longer than this workspace is ever silent. Who never sent anything has no silence to judge."""
    if not health.is_silent or health.last_webhook_at is None:
        return None
    title = f"No webhook for {health.silence_hours} hours"
    return Incident("webhook_silence", health.workspace_name, title, health.workspace_name)
