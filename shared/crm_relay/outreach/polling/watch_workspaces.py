"""Looks after the workspaces as a whole: their months and zones, their webhooks' health, silence and rejected calls."""

from datetime import datetime

from crm_relay.incidents.record import close_incidents, keep_open
from crm_relay.outreach import store
from crm_relay.outreach.decisions import judge_health, judge_silence, judge_zone
from crm_relay.outreach.refuse_call import UNKNOWN
from crm_relay.platform.database import Queryable


def watch_workspaces(db: Queryable, now: datetime) -> int:
    """How many of them give cause for alarm. Seven statements, however many there are; safe to call twice."""
    store.open_months(db, now)
    workspaces = store.health(db)
    unhealthy = [incident for each in workspaces if (incident := judge_health(each)) is not None]
    silent = [incident for each in workspaces if (incident := judge_silence(each)) is not None]
    without_zone = [incident for each in workspaces if (incident := judge_zone(each)) is not None]
    keep_open(db, "webhook_health", unhealthy, now)
    keep_open(db, "webhook_silence", silent, now)
    keep_open(db, "workspace_zone", without_zone, now)
    close_incidents(db, "secret_mismatch", store.rejections_over(db, now, unknown=UNKNOWN), now)
    return len(unhealthy) + len(silent) + len(without_zone)
