"""What a role sees: the fields of answers that are shown from a role on. A lower role gets null in their place.

Which role may call a route at all is a column of the table of routes.
"""

from collections.abc import Mapping

from admin_api.table import OPERATE
from crm_relay.campaigns.lifecycle.funnels import HistoryLine
from crm_relay.connections.overview.show import ConnectionLine
from crm_relay.mail.stops.stop_sending import SendingStop
from crm_relay.operations.overview import models as shown
from crm_relay.platform.http.callers import Role
from crm_relay.workflows.approvals.overview import ApprovalShown
from crm_relay.workflows.operations.steer import FailedRuns
from crm_relay.workflows.overview.models import RunLine, WorkflowListed

VISIBLE_FROM: Mapping[type, Mapping[str, Role]] = {
    # The address of a sender account, an event's name as it came, a workspace as a caller claimed it.
    shown.OpenIncident: {"subject": OPERATE},
    # Reasons quote what a provider or a library said.
    shown.FailedTask: {"error": OPERATE},
    shown.CacheRun: {"error": OPERATE},
    shown.ResyncProgress: {"error": OPERATE},
    shown.IntegrityRun: {"error": OPERATE},
    # A finding names its row by an id or, where it has none, by what it says.
    shown.StandingFinding: {"row_id": OPERATE, "what": OPERATE},
    shown.Fix: {"row_id": OPERATE},
    # An operator's own words, which may name somebody.
    SendingStop: {"reason": OPERATE},
    # An application may keep its own history of campaigns in the same table.
    HistoryLine: {"about": OPERATE},
    # What a step or the database said.
    RunLine: {"error": OPERATE},
    FailedRuns: {"error": OPERATE, "step": OPERATE},
    # The address of an account, and what a vendor said.
    ConnectionLine: {"account": OPERATE, "error_message": OPERATE},
    # An operator's own words, and what a definition names.
    WorkflowListed: {"paused_reason": OPERATE, "problems": OPERATE},
    # Values of records, what people wrote, and who they are.
    ApprovalShown: dict.fromkeys(
        (
            "title",
            "message",
            "notes",
            "approver_name",
            "stands_for_name",
            "requester_name",
            "decided_by_name",
            "decided_by_role",
            "decided_with",
        ),
        OPERATE,
    ),
}
