"""A batch of deliveries that are due: claimed, decided again, and handed over in one transaction."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, assert_never
from uuid import UUID, uuid4, uuid5

from crm_relay.mail.models import Mail, id_of_send
from crm_relay.mail.purposes import NOTIFICATION_LANES
from crm_relay.mail.queue import queueing
from crm_relay.mail.texts.models import TextDraft
from crm_relay.mail.texts.store import queueing_texts
from crm_relay.notifications import store as requests_store
from crm_relay.notifications.models import Channel, ChannelDecision, Urgency, Verdict
from crm_relay.notifications.preferences import slack_webhook_of
from crm_relay.notifications.release import store
from crm_relay.notifications.release.context import ReleaseContext
from crm_relay.notifications.release.digest_text import DigestLine, slack_line
from crm_relay.notifications.release.due import DueDelivery, late_before
from crm_relay.notifications.release.letters import mail_of, text_of
from crm_relay.platform.database import Row, Transaction
from crm_relay.platform.errors import RejectedInput, describe_error
from crm_relay.platform.logging import logger
from crm_relay.platform.sql import Statement

_POSTS = UUID("b7a1c9a4-5f0a-4d43-9a0e-6d2f1c7c5b02")


@dataclass
class ReleasedBatch:
    """What one transaction decided; `claimed` are those it took up, also where the database refuses what it made."""

    claimed: tuple[UUID, ...] = ()
    verdicts: Counter[str] = field(default_factory=Counter)


def release_deliveries(
    db: Transaction, context: ReleaseContext, now: datetime, batch: ReleasedBatch, *, limit: int
) -> None:
    """At most seven statements, whatever the number of deliveries. `batch` is filled as it goes on."""
    batch.claimed = tuple(store.claim_deliveries(db, now, limit=limit))
    rows = store.delivery_facts(db, batch.claimed, now, late_before=late_before(now))
    releasing = _DeliveryBatch(context, now)
    for row in rows:
        releasing.one(DueDelivery(row))
    releasing.post(store.open_posts(db, releasing.wanted_posts, now))
    digests = requests_store.join_digests(db, list(releasing.digests.values()), now)
    statements = releasing.statements(digests)
    if statements:
        db.finish(statements)
    batch.verdicts.update(releasing.verdicts)


def give_up(db: Transaction, ids: Sequence[UUID], why: str, now: datetime) -> None:
    """What the database refuses of one delivery is an error of that one alone. Raises RejectedInput for none."""
    if not ids:
        raise RejectedInput(why)
    logger().error("a notification cannot be released", deliveries=[str(each) for each in ids], reason=why)
    db.finish([store.recording_deliveries([_record(each, "failed", reason="refused") for each in ids], now)])


@dataclass
class _Queued:
    """What goes into the ledgers, by one lane."""

    purpose: str
    mails: list[Mail] = field(default_factory=list)
    texts: list[TextDraft] = field(default_factory=list)

    def statements(self, now: datetime) -> list[Statement]:
        mails = [queueing(self.mails, now, purpose=self.purpose)] if self.mails else []
        return [*mails, queueing_texts(self.texts, now, purpose=self.purpose)] if self.texts else mails


@dataclass
class _DeliveryBatch:
    """Decides one by one; nothing here asks anybody."""

    context: ReleaseContext
    now: datetime
    records: list[dict[str, Any]] = field(default_factory=list)
    urgent: "_Queued" = field(default_factory=lambda: _Queued(NOTIFICATION_LANES[0]))
    usual: "_Queued" = field(default_factory=lambda: _Queued(NOTIFICATION_LANES[1]))
    digests: dict[tuple[UUID, str, datetime], dict[str, Any]] = field(default_factory=dict)
    members: dict[UUID, tuple[UUID, str, datetime]] = field(default_factory=dict)
    posts: list[tuple[UUID, DueDelivery]] = field(default_factory=list)
    left: Counter[UUID] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)

    @property
    def wanted_posts(self) -> list[dict[str, Any]]:
        """Rows of `notification_posts`: the first delivery of an event carries its message."""
        first: dict[UUID, dict[str, Any]] = {}
        for post_id, due in self.posts:
            first.setdefault(post_id, {"id": post_id, "org_id": due.row["org_id"], "delivery_id": due.id})
        return list(first.values())

    def one(self, due: DueDelivery) -> None:
        """Its decision, and what follows from it."""
        left = due.row["left_this_hour"] + self.left[due.user_id]
        decision = due.decide(self.now, left_this_hour=left, configured=self.context.configured)
        self.verdicts[decision.verdict.value] += 1
        match decision.verdict:
            case Verdict.SEND:
                self._send(due)
            case Verdict.HOLD:
                self.records.append(_record(due.id, "waiting", decision.reason, not_before=decision.not_before))
            case Verdict.DIGEST:
                self._gather(due, decision)
            case Verdict.SKIP:
                self.records.append(_record(due.id, "skipped", decision.reason))
            case _:
                assert_never(decision.verdict)

    def post(self, posts: Mapping[UUID, Row]) -> None:
        """An organization's channel shows an event once, no matter who else it concerns; all share its outcome."""
        for post_id, due in self.posts:
            post, row = posts[post_id], due.row
            state, reason = shared_outcome(post)
            content = {"webhook_id": str(slack_webhook_of(row))}
            if state == "queued" and post["delivery_id"] == due.id:
                line = DigestLine(row["title"], row["message"], row["action_url"], row["group_count"] or 1)
                text = {"text": slack_line(line, self.context.links)}
                record = self._queued(due, post_id) | {"content": content | text, "not_before": self.now}
            else:
                # Without a time of its own nobody claims it.
                record = _record(due.id, state, reason, left_at=self.now)
                record |= {"content": content if state == "queued" else None}
            self.records.append(record | {"post_id": post_id})

    def statements(self, digests: dict[tuple[UUID, str, datetime], UUID]) -> list[Statement]:
        """All that the batch writes: the ledgers first, as everywhere."""
        by_id = {record["id"]: record for record in self.records}
        for delivery, key in self.members.items():
            by_id[delivery]["digest_id"] = digests[key]
        queued = [*self.urgent.statements(self.now), *self.usual.statements(self.now)]
        return [*queued, store.recording_deliveries(self.records, self.now)] if self.records else []

    def _send(self, due: DueDelivery) -> None:
        try:
            self._hand_over(due)
        except RejectedInput as error:
            logger().warning("a notification cannot be sent", delivery=str(due.id), reason=describe_error(error))
            self.records.append(_record(due.id, "failed", "content"))
            return
        self.left[due.user_id] += 1

    def _hand_over(self, due: DueDelivery) -> None:
        lane = self.urgent if due.urgency < Urgency.NORMAL else self.usual
        if due.channel is Channel.EMAIL and self.context.sender is not None:
            lane.mails.append(mail_of(due, self.context.sender, self.context.public_url, self.context.link_keys))
            self.records.append(self._queued(due, id_of_send(due.send_key)))
        elif due.channel is Channel.SMS:
            lane.texts.append(text_of(due))
            self.records.append(self._queued(due, None))
        elif due.channel is Channel.SLACK and (kept_by := self.context.slack_kept_by) is not None:
            self.records.append(_record(due.id, "dry_run", kept_by, left_at=self.now))
        elif due.channel is Channel.SLACK:
            self.posts.append((_post_id(due), due))
        else:
            self.records.append(_record(due.id, "sent", left_at=self.now))

    def _queued(self, due: DueDelivery, send_id: UUID | None) -> dict[str, Any]:
        return _record(due.id, "queued", due.row["reason"], send_id=send_id, left_at=self.now)

    def _gather(self, due: DueDelivery, decision: ChannelDecision) -> None:
        leaves_at = decision.not_before or self.now
        key = (due.user_id, due.channel.value, leaves_at)
        self.members[due.id] = key
        self.digests.setdefault(
            key,
            {
                "id": uuid4(),
                "org_id": due.row["org_id"],
                "user_id": due.user_id,
                "channel": due.channel.value,
                "leaves_at": leaves_at,
                "reason": decision.reason,
            },
        )
        self.records.append(_record(due.id, "digest", decision.reason, not_before=leaves_at))


def shared_outcome(post: Row) -> tuple[str, str | None]:
    """State and reason of a delivery that another one carries the message of."""
    if post["state"] == "unknown":
        return "unknown", post["reason"] or "unclear"
    return ("sent" if post["state"] == "sent" else "queued"), "same_channel"


def _post_id(due: DueDelivery) -> UUID:
    """Of an event in a channel: each round of a group has a newer event."""
    return uuid5(_POSTS, f"{slack_webhook_of(due.row)}/{due.row['event_key'] or due.send_key}")


def _record(
    delivery: UUID,
    state: str,
    reason: str | None = None,
    *,
    not_before: datetime | None = None,
    send_id: UUID | None = None,
    left_at: datetime | None = None,
) -> dict[str, Any]:
    return {
        "id": delivery,
        "state": state,
        "reason": reason,
        "not_before": not_before,
        "digest_id": None,
        "send_id": send_id,
        "post_id": None,
        "content": None,
        "left_at": left_at,
    }
