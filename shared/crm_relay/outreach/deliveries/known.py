"""What was read for a batch of deliveries, in our words."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crm_relay.outreach.decisions import LEAD_TIME_OF
from crm_relay.outreach.models import AccountState, Filling, LeadTime, OutreachWorkspace
from crm_relay.platform.database import Row
from crm_relay.providers.bison.instance import instance_host
from crm_relay.providers.bison.vocabulary import HANDLED_EVENTS
from crm_relay.webhooks.source import ReadRows

LeadKey = tuple[str, int]
"""A workspace's name and the lead's number in it."""

FillingKey = tuple[str, int, str]
"""A workspace's name, an account's number (UNKNOWN_ACCOUNT: those of all accounts) and a counter."""

UNKNOWN_ACCOUNT = -1
"""Of an event that names no account."""


@dataclass(frozen=True)
class KnownAccount:
    """An account and the workspace whose it is."""

    workspace_name: str
    state: AccountState


@dataclass(frozen=True)
class KnownOutreach:
    """What was read, by the names of today; `workspaces` by the names of the tokens.

    `events`: by workspace which keys were counted before, and whether each stands for itself; None where that was not
    read. `inbox_ids`: of deliveries that came before.
    `calls`: time and key of the event that last called a known lead interested.
    """

    workspaces: Mapping[str, OutreachWorkspace]
    calls: Mapping[LeadKey, tuple[datetime | None, str | None]]
    logged: Mapping[LeadKey, Mapping[LeadTime, datetime]]
    fillings: Mapping[FillingKey, list[Filling]]
    accounts: Mapping[int, KnownAccount]
    events: Mapping[str, Mapping[str, bool]] | None
    inbox_ids: Mapping[str, int] | None
    erased: frozenset[str]

    @classmethod
    def of(cls, rows: ReadRows) -> "KnownOutreach":
        """From the rows of `reads_of`."""
        leads = {(row["its_name"], each["lead_id"]): each for row in rows["workspaces"] for each in row["leads"] or ()}
        return cls(
            workspaces={row["workspace_name"]: _workspace(row) for row in rows["workspaces"]},
            calls={key: _call(lead) for key, lead in leads.items() if "told_by" in lead},
            logged={key: _logged(lead["logged"]) for key, lead in leads.items() if lead.get("logged")},
            fillings=_fillings(rows["workspaces"]),
            accounts={
                each["account_id"]: _account(each) for row in rows["workspaces"] for each in row["accounts"] or ()
            },
            events=_events(rows.get("known_events")),
            inbox_ids={row["dedupe_key"]: row["id"] for row in rows["inbox_ids"]} if "inbox_ids" in rows else None,
            erased=frozenset(mark for row in rows.get("erased", []) for mark in row["erased"]),
        )


def _events(rows: list[Row] | None) -> dict[str, dict[str, bool]] | None:
    if rows is None:
        return None
    known: dict[str, dict[str, bool]] = {}
    for row in rows:
        known.setdefault(row["workspace_key"], {})[row["event_key"]] = row["is_alone"]
    return known


def _workspace(row: Row) -> OutreachWorkspace:
    host = instance_host(row["bison_instance_url"] or "") or None
    return OutreachWorkspace(
        row["its_name"],
        row["its_key"],
        row["workspace_id"],
        row["org_id"],
        row["bison_workspace_id"],
        host,
        was_rejected=row["was_rejected"],
        counts_automated=row["counts_automated"],
    )


def _call(lead: Mapping[str, str | None]) -> tuple[datetime | None, str | None]:
    return _moment(lead["told_at"]), lead["told_by"]


def _logged(newest: Mapping[str, str]) -> dict[LeadTime, datetime]:
    times = {HANDLED_EVENTS[event_type]: at for event_type, at in newest.items() if event_type in HANDLED_EVENTS}
    return {LEAD_TIME_OF[kind]: datetime.fromisoformat(at) for kind, at in times.items() if kind in LEAD_TIME_OF}


def _fillings(rows: list[Row]) -> dict[FillingKey, list[Filling]]:
    fillings: dict[FillingKey, list[Filling]] = {}
    for row in rows:
        for each in row["fillings"] or ():
            moment = datetime.fromisoformat(each["occurred_at"])
            filling = Filling(each["id"], each["amount"], moment, each["of_account"])
            fillings.setdefault((row["its_name"], each["account_id"], each["metric"]), []).append(filling)
    return fillings


def _account(row: Mapping[str, Any]) -> KnownAccount:
    times = (_moment(row[name]) for name in ("status_at", "recheck_since", "removed_at"))
    return KnownAccount(row["workspace_name"], AccountState(row["status"], *times))


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
