"""Outreach's SQL, and nothing else's."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from crm_relay.outreach.models import (
    PassOutcome,
    PollState,
    Selection,
    SettlingAccount,
    TotalsGap,
    WorkspaceHealth,
)
from crm_relay.platform.database import Queryable, Row, Transaction
from crm_relay.platform.sql import Json, Rows, SqlValue, Statement, queries_beside
from crm_relay.providers.bison.events import SenderAccount

_SQL = queries_beside(__file__)
_OLDEST_POLL = timedelta(minutes=30)
_MOST_UNSEEN = 50


def _account(account: SenderAccount) -> dict[str, Any]:
    return vars(account) | {"tags": list(account.tags)}


def note_rejection(db: Queryable, claimed: str, now: datetime) -> tuple[int, str]:
    """So many in a row by now, and under which name: that of today."""
    row = db.run(_SQL["note_rejection"], claimed=claimed, now=now)[0]
    return row["in_a_row"], row["claimed"]


def present_names(db: Queryable, names: Sequence[str]) -> dict[str, str]:
    """A name that a workspace has or had -> what it is called today; a name that nobody had is kept."""
    return {row["name"]: row["present"] for row in db.run(_SQL["present_names"], names=list(names))}


def rejections_over(db: Queryable, now: datetime, *, unknown: str) -> list[str]:
    """Names under which calls were rejected that are not any more."""
    return [row["claimed"] for row in db.run(_SQL["rejections_over"], now=now, unknown=unknown)]


def begin_poll(db: Queryable, workspace_name: str, now: datetime) -> PollState:
    """A new reading, or the one that was cut off in the last half hour."""
    row = db.run(_SQL["begin_poll"], workspace_name=workspace_name, now=now, oldest=now - _OLDEST_POLL)[0]
    return PollState(row["cycle"], row["next_page"], row["pass"])


def keep_page(
    db: Queryable,
    accounts: Sequence[SenderAccount],
    *,
    workspace_name: str,
    instance: str,
    asked_at: datetime,
    cycle: datetime | None = None,
    page: int = 0,
    total: int | None = None,
) -> int:
    """How many accounts were written; `cycle` None: they stood on no page, and no progress is noted."""
    rows = db.run(
        _SQL["keep_page"],
        accounts=Json([_account(account) for account in accounts]),
        workspace_name=workspace_name,
        instance=instance,
        asked_at=asked_at,
        cycle=cycle,
        next_page=page + 1,
        is_first_page=page <= 1,
        total=total,
    )
    return int(rows[0]["kept"])


def pass_outcome(db: Queryable, workspace_name: str) -> PassOutcome:
    """What the reading found so far."""
    row = db.run(_SQL["pass_outcome"], workspace_name=workspace_name, limit=_MOST_UNSEEN)[0]
    return PassOutcome(row["seen"], row["total"], row["is_steady"], tuple(row["unseen"]))


def next_pass(db: Queryable, workspace_name: str) -> None:
    """From the first page again."""
    db.run(_SQL["next_pass"], workspace_name=workspace_name)


def complete_poll(db: Queryable, workspace_name: str, cycle: datetime, *, accounts: int, now: datetime) -> None:
    """The reading counts from here on."""
    db.run(_SQL["complete_poll"], workspace_name=workspace_name, cycle=cycle, accounts=accounts, now=now)


def fail_poll(db: Queryable, workspace_name: str, error: str) -> None:
    """`error` is one of our own messages."""
    db.run(_SQL["fail_poll"], workspace_name=workspace_name, error=error)


def remove_accounts(
    db: Queryable, account_ids: Sequence[int], *, workspace_name: str, instance: str, now: datetime
) -> None:
    """They stay in the table, marked. Safe to call twice."""
    db.run(
        _SQL["remove_accounts"],
        account_ids=list(account_ids),
        workspace_name=workspace_name,
        instance=instance,
        now=now,
    )


def accounts_to_recheck(db: Queryable, workspace_name: str) -> list[int]:
    """At most 50, those that wait longest first."""
    rows = db.run(_SQL["accounts_to_recheck"], workspace_name=workspace_name, limit=_MOST_UNSEEN)
    return [row["sender_email_id"] for row in rows]


def disconnected_accounts(db: Queryable, workspace_name: str) -> list[Row]:
    """sender_email_id, email_address, email_provider."""
    return db.run(_SQL["disconnected_accounts"], workspace_name=workspace_name)


def next_workspaces(db: Queryable, names: Sequence[str]) -> list[str]:
    """`names`, the one first whose last complete reading is the oldest."""
    return [row["name"] for row in db.run(_SQL["next_workspaces"], names=list(names))]


def open_months(db: Queryable, now: datetime) -> int:
    """In how many workspaces the month began only now."""
    return int(db.run(_SQL["open_months"], now=now)[0]["opened"])


def health(db: Queryable) -> list[WorkspaceHealth]:
    """Every workspace that EmailBison reports on."""
    return [WorkspaceHealth(**row) for row in db.run(_SQL["health"])]


def hooks_due(db: Queryable, names: Sequence[str], *, before: datetime) -> list[str]:
    """Those whose registration was last looked at before that moment."""
    return [row["name"] for row in db.run(_SQL["hooks_due"], names=list(names), before=before)]


def hooks_checked(db: Queryable, names: Sequence[str], now: datetime) -> None:
    """So that they are not due again at once."""
    db.run(_SQL["hooks_checked"], names=list(names), now=now)


def keep_workspace(db: Queryable, name: str, *, workspace_id: int | None, instance_url: str) -> None:
    """Make the workspace known, or complete what is known of it. Safe to call twice."""
    db.run(_SQL["keep_workspace"], name=name, workspace_id=workspace_id, instance_url=instance_url)


def workspace_ids(db: Queryable, names: Sequence[str]) -> dict[str, int]:
    """Our name -> EmailBison's number, where it is known."""
    rows = db.run(_SQL["workspace_ids"], names=list(names))
    return {row["name"]: row["bison_workspace_id"] for row in rows}


def last_line(db: Queryable, workspace_name: str) -> int:
    """Id of the newest line in the workspace's log; 0 where there is none."""
    return int(db.run(_SQL["last_line"], workspace_name=workspace_name)[0]["id"])


def arrived_after(db: Queryable, workspace_name: str, event_type: str, line: int) -> bool:
    """Whether such a delivery has come in since that line was the newest."""
    rows = db.run(_SQL["arrived_after"], workspace_name=workspace_name, event_type=event_type, line=line)
    return bool(rows[0]["arrived"])


def snapshot_providers(db: Queryable, now: datetime) -> int:
    """How many rows of the day there are now. Safe to call twice."""
    return int(db.run(_SQL["snapshot_providers"], now=now)[0]["rows"])


def reply_rates(db: Queryable, now: datetime, *, days: int, days_before: int) -> list[Row]:
    """workspace_name, email_provider, previous_sent, previous_replies, current_sent, current_replies."""
    return db.run(_SQL["reply_rates"], now=now, days=days, days_before=days_before)


def metric_drift(db: Queryable, month: str) -> list[Row]:
    """workspace_name, metric, logged, counted, where the last two differ; `month` is its first day in ISO form."""
    return db.run(_SQL["metric_drift"], month=month)


def correct_metrics(db: Queryable, month: str, differences: Sequence[Row]) -> int:
    """Add each difference (workspace_name, metric, difference) to its counter."""
    return int(db.run(_SQL["correct_metrics"], month=month, differences=Json(list(differences)))[0]["corrected"])


def totals_to_settle(
    tx: Transaction, workspace_name: str, settled_before: datetime
) -> tuple[list[SettlingAccount], list[tuple[int, str]]]:
    """Accounts whose totals were noted before that moment, locked until the end of the transaction. One message.

    And the events around that time that name no account: line and metric.
    """
    names: dict[str, SqlValue] = {"workspace_name": workspace_name, "settled_before": settled_before}
    statements = [
        _SQL["lock_totals"].bind(workspace_name=workspace_name),
        *(_SQL[name].bind(**names) for name in ("lock_settling", "totals_to_settle", "loose_events")),
    ]
    *_, accounts, loose = tx.send_all(statements)
    return [SettlingAccount(**row) for row in accounts], [(row["id"], row["metric"]) for row in loose]


def settling(
    workspace_name: str,
    accounts: Sequence[SettlingAccount],
    gaps: Sequence[TotalsGap],
    named: Sequence[tuple[int, int]],
    settled_before: datetime,
) -> Iterator[Statement]:
    """Counts what is missing, goes on to the next comparison, and notes the present totals for it.

    `named`: lines of events that name no account, and whose they are.
    """
    at = {each.account_id: each.settling_at for each in accounts}
    missing: list[Mapping[str, SqlValue]] = [
        {
            "account_id": gap.account_id,
            "metric": gap.metric,
            "missing": gap.missing,
            "occurred_at": at[gap.account_id],
        }
        for gap in gaps
        if gap.missing
    ]
    if accounts:
        ahead: dict[int, dict[str, int]] = {each.account_id: {} for each in accounts}
        for gap in gaps:
            ahead[gap.account_id] |= {gap.metric: gap.ahead} if gap.ahead else {}
        advanced = Rows([{"account_id": number, "ahead": Json(by_metric)} for number, by_metric in ahead.items()])
        yield _SQL["advance_totals"].bind(
            accounts=advanced, workspace_name=workspace_name, settled_before=settled_before
        )
    if named:
        yield _SQL["name_accounts"].bind(events=Rows([{"id": line, "account_id": number} for line, number in named]))
    yield _SQL["begin_settling"].bind(workspace_name=workspace_name)
    # The counters last: everybody waits for them.
    if missing:
        yield _SQL["note_missing"].bind(gaps=Rows(missing), workspace_name=workspace_name)


def count_deliveries(db: Queryable, selection: Selection) -> tuple[int, int]:
    """All that match, and those of them that have had no effect yet."""
    row = db.run(_SQL["deliveries_to_replay"], **_matching(selection))[0]
    return row["deliveries"], row["waiting"]


def deliveries_to_replay(db: Queryable, selection: Selection, *, after: int, limit: int) -> list[Row]:
    """A page of the inbox, by id: id, workspace_name, body, received_at, headers."""
    return db.run(_SQL["replay_page"], after=after, limit=limit, **_matching(selection))


def _matching(selection: Selection) -> dict[str, Any]:
    return {
        "since": selection.since,
        "workspace_name": selection.workspace_name,
        "event_type": selection.event_type,
        "failed_only": selection.failed_only,
    }


def count_leads(db: Queryable, addresses: Sequence[str]) -> int:
    """Leads with one of these normalised addresses."""
    return int(db.run(_SQL["count_leads"], addresses=list(addresses))[0]["leads"])


def erase_leads(db: Queryable, addresses: Sequence[str]) -> int:
    """How many went. Safe to call twice."""
    return int(db.run(_SQL["erase_leads"], addresses=list(addresses))[0]["leads"])


def leads_of(db: Queryable, addresses: Sequence[str], *, limit: int) -> list[Row]:
    """Workspace, lead_id, status and the times that it follows from, newest first."""
    return db.run(_SQL["leads_of"], addresses=list(addresses), limit=limit)


def replies_of(db: Queryable, addresses: Sequence[str], *, limit: int) -> list[Row]:
    """workspace_name, received_at, is_auto_reply, newest first."""
    return db.run(_SQL["replies_of"], addresses=list(addresses), limit=limit)
