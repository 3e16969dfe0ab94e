"""Notifications' SQL for what leaves: claims, facts, what was decided, and the fate of what left."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.notifications.moments import countable
from crm_relay.platform.database import Queryable, Row, Transaction
from crm_relay.platform.sql import Json, Statement, queries_beside

_SQL = queries_beside(__file__)


@dataclass(frozen=True)
class WhatIsDue:
    """Which kinds of work there are now."""

    deliveries: bool
    digests: bool
    mails: bool
    texts: bool
    posts: bool

    @property
    def is_anything(self) -> bool:
        """Whether there is something to do."""
        return self.deliveries or self.digests or self.mails or self.texts or self.posts


def what_is_due(db: Queryable, now: datetime, *, purposes: Sequence[str]) -> WhatIsDue:
    """One statement that changes nothing."""
    return WhatIsDue(**db.run(_SQL["what_is_due"], now=now, purposes=list(purposes))[0])


def claim_deliveries(db: Queryable, now: datetime, *, limit: int) -> list[UUID]:
    """Ours until the transaction ends; what another worker has is left out."""
    return [row["id"] for row in db.run(_SQL["claim_deliveries"], now=now, limit=limit)]


def delivery_facts(db: Queryable, ids: Sequence[UUID], now: datetime, *, late_before: datetime) -> list[Row]:
    """Everything that decides about them, as it is now."""
    if not ids:
        return []
    return countable(db.run(_SQL["delivery_facts"], ids=list(ids), now=now, late_before=late_before))


def recording_deliveries(decided: Sequence[Mapping[str, Any]], now: datetime) -> Statement:
    """Each with id, state, reason, not_before, digest_id, send_id, content and left_at; post_id of Slack's."""
    return _SQL["record_deliveries"].bind(decided=Json([dict(each) for each in decided]), now=now)


def open_posts(db: Queryable, posts: Sequence[Mapping[str, Any]], now: datetime) -> dict[UUID, Row]:
    """delivery_id (who carries it), state and reason of each message to a channel of Slack, by its id."""
    if not posts:
        return {}
    rows = db.run(_SQL["open_posts"], posts=Json([dict(each) for each in posts]), now=now)
    return {row["id"]: row for row in rows}


def claim_digests(db: Queryable, now: datetime, *, limit: int) -> list[Row]:
    """id, org_id, user_id, channel, leaves_at and reason, the latest of a person and channel first."""
    return db.run(_SQL["claim_digests"], now=now, limit=limit)


@dataclass(frozen=True)
class TakenMembers:
    """`rows` of `members_of`, in the order in which they came; `ours` until the transaction ends."""

    rows: list[Row]
    ours: frozenset[UUID]


def take_members(db: Transaction, digests: Sequence[UUID]) -> TakenMembers:
    """What open digests hold; a member that another transaction has is not ours."""
    if not digests:
        return TakenMembers([], frozenset())
    lock = _SQL["lock_members"].bind(digests=list(digests))
    locked, rows = db.send_all([lock, _SQL["members_of"].bind(digests=list(digests), states=["digest"], only=None)])
    return TakenMembers(countable(rows), frozenset(row["id"] for row in locked))


def lock_members(db: Transaction, digests: Sequence[UUID]) -> frozenset[UUID]:
    """As `take_members`, without a look at them."""
    return frozenset(row["id"] for row in db.run(_SQL["lock_members"], digests=list(digests)))


def member_ids(db: Queryable, digests: Sequence[UUID]) -> list[UUID]:
    """What open digests hold, in the order in which it came."""
    return [row["id"] for row in db.run(_SQL["member_ids"], digests=list(digests))]


def members_of(db: Queryable, digests: Sequence[UUID], only: Sequence[UUID]) -> list[Row]:
    """These members of open digests."""
    return countable(db.run(_SQL["members_of"], digests=list(digests), states=["digest"], only=list(only)))


def queued_members(db: Queryable, digests: Sequence[UUID]) -> list[Row]:
    """What digests hold that are in the ledger."""
    if not digests:
        return []
    return countable(db.run(_SQL["members_of"], digests=list(digests), states=["queued"], only=None))


def recording_digests(decided: Sequence[Mapping[str, Any]], now: datetime) -> Statement:
    """Each with id, state, reason, not_before, send_id, lines, content and left_at."""
    return _SQL["record_digests"].bind(decided=Json([dict(each) for each in decided]), now=now)


def settling(fates: Sequence[Mapping[str, Any]], now: datetime) -> list[Statement]:
    """Each with send_id, delivery_id or digest_id, state and reason; the notifications are locked first."""
    deliveries = [each["delivery_id"] for each in fates if each["delivery_id"] is not None]
    digests = [each["digest_id"] for each in fates if each["digest_id"] is not None]
    locks = [_SQL["lock_settled"].bind(deliveries=deliveries, digests=digests)]
    locks += [_SQL["lock_settled_digests"].bind(digests=digests)] if digests else []
    return [*locks, _SQL["settle"].bind(fates=Json([dict(each) for each in fates]), now=now)]


def missed_fates(db: Queryable, *, before: datetime, limit: int) -> list[Row]:
    """send_id, status, reason, entity_type and entity_id of settled mails whose delivery has not changed since."""
    return db.run(_SQL["missed_fates"], before=before, limit=limit)


def free_stranded(db: Queryable, now: datetime, *, before: datetime) -> int:
    """How many members of closed digests wait by themselves now."""
    return len(db.run(_SQL["free_stranded"], now=now, before=before))


def remove_old(db: Queryable, *, before: datetime, limit: int) -> dict[str, int]:
    """How many notifications and digests were removed."""
    return db.run(_SQL["remove_old"], before=before, limit=limit)[0]


def zones(db: Queryable) -> list[Row]:
    """zone, and the user_id of one of those who have it."""
    return db.run(_SQL["zones"])


def unreadable(db: Queryable) -> list[Row]:
    """subject of an open incident, and id and entity_type of its delivery or digest; both null where it is gone."""
    return db.run(_SQL["unreadable"])
