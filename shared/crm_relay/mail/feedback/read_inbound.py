"""Asks for the headers of mail that came in: which mail it answers, and whether a person wrote it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from crm_relay.mail.feedback import store
from crm_relay.platform.clock import Clock, Deadline
from crm_relay.platform.database import Queryable
from crm_relay.platform.errors import FatalError, RateLimited, RejectedInput, TransientError, describe_error
from crm_relay.platform.logging import logger
from crm_relay.providers.email import InboundProvider
from crm_relay.providers.email_events import ReceivedMail
from crm_relay.rules.in_parts import in_parts
from crm_relay.rules.replies.judge_reply import judge_reply

PATIENCE = timedelta(days=1)
"""After that a reply is followed without its headers."""

_PAGE = 20
_REQUEST_SECONDS = 25.0


@dataclass(frozen=True)
class InboundRead:
    """How many got their headers, could not be read now, and were given up after a day."""

    read: int = 0
    failed: int = 0
    given_up: int = 0


def read_inbound(db: Queryable, provider: InboundProvider, *, clock: Clock, deadline: Deadline) -> InboundRead:
    """At most 20 replies, the oldest first, those asked for in vain last: a request each, outside of any transaction.

    Four statements for all of them.

    Safe to call twice and side by side. The provider's troubles are logged; what failed is asked for again next time.
    """
    since = clock() - PATIENCE
    given_up = store.give_up_headers(db, provider.name, since=since, now=clock())
    waiting = store.headers_to_read(db, provider.name, since=since, limit=_PAGE)
    found: list[dict[str, Any]] = []
    in_vain: list[UUID] = []
    try:
        for row in waiting:
            if not deadline.allows(_REQUEST_SECONDS):
                break
            mail = _asked(provider, row["external_id"])
            if mail is None:
                in_vain.append(row["id"])
            else:
                found.append(_headers(row["id"], mail))
    except (RateLimited, FatalError) as error:
        logger().warning("headers of replies cannot be read now", reason=str(error))
    refused = _keep(db, found, clock())
    in_vain += refused
    if in_vain:
        store.asked_in_vain(db, in_vain)
    read = len(found) - len(refused)
    return InboundRead(read, len(waiting) - read, len(given_up))


def _keep(db: Queryable, found: Sequence[dict[str, Any]], now: datetime) -> list[UUID]:
    """Those that the database refuses; they keep no other reply from being read."""
    by_id = {row["id"]: row for row in found}
    refused = in_parts(list(by_id), lambda part: store.keep_headers(db, [by_id[each] for each in part], now))
    for item, why in refused.items():
        logger().error("the headers of a reply cannot be kept", reply=str(item), reason=describe_error(why))
    return list(refused)


def _asked(provider: InboundProvider, email_id: str) -> ReceivedMail | None:
    try:
        return provider.received(email_id)
    except RateLimited:
        raise
    except (TransientError, RejectedInput) as error:
        logger().warning("a reply's headers cannot be read", reason=str(error))
        return None


def _headers(item_id: UUID, mail: ReceivedMail) -> dict[str, Any]:
    """A thread is known by its first mail."""
    thread = next(iter(mail.references), None) or mail.in_reply_to or mail.message_id
    return {
        "id": item_id,
        "in_reply_to": mail.in_reply_to,
        "reference_ids": list(mail.references),
        "thread_id": thread,
        "is_auto_reply": not judge_reply(mail.headers, sender=mail.from_address, subject=mail.subject).is_person,
    }
