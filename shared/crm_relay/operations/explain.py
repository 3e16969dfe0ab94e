"""All that every room knows of one person, for `crm-relay why`: each tells its own part, here they are joined."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crm_relay.campaigns.why import Enrollments, enrollments_of, names_of
from crm_relay.connections.people.why import PersonConnections, connections_of
from crm_relay.consent.address import normalise_phone
from crm_relay.consent.models import ConsentChannel, ConsentEntry
from crm_relay.consent.person import Person
from crm_relay.consent.waiting.waiting_opt_outs import waiting_of
from crm_relay.consent.why import history
from crm_relay.customers.explain import Explanation, explain
from crm_relay.engagement.why import Engagement, engagement_of
from crm_relay.mail.why import MailHistory, delivery_of
from crm_relay.notifications.people.known import PersonNotifications, notifications_of
from crm_relay.operations import store
from crm_relay.outreach.why import OutreachHistory, outreach_of
from crm_relay.platform.database import Queryable, Row
from crm_relay.sources.all_sources import REDACTORS
from crm_relay.webhooks.people.why import Mentions, mentions_of
from crm_relay.workflows.overview.of_person import PersonWorkflows, workflows_of

_SHOWN_OF_A_RECEIPT = ("complete", "customers", "reached", "unreached", "left")


@dataclass(frozen=True)
class Erasure:
    """`is_erased`: a hash keeps the person away, and no consent has lifted that since; `receipts` are oldest first."""

    is_erased: bool
    receipts: list[dict[str, Any]]


@dataclass(frozen=True)
class Known:
    """Whom an operator asked about: personal data, for the operator's eyes only.

    `customers_left_out` counts those that a mailbox of very many has besides. `removals` are contacts of customers who
    were deleted, until Mautic has been told.
    """

    customers: list[Explanation]
    customers_left_out: int
    removals: list[Row]
    engagement: Engagement
    outreach: OutreachHistory
    campaigns: Enrollments
    delivery: MailHistory
    notifications: PersonNotifications
    workflows: PersonWorkflows
    connections: PersonConnections
    inbox: Mentions
    erasure: Erasure
    ledger: list[ConsentEntry]
    opt_outs_waiting: list[Row]

    @property
    def is_anything(self) -> bool:
        """Whether any room knows anything."""
        return any(
            (
                self.customers,
                self.removals,
                self.engagement.counts,
                self.outreach.leads,
                self.outreach.replies,
                self.campaigns.enrolled,
                self.delivery.mails,
                self.delivery.texts,
                self.delivery.topics_left,
                self.notifications.received,
                self.notifications.about,
                self.workflows.runs,
                self.workflows.not_started,
                self.connections.records,
                self.connections.mail,
                self.inbox.deliveries,
                self.inbox.failed_tasks,
                self.erasure.receipts,
                self.ledger,
                self.opt_outs_waiting,
            )
        )


def explain_person(db: Queryable, who: str, now: datetime) -> Known:
    """Whom an e-mail address, a customer's or colleague's id or a contact id of Mautic's means.

    A constant number of statements that read only. Of somebody who was erased the address or the customer id finds the
    receipt and the hashed lines.
    """
    contacts = explain(db, who, now)
    person = contacts.person
    return Known(
        customers=contacts.customers,
        customers_left_out=contacts.left_out,
        removals=contacts.removals,
        engagement=engagement_of(db, person),
        outreach=outreach_of(db, person),
        campaigns=enrollments_of(db, person, now),
        delivery=delivery_of(db, person, names_of),
        notifications=notifications_of(db, person),
        workflows=workflows_of(db, person),
        connections=connections_of(db, person),
        inbox=mentions_of(db, REDACTORS, person),
        erasure=_erasure_of(db, person),
        ledger=history(db, *person.marks, *person.phones),
        opt_outs_waiting=waiting_of(db, person),
    )


def _erasure_of(db: Queryable, person: Person) -> Erasure:
    """A number may be a household's: it speaks only where nothing else says who is meant."""
    numbers = {number for phone in person.phones if (number := normalise_phone(phone)) is not None}
    channel, marks = (ConsentChannel.EMAIL, person.marks) if person.marks else (ConsentChannel.SMS, sorted(numbers))
    is_erased, rows = store.erasures_of(db, channel=channel.value, marks=marks)
    return Erasure(is_erased, [_receipt_shown(row) for row in rows])


def _receipt_shown(row: Row) -> dict[str, Any]:
    """When, and what was done where; the hashes stay in the table."""
    return {"id": row["id"], "at": row["at"], **{name: row["receipt"].get(name) for name in _SHOWN_OF_A_RECEIPT}}
