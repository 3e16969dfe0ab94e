"""What a batch of deliveries writes, put together event by event."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from crm_relay.consent.models import ConsentEvent
from crm_relay.consent.record import recording
from crm_relay.consent.waiting.waiting_opt_outs import WaitingOptOut, keeping
from crm_relay.incidents.models import Incident
from crm_relay.incidents.record import opening
from crm_relay.outreach.decisions import is_newer_call, later_state, replaced_filling
from crm_relay.outreach.deliveries.attempts import Attempts, attempts_row
from crm_relay.outreach.deliveries.event_keys import EventKeys
from crm_relay.outreach.deliveries.give_opt_outs import SOURCE, giving_opt_outs, waiting_opt_out
from crm_relay.outreach.deliveries.known import UNKNOWN_ACCOUNT, KnownAccount, KnownOutreach, LeadKey
from crm_relay.outreach.models import LeadTime, Meaning, OutreachWorkspace
from crm_relay.platform.sql import Rows, SqlValue, Statement, queries_beside
from crm_relay.providers.bison.events import BisonEvent, LeadReply, SenderAccount

_SQL = queries_beside(__file__)
_OTHER_TIMES: tuple[LeadTime, ...] = ("replied_at", "bounced_at", "unsubscribed_at")

# A single delivery is recorded in one statement, by its numbers of counters, interested leads, moved leads and replies.
_SINGLE = {
    (0, 0, 0, 0): _SQL["record_attempt"],
    (1, 0, 0, 0): _SQL["record_event"],
    (1, 0, 1, 0): _SQL["record_lead_event"],
    (1, 0, 1, 1): _SQL["record_reply"],
    (1, 1, 0, 1): _SQL["record_interested"],
}
Values = dict[str, SqlValue]


@dataclass
class _Lead:
    """`call` is the newest event of the batch that called the lead interested."""

    times: dict[LeadTime, datetime] = field(default_factory=dict)
    call: BisonEvent | None = None


@dataclass
class Changes:
    """One event after the other, as if each had been written before the next was decided."""

    known: KnownOutreach
    instance: str
    received_at: datetime
    lines: list[Values] = field(default_factory=list)
    incidents: dict[str, Incident] = field(default_factory=dict)
    _leads: dict[LeadKey, _Lead] = field(default_factory=dict)
    _replies: dict[str, Values] = field(default_factory=dict)
    _suppressions: list[ConsentEvent] = field(default_factory=list)
    _waiting: list[WaitingOptOut] = field(default_factory=list)
    keys: EventKeys = field(default_factory=EventKeys)
    _taken: dict[int, int] = field(default_factory=dict)
    _counts: Counter[tuple[str, str, datetime]] = field(default_factory=Counter)
    _accounts: dict[int, KnownAccount] = field(default_factory=dict)
    _added: dict[int, SenderAccount] = field(default_factory=dict)
    _good: set[str] = field(default_factory=set)
    _attempts: dict[tuple[str, datetime], Attempts] = field(default_factory=dict)

    def apply(self, workspace: OutreachWorkspace, event: BisonEvent, meaning: Meaning) -> int | None:
        """Everything but the line in the log. The account for which it counts, also where the event names none."""
        if meaning.lead is not None and meaning.lead_time is not None:
            self._move_lead((workspace.name, meaning.lead.lead_id), event, meaning.lead_time)
        if meaning.reply is not None:
            self._add_reply(workspace, event, meaning.reply)
        if meaning.waits:
            self._waiting.append(waiting_opt_out(workspace, event))
        if meaning.suppression is not None and event.address is not None:
            self._suppressions.append(
                ConsentEvent(
                    meaning.suppression,
                    event.address,
                    SOURCE,
                    event.occurred_at,
                    source_event=f"{workspace.key}:{event.key}",
                    org_id=workspace.org_id,
                )
            )
        if meaning.account is not None and event.account is not None:
            self._change_account(workspace.name, event.account, meaning)
        if workspace.was_rejected:
            self._good.add(workspace.name)
        account_id = event.account.account_id if event.account else None
        metric = meaning.metric or meaning.shown_in
        if metric is None:
            return account_id
        return self._count(workspace.name, event, metric, amount=int(meaning.metric is not None))

    def _move_lead(self, key: LeadKey, event: BisonEvent, time: LeadTime) -> None:
        lead = self._leads.setdefault(key, _Lead())
        lead.times[time] = max(event.occurred_at, lead.times.get(time, event.occurred_at))
        if time == "interested_at":
            known = None if lead.call is None else (lead.call.occurred_at, lead.call.key)
            lead.call = event if is_newer_call(event, known) else lead.call

    def _add_reply(self, workspace: OutreachWorkspace, event: BisonEvent, reply: LeadReply) -> None:
        external_id = f"{workspace.key}:{reply.external_id}"
        self._replies.setdefault(
            external_id,
            {
                "org_id": workspace.org_id,
                "workspace_id": workspace.id,
                "external_id": external_id,
                "thread_id": reply.thread_id,
                "from_address": reply.from_address or (event.lead.email if event.lead else None),
                "subject": reply.subject,
                "received_at": reply.received_at or event.occurred_at,
                "is_automated": reply.is_automated,
            },
        )

    def _change_account(self, workspace_name: str, account: SenderAccount, meaning: Meaning) -> None:
        """A webhook speaks for the accounts of its own workspace; only the poll moves one."""
        if meaning.account is None:
            return
        known = self._accounts.get(account.account_id) or self.known.accounts.get(account.account_id)
        if known is None:
            self._added[account.account_id] = account
            self._accounts[account.account_id] = KnownAccount(workspace_name, meaning.account)
        elif known.workspace_name == workspace_name:
            state = later_state(known.state, meaning.account)
            if state is not known.state:
                self._accounts[account.account_id] = KnownAccount(workspace_name, state)

    def _count(self, workspace_name: str, event: BisonEvent, metric: str, *, amount: int) -> int | None:
        account_id = event.account.account_id if event.account else None
        key = (workspace_name, UNKNOWN_ACCOUNT if account_id is None else account_id, metric)
        left = [
            replace(each, amount=self._taken.get(each.id, each.amount)) for each in self.known.fillings.get(key, [])
        ]
        replaced = replaced_filling(left, event.occurred_at)
        if replaced is not None:
            account_id = replaced.account_id
            self._taken[replaced.id] = replaced.amount
            self._add(workspace_name, metric, -1, replaced.occurred_at)
        self._add(workspace_name, metric, amount, event.occurred_at)
        return account_id

    def _add(self, workspace_name: str, metric: str, amount: int, at: datetime) -> None:
        """A quarter of an hour is in one month, whatever the workspace's zone."""
        quarter = at.replace(minute=at.minute // 15 * 15, second=0, microsecond=0)
        self._counts[workspace_name, metric, quarter] += amount

    def count_attempt(self, workspace_name: str, received_at: datetime, *, success: bool) -> None:
        """One of the calls by which the health of the workspace is judged."""
        slot = received_at.replace(minute=received_at.minute // 5 * 5, second=0, microsecond=0)
        attempts = self._attempts.setdefault((workspace_name, slot), Attempts(received_at))
        attempts.last_at = max(attempts.last_at, received_at)
        attempts.deliveries += 1
        attempts.successes += success

    def statements(self) -> Iterator[Statement]:
        """One a table, in the order of the locks: the ledger, accounts, leads, replies, the log, then the counters."""
        if self._taken:
            taken = Rows([{"id": line, "amount": amount} for line, amount in sorted(self._taken.items())])
            yield _SQL["change_fillings"].bind(fillings=taken)
        yield from self.keys.statements()
        if self._waiting:
            yield keeping(self._waiting)
            yield giving_opt_outs()
        if self._suppressions:
            yield recording(self._suppressions)
        yield from self._account_statements()
        if self.incidents:
            yield opening(list(self.incidents.values()), self.received_at)
        kept, moved = self._lead_rows()
        replies = [self._replies[name] for name in sorted(self._replies)]
        single = self._single_statement(kept, moved, replies)
        if single is not None:
            yield single
            return
        if kept:
            yield _SQL["put_leads"].bind(leads=Rows(kept))
        if moved:
            yield _SQL["move_lead_times"].bind(leads=Rows(moved))
        if replies:
            yield _SQL["add_replies"].bind(replies=Rows(replies))
        yield from self._counter_statements()

    def _single_statement(self, kept: list[Values], moved: list[Values], replies: list[Values]) -> Statement | None:
        """All the rest of a single delivery, if it is one of the usual ones."""
        counts = [amount for amount in self._counts.values() if amount]
        if not len(self.lines) == len(self._attempts) == 1 or counts not in ([], [1]) or self._good:
            return None
        row: Values = {}
        for lead in (*kept, *moved):
            row |= lead | {"its_id": lead["lead_id"]}
            if "received_at" in lead:
                row["lead_received_at"] = lead["received_at"]
        for reply in replies:
            row |= reply | {"reply_received_at": reply["received_at"]}
        # The line overwrites the lead's `lead_id`, and the attempt every `received_at`.
        ((workspace_name, _), attempts), *_ = self._attempts.items()
        row |= self.lines[0] | {"workspace_key": self.lines[0]["workspace_name"]}
        row |= attempts_row(workspace_name, attempts)
        query = _SINGLE.get((len(counts), len(kept), len(moved), len(replies)))
        return None if query is None else query.bind(**row)

    def _counter_statements(self) -> Iterator[Statement]:
        """The later month first, which is the order of a single event and the filling that it replaces."""
        if self.lines:
            lines = sorted(self.lines, key=lambda line: (str(line["workspace_name"]), str(line["event_key"])))
            yield _SQL["add_lines"].bind(lines=Rows(lines))
        counts: list[Values] = [
            {"workspace_name": name, "metric": metric, "amount": amount, "occurred_at": quarter}
            for (name, metric, quarter), amount in sorted(self._counts.items(), key=_later_first)
            if amount
        ]
        if counts:
            yield _SQL["count_events"].bind(counts=Rows(counts))
        if self._good:
            yield _SQL["forget_rejections"].bind(names=sorted(self._good))
        if self._attempts:
            attempts = [attempts_row(name, each) for (name, _), each in sorted(self._attempts.items())]
            yield _SQL["add_attempts"].bind(attempts=Rows(attempts))

    def _lead_rows(self) -> tuple[list[Values], list[Values]]:
        """Leads with new data of the person, and those with new times alone."""
        kept: list[Values] = []
        moved: list[Values] = []
        for key, lead in sorted(self._leads.items()):
            if lead.call is not None and is_newer_call(lead.call, self.known.calls.get(key)):
                kept.append(_lead_row(key, lead.call) | self._times_of(key, lead))
            elif lead.times.keys() & set(_OTHER_TIMES):
                moved.append(_key_row(key) | {name: lead.times.get(name) for name in _OTHER_TIMES})
        return kept, moved

    def _times_of(self, key: LeadKey, lead: _Lead) -> Values:
        """With what the log has of a lead that was not known."""
        logged: Mapping[LeadTime, datetime] = {} if key in self.known.calls else self.known.logged.get(key, {})
        both = [(name, times[name]) for times in (lead.times, logged) for name in _OTHER_TIMES if name in times]
        return {name: max((at for each, at in both if each == name), default=None) for name in _OTHER_TIMES}

    def _account_statements(self) -> Iterator[Statement]:
        states: dict[int, Values] = {
            number: {"account_id": number, **vars(known.state)} for number, known in sorted(self._accounts.items())
        }
        added = [
            states[number] | _account_row(account) | {"workspace_name": self._accounts[number].workspace_name}
            for number, account in sorted(self._added.items())
        ]
        changed = [state for number, state in states.items() if number not in self._added]
        if added:
            yield _SQL["add_accounts"].bind(accounts=Rows([row | {"instance": self.instance} for row in added]))
        if changed:
            yield _SQL["put_account_states"].bind(accounts=Rows(changed), instance=self.instance)


def _key_row(key: LeadKey) -> Values:
    return {"workspace_name": key[0], "lead_id": key[1]}


def _lead_row(key: LeadKey, event: BisonEvent) -> Values:
    received_at = event.reply.received_at if event.reply else None
    return _key_row(key) | {
        "email": event.lead.email if event.lead else None,
        "first_name": event.lead.first_name if event.lead else None,
        "last_name": event.lead.last_name if event.lead else None,
        "company": event.lead.company if event.lead else None,
        "title": event.lead.title if event.lead else None,
        "received_at": received_at or event.occurred_at,
        "campaign_id": event.campaign_id,
        "campaign_name": event.campaign_name,
        "account_id": event.account.account_id if event.account else None,
        "called_at": event.occurred_at,
        "called_by": event.key,
    }


def _account_row(account: SenderAccount) -> Values:
    return {
        "email": account.email,
        "name": account.name,
        "account_type": account.account_type,
        "daily_limit": account.daily_limit,
        "provider": account.provider,
        "reseller": account.reseller,
    }


def _later_first(count: tuple[tuple[str, str, datetime], int]) -> tuple[str, float, str]:
    (workspace_name, metric, quarter), _ = count
    return workspace_name, -quarter.timestamp(), metric
