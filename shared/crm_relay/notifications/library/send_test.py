"""Sends a template to one person with made-up values, past no gate: what acts for them acts for this one too."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from crm_relay.notifications.content.links import LinkRules
from crm_relay.notifications.library.preview_template import sample_values, template_of
from crm_relay.notifications.models import NotificationRequest, Recipients
from crm_relay.notifications.notify import NotifyReport, notify
from crm_relay.notifications.people.settings_of_person import Colleague
from crm_relay.notifications.people.why import NotificationHistory, history_of
from crm_relay.platform.database import Database, Transaction
from crm_relay.platform.errors import RejectedInput


@dataclass(frozen=True)
class SentTest:
    """`channels`: state and reason of each, as `why` has them."""

    notification_id: UUID
    slug: str
    channels: dict[str, str]


def send_test(
    db: Database,
    slug: str,
    colleague: Colleague,
    values: Mapping[str, object],
    now: datetime,
    *,
    links: LinkRules,
    wake: Callable[[], None] | None = None,
) -> SentTest:
    """A notification like any other, under a key of its own. RejectedInput where it is refused, with the reason."""
    template = template_of(db, slug, colleague.org_id)
    request = NotificationRequest(
        org_id=colleague.org_id,
        event_key=f"test/{uuid4()}",
        recipients=Recipients(users=(colleague.user_id,)),
        slug=slug,
        variables={**sample_values(template, values, now), **values, **_words_of(template.conditions)},
        action_url=None if template.action_url_template else "/",
    )

    def work(transaction: Transaction) -> NotifyReport:
        return notify(transaction, [request], now, links=links, wake=wake)

    report = db.transact(work)
    for refusal in report.refused:
        raise RejectedInput(f"refused: {refusal.reason}", status=409, details=refusal.details)
    (made,) = report.created
    return SentTest(made, slug, _channels(history_of(db, made, now)))


def _words_of(conditions: Mapping[str, object]) -> dict[str, object]:
    """A template that speaks only under conditions is tested under them."""
    return {name: wanted[0] if isinstance(wanted, list) else wanted for name, wanted in conditions.items()}


def _channels(history: NotificationHistory | None) -> dict[str, str]:
    if history is None:
        return {}
    states = ((each.delivery["channel"], each.delivery["state"], each.delivery["reason"]) for each in history.channels)
    return {channel: f"{state} ({reason})" if reason else state for channel, state, reason in states}
