"""Digests that are due: what is still worth saying leaves as one message, the rest drops out or waits."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from crm_relay.mail.models import Mail, id_of_send
from crm_relay.mail.purposes import NOTIFICATION_LANES
from crm_relay.mail.queue import queueing
from crm_relay.notifications import store as requests_store
from crm_relay.notifications.models import Channel, ChannelDecision, Verdict
from crm_relay.notifications.preferences import slack_webhook_of
from crm_relay.notifications.release import store
from crm_relay.notifications.release.context import ReleaseContext
from crm_relay.notifications.release.digest_text import DigestLine, DigestText
from crm_relay.notifications.release.due import DueDelivery
from crm_relay.notifications.release.letters import DigestLetter, mail_of_digest
from crm_relay.platform.database import Database, Row, Transaction
from crm_relay.platform.errors import OF_ONE_ROW, RejectedInput, describe_error
from crm_relay.platform.logging import logger
from crm_relay.platform.sql import Statement
from crm_relay.rules.in_parts import in_parts

DROPPED = "left_digest"
"""Why a member waits that is not worth a line any more: the gates say at once what becomes of it."""


@dataclass
class ReleasedDigests:
    """What one transaction did; `claimed` are those it took up, also where the database refuses what it made."""

    claimed: tuple[UUID, ...] = ()
    fates: Counter[str] = field(default_factory=Counter)


def release_digests(
    db: Transaction, context: ReleaseContext, now: datetime, batch: ReleasedDigests, *, limit: int
) -> None:
    """At most six statements, whatever the number of digests. `batch` is filled as it goes on.

    Several that are due for one person and channel, because we were down, leave as one. A member is never dropped
    here: it goes back among the deliveries, which records why it does not leave. Digests of which another transaction
    has a member wait for the next run.
    """
    rows = store.claim_digests(db, now, limit=limit)
    batch.claimed = tuple(row["id"] for row in rows)
    taken = store.take_members(db, batch.claimed)
    members: dict[UUID, list[DueDelivery]] = {}
    for row in taken.rows:
        members.setdefault(row["digest_id"], []).append(DueDelivery(row))
    releasing = _DigestBatch(context, now)
    done: list[UUID] = []
    for group in _by_person(rows):
        held = [member for row in group for member in members.get(row["id"], ())]
        if all(member.id in taken.ours for member in held):
            releasing.one(group[0], group[1:], held)
            done += (row["id"] for row in group)
    batch.claimed = tuple(done)
    later = requests_store.join_digests(db, list(releasing.later.values()), now)
    if done:
        db.finish(releasing.statements(later))
    batch.fates.update(releasing.fates)


def set_aside(db: Database, context: ReleaseContext, digests: Sequence[UUID], why: str, now: datetime) -> None:
    """Members that cannot be read fail alone, and the others leave with the next try.

    Where the fault is no member's, the digest fails and all its members with it. Raises RejectedInput where there is
    none.
    """
    if not digests:
        raise RejectedInput(why)
    members = store.member_ids(db, digests)
    unreadable = _unreadable(db, context, digests, members, now)
    logger().error(
        "a digest cannot be released",
        digests=[str(each) for each in digests],
        members=[str(each) for each in unreadable],
        reason=why,
    )
    db.transact(lambda tx: _fail(tx, digests, unreadable, now))


def _unreadable(
    db: Database, context: ReleaseContext, digests: Sequence[UUID], members: Sequence[UUID], now: datetime
) -> Sequence[UUID]:
    """Those that stop their digest; none where it is not theirs."""

    def read(part: Sequence[UUID]) -> None:
        for row in store.members_of(db, digests, part):
            member, line = DueDelivery(row), _line(row)
            member.decide_as_member(now, configured=context.configured)
            DigestText([line], None, context.links).email()

    try:
        return list(in_parts(members, read))
    except OF_ONE_ROW:
        return []


def _fail(tx: Transaction, digests: Sequence[UUID], unreadable: Sequence[UUID], now: datetime) -> None:
    """What another transaction has is looked at again by the next run."""
    ours = store.lock_members(tx, digests)
    if unreadable:
        failed = [_member_record(each, "failed", "refused") for each in unreadable if each in ours]
        tx.finish([store.recording_deliveries(failed, now)])
        return
    if ours.issuperset(store.member_ids(tx, digests)):
        records = [_digest(each, "failed", reason="refused") for each in digests]
        members = [_member_record(each, "failed", "refused", digest_id=digests[0]) for each in ours]
        tx.finish([store.recording_deliveries(members, now), store.recording_digests(records, now)])


def _by_person(rows: Sequence[Row]) -> list[list[Row]]:
    """Those of one person and channel together, the latest first."""
    groups: dict[tuple[UUID, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["user_id"], row["channel"]), []).append(row)
    return list(groups.values())


@dataclass
class _DigestBatch:
    context: ReleaseContext
    now: datetime
    digests: list[dict[str, Any]] = field(default_factory=list)
    members: list[dict[str, Any]] = field(default_factory=list)
    mails: list[Mail] = field(default_factory=list)
    later: dict[tuple[UUID, str, datetime], dict[str, Any]] = field(default_factory=dict)
    waiting: list[tuple[DueDelivery, tuple[UUID, str, datetime]]] = field(default_factory=list)
    fates: Counter[str] = field(default_factory=Counter)

    def one(self, head: Row, merged: Sequence[Row], members: Sequence[DueDelivery]) -> None:
        """`head` leaves with the members of all; the others are empty then."""
        decided = [
            (each, each.decide_as_member(self.now, configured=self.context.configured))
            for each in sorted(members, key=lambda each: (each.row["created_at"], each.id))
        ]
        going = [each for each, decision in decided if decision.verdict is Verdict.SEND]
        held = [(each, decision) for each, decision in decided if decision.verdict is Verdict.HOLD]
        dropped = [each for each, decision in decided if decision.verdict is Verdict.SKIP]
        self.members += [_member(each, "waiting", DROPPED, not_before=self.now) for each in dropped]
        self._fate([_digest(row["id"], "empty", reason="merged") for row in merged])
        for each, decision in held:
            self._hold(head, each, decision)
        self._fate([self._leaving(head, going) if going else _digest(head["id"], "empty")])

    def _hold(self, head: Row, member: DueDelivery, decision: ChannelDecision) -> None:
        """It leaves at the end of what holds it: a digest of that moment."""
        leaves_at = decision.not_before or self.now
        key = (member.user_id, member.channel.value, leaves_at)
        named = {"org_id": head["org_id"], "user_id": head["user_id"], "channel": head["channel"]}
        self.later.setdefault(key, {"id": uuid4(), **named, "leaves_at": leaves_at, "reason": decision.reason})
        self.waiting.append((member, key))

    def _leaving(self, head: Row, going: Sequence[DueDelivery]) -> dict[str, Any]:
        lines = [_line(each.row) for each in going]
        text = DigestText(lines, head["reason"], self.context.links)
        try:
            record = self._handed_over(head, going, text)
        except RejectedInput as error:
            logger().warning("a digest cannot be sent", digest=str(head["id"]), reason=describe_error(error))
            record = _digest(head["id"], "failed", reason="content")
        state = record["state"]
        self.members += [
            _member(
                each,
                state,
                each.row["reason"] if state == "queued" else record["reason"],
                digest_id=head["id"],
                left_at=self.now,
            )
            for each in going
        ]
        return record | {"lines": len(lines)}

    def _handed_over(self, head: Row, going: Sequence[DueDelivery], text: DigestText) -> dict[str, Any]:
        first = going[0]
        queued = _digest(head["id"], "queued", left_at=self.now)
        if first.channel is Channel.SLACK:
            if (kept_by := self.context.slack_kept_by) is not None:
                return _digest(head["id"], "dry_run", reason=kept_by, left_at=self.now)
            content = {"text": text.slack(), "webhook_id": str(slack_webhook_of(first.row))}
            return queued | {"content": content}
        if first.address is None or self.context.sender is None:
            raise RejectedInput("recipient: no address")
        categories = tuple(sorted({each.row["category"] for each in going}))
        letter = DigestLetter(
            head["id"], head["org_id"], first.row["email"].strip(), first.address, categories, text.email()
        )
        self.mails.append(mail_of_digest(letter, self.context.sender, self.context.public_url, self.context.link_keys))
        return queued | {"send_id": id_of_send(letter.send_key)}

    def _fate(self, records: Sequence[dict[str, Any]]) -> None:
        self.digests += records
        self.fates.update(record["state"] for record in records)

    def statements(self, later: dict[tuple[UUID, str, datetime], UUID]) -> list[Statement]:
        """The ledger first, as everywhere."""
        held = [
            _member(each, "digest", each.row["reason"], not_before=key[2], digest_id=later[key])
            for each, key in self.waiting
        ]
        queued = [queueing(self.mails, self.now, purpose=NOTIFICATION_LANES[2])] if self.mails else []
        return [
            *queued,
            store.recording_digests(self.digests, self.now),
            store.recording_deliveries([*self.members, *held], self.now),
        ]


def _line(row: Row) -> DigestLine:
    return DigestLine(row["title"], row["message"], row["action_url"], row["group_count"] or 1)


def _digest(digest: UUID, state: str, *, reason: str | None = None, left_at: datetime | None = None) -> dict[str, Any]:
    return {
        "id": digest,
        "state": state,
        "reason": reason,
        "not_before": None,
        "send_id": None,
        "lines": None,
        "content": None,
        "left_at": left_at,
    }


def _member(
    due: DueDelivery,
    state: str,
    reason: str | None,
    *,
    not_before: datetime | None = None,
    digest_id: UUID | None = None,
    left_at: datetime | None = None,
) -> dict[str, Any]:
    return _member_record(due.id, state, reason, not_before=not_before, digest_id=digest_id, left_at=left_at)


def _member_record(
    member: UUID,
    state: str,
    reason: str | None,
    *,
    not_before: datetime | None = None,
    digest_id: UUID | None = None,
    left_at: datetime | None = None,
) -> dict[str, Any]:
    return {
        "id": member,
        "state": state,
        "reason": reason,
        "not_before": not_before,
        "digest_id": digest_id,
        "send_id": None,
        "content": None,
        "left_at": left_at,
    }
