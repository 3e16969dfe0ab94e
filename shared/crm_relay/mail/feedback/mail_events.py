"""What events of mails make of the ledger: what is read for them, and what they change there. No input or output."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from uuid import UUID

from crm_relay.mail.decisions import EmailEvent, LedgerEntry, MailState, fold
from crm_relay.mail.feedback import store
from crm_relay.mail.feedback.mail_names import MailNames
from crm_relay.platform.database import Row
from crm_relay.platform.sql import Statement

MAILS, LOGS, KNOWN, TURN = "mail.mails", "mail.logs", "mail.known", "mail.turn"
_ONLY_MAIL = "mail.only_mail"
_STATE = tuple(each.name for each in fields(MailState) if each.name not in {"verdicts", "reasons"})
_SAID = ("link", "user_agent", "bounce_type", "reason", "message_id", "topic")
_NOT_JUDGED: dict[str, str | None] = {"verdict": None, "verdict_reason": None}
_KEPT_OF_ERASED = ("bounce_type", "topic")


@dataclass(frozen=True)
class ReportedEvent:
    """An event of a mail. Its mail is found by `send`, which also does where the answer with the id was lost.

    `address`: the only recipient, normalised. `suppresses`: what it is to the ledger of consent. `is_erased`: somebody
    in it was erased.
    """

    event: EmailEvent
    email_id: str | None = None
    send: UUID | None = None
    token: str | None = None
    address: str | None = None
    suppresses: str | None = None
    is_erased: bool = False


@dataclass(frozen=True)
class FoldedMail:
    """A mail after new events. `seen`: each of them with the mail's status behind it, in the order of arrival."""

    row: Row
    state: MailState
    seen: tuple[tuple[EmailEvent, str], ...]

    @cached_property
    def as_row(self) -> Row:
        """Its row, as it becomes."""
        return {**self.row, **{name: getattr(self.state, name) for name in _STATE}}


@dataclass(frozen=True)
class FoldedEvents:
    """`mails` by id. Of the events `matched` has the mail of each, `unmatched` those that wait for one."""

    mails: Mapping[UUID, FoldedMail]
    matched: Sequence[tuple[ReportedEvent, Row]]
    unmatched: Sequence[ReportedEvent]
    known: frozenset[str]
    writes: Sequence[Statement]


def names_of(reported: Iterable[ReportedEvent], *, by_every_name: bool = False) -> MailNames:
    """In one order, so that the same batch is the same text.

    Our own id is enough for nearly every event; `by_every_name` also looks for the provider's.
    """
    events = list(reported)
    by_email_id = [each for each in events if by_every_name or each.send is None]
    return MailNames(
        tuple(sorted({each.send for each in events if each.send is not None})),
        tuple(sorted({each.email_id for each in by_email_id if each.email_id is not None})),
        tuple(sorted({each.token for each in events if each.token is not None})),
    )


def locks(names: MailNames) -> dict[str, Statement]:
    """The mails, by id. A row that was waited for is returned as it became; whatever is joined to it is not.

    A single mail comes with its events, which only who holds it may add to.
    """
    if names.only_send is not None:
        return {_ONLY_MAIL: store.lock_mail(names.only_send)}
    return {MAILS: store.lock_mails(names)} if names else {}


def reads(names: MailNames, keys: Sequence[str] = ()) -> dict[str, Statement]:
    """Behind the locks. `keys` of the events: where the unique index has refused one of them."""
    known = {KNOWN: store.known_events(keys)} if keys else {}
    logs = {} if names.only_send is not None else {LOGS: store.logs_of(names)}
    return {**logs, **known} if names else {}


def rows_of_mails(rows: Mapping[str, list[Row]]) -> Mapping[str, list[Row]]:
    """The rows of `locks` and `reads`, under the same names whether there is one mail or several."""
    if _ONLY_MAIL not in rows or MAILS in rows:
        return rows
    mails, logs = store.mail_and_logs(rows[_ONLY_MAIL])
    return {**rows, MAILS: mails, LOGS: logs}


def lacks_turn(reported: Sequence[ReportedEvent], rows: Mapping[str, list[Row]]) -> bool:
    """Whether an event has no mail by what was looked for, or its mail gets the provider's id by it.

    Its mail may be getting that id from the provider's answer at this moment.
    """
    find = _Finder(rows.get(MAILS, ()))
    mails = [find.mail_of(each) for each in reported]
    return TURN not in rows and any(mail is None or mail["resend_id"] is None for mail in mails)


def turn() -> dict[str, Statement]:
    """Waits until answers of the provider that are being recorded have committed; mails are looked for again then."""
    return {TURN: store.wait_for_answers()}


def fold_events(reported: Sequence[ReportedEvent], rows: Mapping[str, list[Row]]) -> FoldedEvents:
    """Each event once, in the order of arrival; the state is the same in every order."""
    return _Folding(rows).run(reported)


def adopt_events(
    mails: Iterable[Row], waiting: Iterable[Row], logs: Iterable[Row]
) -> tuple[list[FoldedMail], list[Row]]:
    """Events that came before these mails had their ids, and the rows by which the log says whose they are."""
    histories = _histories(logs)
    mine: dict[str, list[Row]] = {}
    for each in waiting:
        mine.setdefault(each["resend_id"], []).append(each)
    folded, adopted = [], []
    for mail in mails:
        history = histories.get(mail["id"], [])
        for log in mine.get(mail["resend_id"] or "", ()):
            log = _bare(log) if mail["address"] is None else log
            history.append(_event(log))
            adopted.append({**log, "email_send_id": mail["id"]})
        state = fold(_ledger(mail), history)
        folded.append(FoldedMail(mail, state, ()))
    judged = _judged(folded)
    return folded, [{**each, **judged.get(each["event_key"], _NOT_JUDGED)} for each in adopted]


def changed_rows(mails: Iterable[FoldedMail]) -> list[Row]:
    """Those whose row differs from its state."""
    return [each.as_row for each in mails if each.as_row != each.row]


class _Finder:
    """Which of the locked mails an event is about."""

    def __init__(self, mails: Iterable[Row]) -> None:
        rows = list(mails)
        self._by_id = {row["id"]: row for row in rows}
        self._by_email_id = {row["resend_id"]: row for row in rows if row["resend_id"] is not None}
        self._by_token = {row["unsubscribe_token"]: row for row in rows}

    def mail_of(self, reported: ReportedEvent) -> Row | None:
        if reported.token is not None:
            return self._by_token.get(reported.token)
        tagged = self._by_id.get(reported.send) if reported.send is not None else None
        return tagged or (self._by_email_id.get(reported.email_id) if reported.email_id is not None else None)

    def takes_id(self, mail: Row, email_id: str | None) -> bool:
        """Whether the mail has no id of the provider yet, and no other mail has this one."""
        return email_id is not None and mail["resend_id"] is None and email_id not in self._by_email_id

    def note_id(self, mail: Row, email_id: str) -> Row:
        row = {**mail, "resend_id": email_id}
        self._by_id[row["id"]] = self._by_email_id[email_id] = row
        return row


@dataclass
class _Folding:
    rows: Mapping[str, list[Row]]
    logs: list[Row] = field(default_factory=list)
    seen: dict[UUID, list[tuple[EmailEvent, str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.find = _Finder(self.rows.get(MAILS, ()))
        self.before = {row["id"]: row for row in self.rows.get(MAILS, ())}
        self.histories = _histories(self.rows.get(LOGS, ()))
        self.keys = {row["event_key"] for name in (LOGS, KNOWN) for row in self.rows.get(name, ())}

    def run(self, reported: Sequence[ReportedEvent]) -> FoldedEvents:
        matched, unmatched, known, mails = [], [], set(), {}
        for each in reported:
            mail = self.find.mail_of(each)
            if each.event.key in self.keys:
                known.add(each.event.key)
                continue
            self.keys.add(each.event.key)
            if mail is None:
                unmatched.append(each)
            else:
                mail, mails[mail["id"]] = self._fold(each, mail)
                matched.append((each, mail))
            self.logs.append(_log(each, mail))
        return FoldedEvents(mails, matched, unmatched, frozenset(known), list(self._writes(mails)))

    def _fold(self, reported: ReportedEvent, mail: Row) -> tuple[Row, FoldedMail]:
        if reported.email_id is not None and self.find.takes_id(mail, reported.email_id):
            mail = self.find.note_id(mail, reported.email_id)
        event = _kept(reported, mail)
        history = self.histories.setdefault(mail["id"], [])
        history.append(event)
        state = fold(_ledger(self.before[mail["id"]]), history)
        seen = self.seen.setdefault(mail["id"], [])
        seen.append((event, state.status))
        return mail, FoldedMail(mail, state, tuple(seen))

    def _writes(self, mails: Mapping[UUID, FoldedMail]) -> Iterator[Statement]:
        judged = _judged(mails.values())
        logs = [{**log, **judged.get(log["event_key"], _NOT_JUDGED)} for log in self.logs]
        changed = [each.as_row for each in mails.values() if each.as_row != self.before[each.row["id"]]]
        if len(logs) == len(changed) == 1 and logs[0]["email_send_id"] == changed[0]["id"]:
            yield store.record_mail_event(logs[0], changed[0])
            logs, changed = [], []
        if logs:
            yield store.add_logs(logs)
        known = [
            (log, judged.get(log["event_key"], _NOT_JUDGED))
            for log in self.rows.get(LOGS, ())
            if log["email_send_id"] in mails
        ]
        changed_verdicts = [
            {"id": log["id"], **now} for log, now in known if any(log[name] != now[name] for name in now)
        ]
        if changed_verdicts:
            yield store.judge_logs(changed_verdicts)
        if changed:
            yield store.record_mails(changed)


def _judged(mails: Iterable[FoldedMail]) -> dict[str, dict[str, str | None]]:
    """Verdict and reason of each open and click, by the event's key."""
    return {
        key: {"verdict": verdict, "verdict_reason": each.state.reasons[key]}
        for each in mails
        for key, verdict in each.state.verdicts.items()
    }


def _ledger(mail: Row) -> LedgerEntry:
    return LedgerEntry(
        mail["status"],
        mail["sent_at"],
        mail["links"],
        mail["unsubscribe_token"],
        mail["message_id"],
        mail["error_message"],
    )


def _histories(logs: Iterable[Row]) -> dict[UUID, list[EmailEvent]]:
    found: dict[UUID, list[EmailEvent]] = {}
    for log in logs:
        found.setdefault(log["email_send_id"], []).append(_event(log))
    return found


def _event(log: Row) -> EmailEvent:
    said = {name: log["event_data"].get(name) for name in _SAID}
    return EmailEvent(log["event_key"], log["event_type"], log["occurred_at"], **said)


def _bare(log: Row) -> Row:
    return {
        **log,
        "event_data": {name: log["event_data"][name] for name in _KEPT_OF_ERASED if name in log["event_data"]},
    }


def _kept(reported: ReportedEvent, mail: Row | None) -> EmailEvent:
    """What may be kept of the event: of somebody who was erased its kind, its time and the kind of a bounce."""
    is_erased = reported.is_erased or (mail is not None and mail["address"] is None)
    if not is_erased:
        return reported.event
    return replace(reported.event, link=None, user_agent=None, reason=None, message_id=None)


def _log(reported: ReportedEvent, mail: Row | None) -> dict[str, object]:
    event = _kept(reported, mail)
    said = {name: getattr(event, name) for name in _SAID}
    return {
        "email_send_id": None if mail is None else mail["id"],
        "event_type": event.kind,
        "event_data": {name: value for name, value in said.items() if value is not None},
        "occurred_at": event.occurred_at,
        "event_key": event.key,
        "resend_id": reported.email_id,
    }
