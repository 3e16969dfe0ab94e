"""Somebody wants no more mail: what their page says, and all that follows from their word."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime

from crm_relay.consent.models import ConsentEvent, ConsentKind
from crm_relay.consent.record import recording
from crm_relay.mail.decisions import EmailEvent
from crm_relay.mail.feedback import store
from crm_relay.mail.feedback.mail_events import MAILS, FoldedMail, ReportedEvent, fold_events, locks, reads
from crm_relay.mail.feedback.mail_names import Departure, MailNames
from crm_relay.mail.models import OwnedMail
from crm_relay.mail.purposes import is_to_colleagues
from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.sql import Statement
from crm_relay.webhooks.models import DeliveryOutcome

SOURCE = "unsubscribe"
_SUPPRESSED = "mail.suppressed"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,100}")


@dataclass(frozen=True)
class Reader:
    """Who opens the page. `masked` is their address for their eyes alone; `is_out`: they get nothing any more.

    `is_colleague`: the mail was a notification, and its topic is all that can be left.
    """

    organization: str
    masked: str
    topic: str | None
    is_out: bool
    is_out_of_topic: bool
    is_colleague: bool = False


@dataclass(frozen=True)
class UnsubscribeRequest:
    """What was asked for. `only_topic`: no more of this mail's topic; where it has none, no more at all.

    `reader` is whose token it is, None where that is not known yet; it is not kept.
    """

    token: str
    only_topic: bool
    at: datetime
    reader: Reader | None = field(default=None, compare=False)

    def to_body(self) -> bytes:
        """As it is kept while the database is away."""
        content = {"token": self.token, "only_topic": self.only_topic, "at": self.at.isoformat()}
        return json.dumps(content).encode()

    @classmethod
    def from_body(cls, body: bytes) -> "UnsubscribeRequest":
        """RejectedInput for anything that `to_body` did not make."""
        try:
            content = json.loads(body)
            return cls(str(content["token"]), content["only_topic"] is True, datetime.fromisoformat(content["at"]))
        except (ValueError, TypeError, LookupError):
            raise RejectedInput("not a kept request to unsubscribe") from None


@dataclass(frozen=True)
class Unsubscribed:
    """What a batch means. `refused` comes behind what follows from the departures.

    `colleagues`: the owners of mails to colleagues, who decide what their readers have left.
    """

    outcomes: Sequence[DeliveryOutcome]
    mails: Sequence[FoldedMail]
    departures: Sequence[Departure]
    writes: Sequence[Statement]
    refused: Sequence[Statement]
    colleagues: Sequence[OwnedMail] = ()


def may_be_token(token: str) -> bool:
    """Whether it has the form of ours; whatever else stands in a path is nobody's."""
    return _TOKEN.fullmatch(token) is not None


def reader_of(db: Queryable, token: str) -> Reader | None:
    """One statement that changes nothing; None where nobody has that token."""
    row = store.reader_of(db, token) if may_be_token(token) else None
    return None if row is None else _reader(row)


@dataclass(frozen=True)
class UnsubscribeBatch:
    """Requests that are applied together, in the order of arrival, and what is locked and read for them."""

    requests: Sequence[UnsubscribeRequest]

    @property
    def names(self) -> MailNames:
        """The mails whose links were used."""
        return MailNames(tokens=tuple(sorted({each.token for each in self.requests})))

    def locks(self) -> dict[str, Statement]:
        """Of the mails; the first of the transaction."""
        return locks(self.names)

    def reads(self) -> dict[str, Statement]:
        """Behind all locks."""
        return {**reads(self.names), _SUPPRESSED: store.suppressions_of(self.names.tokens)}

    def decide(self, rows: Mapping[str, list[Row]]) -> Unsubscribed:
        """By the rows of `locks` and `reads`."""
        mails = {row["unsubscribe_token"]: row for row in rows[MAILS]}
        found = [(each, mails[each.token]) for each in self.requests if each.token in mails]
        folded = fold_events([_reported(each, mail) for each, mail in found], rows)
        colleagues = [mail for _, mail in found if is_to_colleagues(mail["purpose"])]
        words = [
            _word(each, mail)
            for each, mail in found
            if mail["address"] is not None and not is_to_colleagues(mail["purpose"])
        ]
        outcomes = [
            DeliveryOutcome(processed=1) if each.token in mails else DeliveryOutcome(ignored=1)
            for each in self.requests
        ]
        departures = [departure for departure, _ in words]
        writes = [*folded.writes, *_recorded(words, rows[_SUPPRESSED])]
        mails_after, refused = list(folded.mails.values()), list(_refused(departures))
        return Unsubscribed(outcomes, mails_after, departures, writes, refused, [_owned(mail) for mail in colleagues])


def _owned(mail: Row) -> OwnedMail:
    return OwnedMail(mail["id"], mail["entity_type"], mail["entity_id"])


def _topic(request: UnsubscribeRequest, mail: Row) -> str | None:
    topic: str | None = mail["topic"] if request.only_topic else None
    return topic


def _reported(request: UnsubscribeRequest, mail: Row) -> ReportedEvent:
    """Once for each mail and topic, however often the button is pressed."""
    topic = _topic(request, mail)
    key = ":".join(filter(None, ("unsubscribe", str(mail["id"]), topic)))
    return ReportedEvent(EmailEvent(key, "unsubscribed", request.at, topic=topic), token=request.token)


def _word(request: UnsubscribeRequest, mail: Row) -> tuple[Departure, datetime]:
    topic = _topic(request, mail)
    reason = "opt_out" if topic is None else "topic_opt_out"
    return Departure(mail["address"], reason, mail["org_id"], topic), request.at


def _recorded(words: Sequence[tuple[Departure, datetime]], suppressed: Sequence[Row]) -> Iterator[Statement]:
    """Not by the mail's id: somebody who consents again and leaves again by the same link has left.

    A bounce is no word of theirs.
    """
    silent = {
        (row["org_id"], row["address"])
        for row in suppressed
        if row["suppressed_by"] not in (None, ConsentKind.HARD_BOUNCE.value)
    }
    events, topics = [], []
    for word, at in words:
        if word.topic is not None:
            names = {"org_id": word.org_id, "address": word.address, "topic": word.topic}
            topics.append({**names, "source": SOURCE, "occurred_at": at})
        elif (word.org_id, word.address) not in silent:
            silent.add((word.org_id, word.address))
            events.append(ConsentEvent(ConsentKind.OPT_OUT, word.address, SOURCE, at, org_id=word.org_id))
    if events:
        yield recording(events)
    if topics:
        yield store.leave_topics(topics)


def _refused(departures: Sequence[Departure]) -> Iterator[Statement]:
    """After the sequences have ended: by what is queued it is found whose last step is waiting."""
    different = dict.fromkeys(departures)
    if different:
        yield store.refuse_waiting([asdict(each) for each in different])


def _reader(row: Row) -> Reader:
    is_colleague = is_to_colleagues(row["purpose"])
    return Reader(
        organization=row["organization"] or "",
        masked=f"{row['first_letter']}•••@{row['domain_letter']}•••{row['ending'] or ''}"
        if row["first_letter"]
        else "",
        topic=row["topic"],
        is_out=row["is_out"] and not is_colleague,
        is_out_of_topic=row["is_out_of_topic"] and not is_colleague,
        is_colleague=is_colleague,
    )
