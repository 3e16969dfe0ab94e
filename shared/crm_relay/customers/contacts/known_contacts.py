"""Whose the contacts of a batch of events are, and what the deletion of one in Mautic means."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from crm_relay.platform.database import Row
from crm_relay.platform.sql import Rows, SqlValue, Statement, queries_beside
from crm_relay.webhooks.models import Counted

_SQL = queries_beside(__file__)


@dataclass(frozen=True)
class DeletionVerdict:
    """How Mautic's report of a deletion is counted, and why."""

    counted: Counted
    reason: str


FORGOTTEN = DeletionVerdict("processed", "the contact was a customer's and is forgotten")
REPEATED = DeletionVerdict("duplicates", "the contact was forgotten before")
UNKNOWN = DeletionVerdict("ignored", "the contact was never a customer's")


@dataclass(frozen=True)
class ContactOwner:
    """`org_id` None is the installation's own organization; `phones` are the customer's numbers, if they were read."""

    customer_id: UUID
    org_id: UUID | None
    phones: Sequence[str] = ()


class KnownContacts:
    """The contacts of a batch; each deletion counts for the events behind it.

    `present` has the customers of each contact, the one that the sync prefers first; `former` whose a contact was.
    """

    def __init__(self, present: Mapping[int, Sequence[ContactOwner]], former: Mapping[int, ContactOwner]) -> None:
        self._present, self._former = dict(present), dict(former)
        self._deleted: list[tuple[int, UUID]] = []

    @classmethod
    def of(cls, rows: Sequence[Row]) -> "KnownContacts":
        """From the rows of `owners_of_contacts`."""
        present: dict[int, list[ContactOwner]] = {}
        former: dict[int, ContactOwner] = {}
        for row in rows:
            owner = ContactOwner(row["customer_id"], row["org_id"], row["phones"])
            if row["is_former"]:
                former[row["contact_id"]] = owner
            else:
                present.setdefault(row["contact_id"], []).append(owner)
        return cls(present, former)

    def owner_of(self, contact_id: int) -> ContactOwner | None:
        """Whose contact it is, or was: events may arrive after their contact was deleted or merged."""
        present = self._present.get(contact_id)
        return present[0] if present else self._former.get(contact_id)

    def delete(self, contact_id: int) -> DeletionVerdict:
        """Mautic reports that it has deleted the contact."""
        owners = self._present.pop(contact_id, ())
        if owners:
            self._deleted += [(contact_id, owner.customer_id) for owner in owners]
            self._former.setdefault(contact_id, owners[0])
            return FORGOTTEN
        return REPEATED if contact_id in self._former else UNKNOWN

    def statements(self) -> Iterator[Statement]:
        """What records the deletions."""
        if self._deleted:
            pairs: list[Mapping[str, SqlValue]] = [
                {"contact_id": contact_id, "customer_id": customer_id}
                for contact_id, customer_id in sorted(self._deleted)
            ]
            customers: list[Mapping[str, SqlValue]] = [
                {"customer_id": each} for each in sorted({customer_id for _, customer_id in self._deleted})
            ]
            yield _SQL["forget_deleted"].bind(contacts=Rows(pairs))
            yield _SQL["remember_deleted"].bind(contacts=Rows(pairs))
            yield _SQL["note_deleted"].bind(customers=Rows(customers))
