"""What an event means, what a reading of accounts is worth, and when webhooks give cause for alarm; pure."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime

from crm_relay.consent.address import normalise
from crm_relay.consent.models import ConsentKind
from crm_relay.incidents.models import Incident
from crm_relay.outreach.models import (
    AccountState,
    Filling,
    LeadTime,
    Meaning,
    Metric,
    OutreachWorkspace,
    PassOutcome,
    SettlingAccount,
    TotalsGap,
    WorkspaceHealth,
)
from crm_relay.providers.bison.events import BisonDelivery, BisonEvent, LeadReply
from crm_relay.providers.bison.vocabulary import REPLIES, AccountStatus, EventKind

METRIC_OF: Mapping[EventKind, Metric] = {
    "email_sent": "emails_sent_mtd",
    "lead_replied": "replies_mtd",
    "lead_interested": "positive_replies_mtd",
    "email_bounced": "bounced_mtd",
    "lead_unsubscribed": "unsubscribed_mtd",
}
"""The counter that an event moves by one; no other event moves any."""

LEAD_TIME_OF: Mapping[EventKind, LeadTime] = {
    "lead_replied": "replied_at",
    "lead_interested": "interested_at",
    "email_bounced": "bounced_at",
    "lead_unsubscribed": "unsubscribed_at",
}
"""The time of the lead that an event moves, only forward. The column `lead_status` follows from the four."""

STATUS_OF: Mapping[EventKind, AccountStatus | None] = {
    "account_added": None,
    "account_removed": None,
    "account_disconnected": "Disconnected",
    "account_reconnected": "Connected",
}
"""Events about an account, and the status that they report; None: the one that the account itself has."""

MOST_PASSES = 3
SMALLEST_SAMPLE = 20
UNHEALTHY_BELOW = 95.0
"""The document's limit, in percent."""

HEALTHY_AGAIN_AT = 97.0
"""Who is below 95 has to come this far up before it is over: at the limit itself the alert would come and go."""


def is_foreign(delivery: BisonDelivery, workspace: OutreachWorkspace) -> bool:
    """Whether a body claims to be of another workspace or instance than its token; what is unknown refuses nothing."""
    claims = ((delivery.workspace_id, workspace.bison_id), (delivery.instance_host, workspace.instance_host))
    return any(said is not None and ours is not None and said != ours for said, ours in claims)


def meaning_of(
    event: BisonEvent, received_at: datetime, erased: AbstractSet[str], *, counts_automated: bool = False
) -> Meaning:
    """What one event does by itself.

    An automatic reply is kept and is no reply: it moves neither the counter, unless the workspace `counts_automated`,
    nor the lead.

    Of a lead who was erased (`erased` are normalised addresses) it is counted that something happened, and nothing
    else is kept; a reply that an erased address wrote is not kept either.
    """
    address = normalise(event.address or "")
    is_erased = address in erased
    lead = None if is_erased else event.lead
    is_unknown_lead = event.lead is not None and lead is None
    suppression = None if is_erased else _suppression(event)
    metric, is_automatic = METRIC_OF.get(event.kind), _is_automatic(event)
    moves = counts_automated or not is_automatic
    return Meaning(
        metric=metric if moves else None,
        lead=lead,
        lead_time=LEAD_TIME_OF.get(event.kind) if lead and not is_automatic else None,
        reply=None if is_unknown_lead else _kept_reply(event, erased),
        suppression=suppression if address else None,
        account=_reported_state(event, received_at),
        waits=suppression is ConsentKind.OPT_OUT and not address,
        shown_in=None if moves else metric,
    )


def _is_automatic(event: BisonEvent) -> bool:
    """Who is called interested by a person or a classifier is so, whatever the reply was."""
    return event.kind == "lead_replied" and event.reply is not None and event.reply.is_automated


def _kept_reply(event: BisonEvent, erased: AbstractSet[str]) -> LeadReply | None:
    reply = event.reply if event.kind in REPLIES else None
    return None if reply is None or normalise(reply.from_address or "") in erased else reply


def _suppression(event: BisonEvent) -> ConsentKind | None:
    """Only a permanent bounce says something about the address."""
    if event.kind == "lead_unsubscribed":
        return ConsentKind.OPT_OUT
    return ConsentKind.HARD_BOUNCE if event.kind == "email_bounced" and event.is_permanent_bounce else None


def _reported_state(event: BisonEvent, received_at: datetime) -> AccountState | None:
    """A disconnected account is read again before anybody is alerted: it may have recovered by itself."""
    if event.account is None or event.kind not in STATUS_OF:
        return None
    return AccountState(
        status=STATUS_OF[event.kind] or event.account.status,
        status_at=event.occurred_at,
        recheck_since=received_at if event.kind == "account_disconnected" else None,
        removed_at=event.occurred_at if event.kind == "account_removed" else None,
    )


def later_state(known: AccountState, reported: AccountState) -> AccountState:
    """Of two states of an account the later one; of two that were true at the same time the worse one."""
    if known.status_at is None or reported.status_at is None or known.status_at < reported.status_at:
        return reported
    is_worse = _badness(reported) > _badness(known)
    return reported if known.status_at == reported.status_at and is_worse else known


def _badness(state: AccountState) -> tuple[bool, bool]:
    return state.removed_at is not None, state.status != "Connected"


def is_newer_call(event: BisonEvent, known: tuple[datetime | None, str | None] | None) -> bool:
    """Whether the person's own data are those of this event; `known`: time and key of the event that they are of.

    Of two at the same time the one with the greater key, so that the order in which they come does not show.
    """
    if known is None or known[0] is None:
        return True
    return (event.occurred_at, event.key) > (known[0], known[1] or "")


def known_as(event: BisonEvent, known: Mapping[str, bool]) -> bool:
    """Whether the event was counted before; `known`: which of its keys were, and whether one stands for itself.

    Only a key of its own is proof. One that others may share is, where either side has nothing else: it is counted at
    most once then, and what that leaves out is filled in from EmailBison's totals.
    """
    if event.key in known and event.key != event.shared_key:
        return True
    if any(key in known for key in event.own_keys):
        return True
    shared = event.shared_key
    return shared is not None and shared in known and (known[shared] or not event.own_keys)


def replaced_filling(fillings: Sequence[Filling], happened_at: datetime) -> Filling | None:
    """The filled-in number that an event takes the place of, one less; `fillings` are of its account and counter.

    Where the event names no account they are of every account.

    An event that never came was filled in from EmailBison's totals. When it comes after all, the earliest filling dated
    later than the event is the one that stood for it, unless as much was taken back since.
    """
    if sum(each.amount for each in fillings) <= 0:
        return None
    later = [each for each in fillings if each.amount > 0 and each.occurred_at >= happened_at]
    earliest = min(later, key=lambda each: (each.occurred_at, each.id), default=None)
    return earliest and replace(earliest, amount=earliest.amount - 1)


def judge_totals(account: SettlingAccount) -> list[TotalsGap]:
    """What an account's totals show beside what was counted, by metric; an account's first totals only begin its time.

    What was filled in too much is taken back, since two clocks never agree on what was before a moment and what after.
    Totals that fell belong to an account that was made again: nothing can be said of that time. An automatic reply may
    be in EmailBison's totals and in none of ours: it is not missing.
    """
    came = {**account.counted, "replies_mtd": account.counted.get("replies_mtd", 0) + account.uncounted}
    happened = {name: total - account.before[name] for name, total in account.after.items() if name in account.before}
    return [
        _gap(account, metric, shown, came.get(metric, 0)) for metric, shown in sorted(happened.items()) if shown >= 0
    ]


def explain_gaps(
    gaps: Sequence[TotalsGap], loose: Sequence[tuple[int, str]]
) -> tuple[list[TotalsGap], list[tuple[int, int]]]:
    """What is missing after all, and which of the `loose` events (line and metric) is which account's.

    An event that names no account is counted, and one of the totals shows it: whose does not matter to any counter.
    """
    left: dict[str, list[int]] = {}
    for line, metric in loose:
        left.setdefault(metric, []).append(line)
    explained: list[TotalsGap] = []
    named: list[tuple[int, int]] = []
    for gap in gaps:
        lines = left.get(gap.metric, [])[: max(gap.missing, 0)]
        left[gap.metric] = left.get(gap.metric, [])[len(lines) :]
        named += [(line, gap.account_id) for line in lines]
        explained.append(replace(gap, missing=gap.missing - len(lines)))
    return explained, named


def _gap(account: SettlingAccount, metric: str, shown: int, counted: int) -> TotalsGap:
    missing = max(shown - account.ahead.get(metric, 0) - counted, -account.filled.get(metric, 0))
    # Counted before the totals showed it, and not taken back: they will show it next time.
    return TotalsGap(account.account_id, metric, missing, max(counted - shown + min(missing, 0), 0))


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


def judge_zone(health: WorkspaceHealth) -> Incident | None:
    """A zone that the database does not know; the workspace counts in UTC meanwhile."""
    if health.has_zone:
        return None
    title = "workspaces.timezone is no time zone: months and days are counted in UTC"
    return Incident("workspace_zone", health.workspace_name, title, health.workspace_name)


def judge_silence(health: WorkspaceHealth) -> Incident | None:
    """Nothing came for longer than this workspace is ever silent. Who never sent anything has no silence to judge."""
    if not health.is_silent or health.last_webhook_at is None:
        return None
    title = f"No webhook for {health.silence_hours} hours"
    return Incident("webhook_silence", health.workspace_name, title, health.workspace_name)
