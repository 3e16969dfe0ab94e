"""What replies mean for sequences: which ends what, and which has to wait; pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from crm_relay.campaigns.follow_up import Enrolled, stopped
from crm_relay.platform.database import Row

HEADERS_WAIT = timedelta(minutes=15)
"""So long a reply waits for the headers that show an automatic answer, before it is followed without them."""

ID_WAIT = timedelta(days=2)
"""So long a reply to a mail whose id is not known yet waits for that id."""

_BY_SENDER = frozenset({"bison", "gmail"})
"""Sources of mail that a person wrote to us, whatever it answers: it may end each sequence that they are in."""

_ID_WAITS = {"bison": timedelta(), "gmail": timedelta(hours=1)}
"""Where it is shorter: EmailBison names no mail of ours, and a mailbox has much mail that answers nothing."""


@dataclass(frozen=True)
class Replies:
    """What a look at the replies changes. `looked_at`: by item, the enrollment and thread that it belongs to."""

    looked_at: Mapping[UUID, tuple[UUID | None, str | None]]
    answered: Sequence[UUID]
    noted: Mapping[UUID, tuple[datetime, str | None]]


def ends_sequence(reply: Mapping[str, Any]) -> bool:
    """An automatic reply ends nothing; one to a mailbox of ours ends a campaign, any other a step that was done."""
    if reply["is_auto_reply"]:
        return False
    return bool(reply["follows_stopping_step"] or (reply["source"] in _BY_SENDER and reply["has_stopping_step"]))


def look_at(replies: Sequence[Row], now: datetime) -> Replies:
    """`replies`: a row for each item and enrollment it may belong to (enrollment_id None: to none that is known)."""
    ready = [each for each in replies if each["enrollment_id"] is not None and _is_ready(each, now)]
    first: dict[UUID, Row] = {}
    for each in sorted(ready, key=lambda row: (not ends_sequence(row), str(row["enrollment_id"]))):
        first.setdefault(each["inbox_item_id"], each)
    looked_at: dict[UUID, tuple[UUID | None, str | None]] = {
        key: (each["enrollment_id"], each["thread_id"]) for key, each in first.items()
    }
    for each in replies:
        if each["inbox_item_id"] not in looked_at and _is_given_up(each, now):
            looked_at[each["inbox_item_id"]] = (None, None)
    answered = sorted({each["enrollment_id"] for each in ready if ends_sequence(each)})
    return Replies(looked_at, answered, _noted(ready, now))


def after_reply(enrolled: Enrolled, noted: tuple[datetime, str | None] | None) -> Enrolled:
    """The first reply's time stays, and the thread that is known."""
    if noted is None:
        return enrolled
    at, thread = noted
    first = at if enrolled.replied_at is None else min(enrolled.replied_at, at)
    return replace(enrolled, replied_at=first, thread_id=enrolled.thread_id or thread)


def after_replies(enrolled: Iterable[Row], replies: Replies) -> tuple[list[Enrolled], dict[UUID, str], int]:
    """Enrollments that change, why what is queued is taken back, and how many sequences end.

    A colleague in a campaign that stops the whole account ends with the one who answered.
    """
    changed, reasons, ended = [], {}, 0
    answered = set(replies.answered)
    for row in enrolled:
        before = Enrolled.of(row)
        after = after_reply(before, replies.noted.get(before.id))
        if before.id in answered:
            after, reasons[before.id] = stopped(after, "replied", "replied"), "replied"
        elif row["is_colleague"]:
            after, reasons[before.id] = stopped(after, "stopped", "company_replied"), "company_replied"
        ended += after.status != before.status
        if after != before:
            changed.append(after)
    return changed, reasons, ended


def reasons_of_locked(locked: Mapping[UUID, bool], replies: Replies) -> dict[UUID, str]:
    """Why what is queued is taken back of enrollments whose row is locked; `locked`: whether it is a colleague's."""
    answered = {each: "replied" for each in locked if each in set(replies.answered)}
    colleagues = {each: "company_replied" for each, is_colleague in locked.items() if is_colleague}
    return colleagues | answered


def without_locked(replies: Replies, locked: Mapping[UUID, bool]) -> Replies:
    """Those whose enrollment is locked are looked at again: every reply that stops, where a colleague's is."""
    waits = set(locked) | (set(replies.answered) if any(locked.values()) else set())
    looked_at = {key: owner for key, owner in replies.looked_at.items() if owner[0] not in waits}
    return replace(replies, looked_at=looked_at)


def _is_ready(reply: Row, now: datetime) -> bool:
    """Where nobody can read the headers, the person is not written to until then."""
    received: datetime | None = reply["received_at"]
    return not reply["lacks_headers"] or received is None or received <= now - HEADERS_WAIT


def _is_given_up(reply: Row, now: datetime) -> bool:
    received: datetime | None = reply["received_at"]
    wait = _ID_WAITS.get(reply["source"], ID_WAIT)
    return not wait or received is None or received < now - wait


def _noted(ready: Sequence[Row], now: datetime) -> dict[UUID, tuple[datetime, str | None]]:
    noted: dict[UUID, tuple[datetime, str | None]] = {}
    written = [each for each in ready if not each["is_auto_reply"]]
    for each in sorted(written, key=lambda row: row["received_at"] or now):
        noted.setdefault(each["enrollment_id"], (each["received_at"] or now, each["thread_id"]))
    return noted
