"""Erases one person everywhere, in an order in which a crash at any moment can be answered by doing it again."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.campaigns.erase import count_enrolled, erase_enrolled
from crm_relay.connections.people.erase import count_connected, erase_connected
from crm_relay.consent.erase import block_return
from crm_relay.consent.person import Person
from crm_relay.customers.erase import count_customers, erase_contacts, erase_customers, find_person
from crm_relay.customers.run import SyncContext
from crm_relay.edge_cache.erase import bring_in, count_conflicts, erase_conflicts, overwrite, send_out
from crm_relay.edge_cache.table import EdgeTable
from crm_relay.engagement.erase import count_events, erase_events
from crm_relay.incidents.models import Incident
from crm_relay.incidents.record import close_incidents, open_incidents
from crm_relay.integrity.erase import count_fixes, erase_fixes
from crm_relay.mail.erase import count_mail, erase_mail
from crm_relay.notifications.people.erase import count_colleague, erase_colleague
from crm_relay.operations import store
from crm_relay.operations.brought_in import with_brought_in
from crm_relay.operations.last_look import LastLook
from crm_relay.outreach.erase import count_leads, erase_leads
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Queryable, Transaction
from crm_relay.platform.errors import FatalError, RejectedInput, TransientError
from crm_relay.sources.all_sources import REDACTORS
from crm_relay.webhooks.defer import Deferred
from crm_relay.webhooks.people.erase import (
    SearchCounts,
    erase_deliveries,
    erase_failed_tasks,
    erase_messages,
    erase_objects,
)
from crm_relay.workflows.operations.erase import count_in_workflows, erase_in_workflows, erase_workflows

BEYOND_REACH = (
    "Mautic: its sending statistics and audit log have no way to be erased from outside",
    "EmailBison: a lead, what was sent to it and what it wrote; to be deleted in its workspace",
    "Resend and Twilio: what was sent, and the logs of it, for as long as the plan keeps them",
    "Airtable: the history of a base, until its plan lets go of it; the record itself goes with the next sync",
    "Mailchimp: reports of what was sent; the member itself is deleted for good by the next sync",
    "Gmail: what was sent to them and what they wrote, in mailboxes of colleagues; drafts go with the next sync",
    "backups of the edge cache: until they expire (35 days at most)",
    "backups and write-ahead logs of the database, and access logs of Mautic's web server: until they expire",
)
"""Where the person may still stand and no program gets to; the operator's to know and to answer for."""


INCOMPLETE = "erasure_incomplete"
"""The kind of incident; its subject is the number of the first receipt."""

_BY_ADDRESS = "ADDRESS, the one that was asked for"

_LOOK_SECONDS = 1800.0
"""Whole stores are read: gigabytes of tables, and every item at the edge."""


@dataclass(frozen=True)
class ErasureScope:
    """Every place that erasure goes to; `run` brings the database, Mautic and the lease that keeps the sync away.

    `edge` None: there is no cache at the edge. `has_mautic` False: Mautic is left out, and `run` never asks it.
    `look`: how long the last look may take; None: as long as it needs.
    """

    run: SyncContext
    deferred: Deferred
    edge: EdgeTable | None = None
    has_mautic: bool = True
    look: Deadline | None = None


@dataclass
class Receipt:
    """What was done, without a name: `subject` are the hashes that the ledger keeps.

    `reached` is place -> counts, `unreached` place -> why not, `left` place -> what still mentions the person.
    Without `unreached` and `left` the erasure is complete.
    """

    subject: tuple[str, ...]
    customers: int
    at: datetime
    reached: dict[str, Any] = field(default_factory=dict)
    unreached: dict[str, str] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to be done again."""
        return not self.unreached and not self.left

    def as_json(self) -> dict[str, object]:
        """For the console and the table."""
        return {
            "complete": self.is_complete,
            "subject": list(self.subject),
            "customers": self.customers,
            "at": self.at.isoformat(),
            "reached": self.reached,
            "unreached": self.unreached,
            "left": self.left,
            "beyond_reach": list(BEYOND_REACH),
        }


@dataclass(frozen=True)
class ErasurePreview:
    """Whom and what an erasure would reach: personal data, for the operator's eyes only."""

    customers: tuple[UUID, ...]
    addresses: tuple[str, ...]
    mautic_contacts: tuple[int, ...]
    rows: dict[str, int]


def preview(scope: ErasureScope, who: str) -> ErasurePreview:
    """Reads the database only; bucket, queues and Mautic are looked through when it is done. Errors as in find."""
    db = scope.run.db
    person = find(db, who)
    rows = count_customers(db, person) | store.count_crm(db, person)
    rows |= {
        "customer_email_engagement": count_events(db, person),
        "client_leads": count_leads(db, person),
        **count_enrolled(db, person),
        **count_in_workflows(db, person),
        **count_connected(db, person),
        **count_mail(db, person),
        **count_colleague(db, person),
        "edge_conflicts": count_conflicts(db, person),
        "integrity_fixes": count_fixes(db, person),
        "webhook_inbox": erase_deliveries(db, REDACTORS, person, dry_run=True).redacted,
        "failed_tasks": erase_failed_tasks(db, REDACTORS, person, dry_run=True).redacted,
    }
    return ErasurePreview(
        tuple(sorted(person.customer_ids)), tuple(sorted(person.addresses)), tuple(sorted(person.contact_ids)), rows
    )


def find(db: Queryable, who: str) -> Person:
    """Whom `who` means, with every number that is known. Raises RejectedInput as contacts.find_person."""
    person = find_person(db, who)
    return replace(person, phones=person.phones | store.crm_phones(db, person))


def erase(scope: ErasureScope, who: str) -> Receipt:
    """Erase the person that `who` means; can be repeated, and is every night while the receipt is not complete.

    RejectedInput as in find.
    """
    return erase_person(scope, find(scope.run.db, who))


def erase_person(scope: ErasureScope, person: Person, *, is_asked: bool = True) -> Receipt:
    """What is needed to try again is kept first, then the return is blocked.

    The customers go last, and only once every other place was reached: by their ids an operator knows who
    a second try is about.
    """
    db = scope.run.db
    person = store.take_unfinished(db, person, is_asked=is_asked)
    blocked = block_return(db, person, scope.run.now())
    person, found = with_brought_in(db, person), person
    if person != found:
        blocked = block_return(db, person, scope.run.now())
    receipt = Receipt(blocked.keys, len(person.customer_ids), scope.run.now())
    receipt.reached["consent_events"] = blocked.entries
    person = _from_mautic(scope, person, receipt)
    _from_everywhere_else(scope, person, receipt)
    if receipt.unreached:
        receipt.reached["customers"] = "kept until every other place was reached"
        _keep(db, receipt)
        _report(db, receipt, still_known_as(person))
    else:
        _finish(scope, person, receipt)
    return receipt


def _from_mautic(scope: ErasureScope, person: Person, receipt: Receipt) -> Person:
    """The person with the contacts that were found there."""
    deleted: list[frozenset[int]] = []

    if not scope.has_mautic:
        _reach(receipt, "mautic_contacts", lambda: _none_known(person))
        return person

    def delete() -> int:
        deleted.append(erase_contacts(scope.run, person))
        return len(deleted[0])

    _reach(receipt, "mautic_contacts", delete)
    return replace(person, contact_ids=person.contact_ids.union(*deleted))


def _none_known(person: Person) -> str:
    """Contacts of a time when there was a Mautic may still be in it."""
    if person.contact_ids:
        raise FatalError(f"Mautic is left out, but {len(person.contact_ids)} contacts of the person are known there")
    return "not installed"


def _from_everywhere_else(scope: ErasureScope, person: Person, receipt: Receipt) -> None:
    db, deferred = scope.run.db, scope.deferred
    # What waits goes before what it turns into once it is applied.
    if (edge := scope.edge) is not None:
        _reach(receipt, "edge, brought in", lambda: bring_in(db, edge, scope.run.now, scope.run.deadline))
    _reach(receipt, "queues", lambda: _counts(erase_messages(deferred, REDACTORS, person)))
    _reach(receipt, "bucket", lambda: _counts(erase_objects(deferred, REDACTORS, person)))
    _reach(receipt, "failed_tasks", lambda: _counts(erase_failed_tasks(db, REDACTORS, person)))
    _reach(receipt, "webhook_inbox", lambda: _counts(erase_deliveries(db, REDACTORS, person)))
    _reach(receipt, "customer_email_engagement", lambda: erase_events(db, person))
    _reach(receipt, "client_leads", lambda: erase_leads(db, person))
    _reach(receipt, "campaigns", lambda: erase_enrolled(db, person, scope.run.now()))
    _reach(receipt, "workflows", lambda: erase_workflows(db, person, scope.run.now()))
    _reach(receipt, "connections", lambda: erase_connected(db, person, scope.run.now()))
    _reach(receipt, "mail", lambda: erase_mail(db, person, scope.run.now()))
    _reach(receipt, "notifications", lambda: erase_colleague(db, person))
    _reach(receipt, "edge_conflicts", lambda: erase_conflicts(db, person))
    _reach(receipt, "integrity_fixes", lambda: erase_fixes(db, person))


def _finish(scope: ErasureScope, person: Person, receipt: Receipt) -> None:
    """The customers, the CRM's people and the receipt in one transaction; then a last look at every store."""
    db = scope.run.db

    def work(transaction: Transaction) -> tuple[dict[str, Any], int]:
        # What has begun since, and before anything that it would be found by goes.
        erase_in_workflows(transaction, person, scope.run.now())
        reached = receipt.reached | store.erase_replies(transaction, person)
        reached |= erase_customers(transaction, person) | store.erase_crm(transaction, person)
        return reached, _keep(transaction, replace(receipt, reached=reached))

    try:
        receipt.reached, receipt_id = db.transact(work)
    except (RejectedInput, TransientError, FatalError) as error:
        receipt.unreached["customers"] = str(error)
        _keep(db, receipt)
        _report(db, receipt, still_known_as(person))
        return
    if (edge := scope.edge) is not None:
        _reach(receipt, "edge, sent out", lambda: send_out(db, edge, scope.run.now, scope.run.deadline))
        _reach(
            receipt,
            "edge, overwritten",
            lambda: overwrite(db, edge, person, scope.run.now, scope.look or Deadline.after(_LOOK_SECONDS)),
        )
    look = LastLook(person, scope.look or Deadline.after(_LOOK_SECONDS)).at(db, scope.edge, scope.deferred)
    look.take_out_of_workflows(db)
    receipt.left |= look.found
    receipt.unreached |= {f"last look, {place}": reason for place, reason in look.unreached.items()}
    db.transact(lambda transaction: _complete(transaction, person, receipt, receipt_id))
    _report(db, receipt, _BY_ADDRESS)


def _complete(db: Queryable, person: Person, receipt: Receipt, receipt_id: int) -> None:
    store.complete_receipt(db, receipt_id, receipt.as_json())
    if receipt.is_complete:
        store.forget_unfinished(db, person)


def _keep(db: Queryable, receipt: Receipt) -> int:
    return store.keep_receipt(db, list(receipt.subject), receipt.as_json(), receipt.at)


def still_known_as(person: Person) -> str:
    """By what the command finds them again: a customer is kept until every other place was reached."""
    return str(min(person.customer_ids)) if person.customer_ids else _BY_ADDRESS


def _report(db: Queryable, receipt: Receipt, who: str) -> None:
    """One incident from the first try until one is complete, with the command that repeats it at once.

    The hashes of a receipt lead to nobody: what does is kept apart from it, for as long as something is left to erase.
    """
    tries = [f"erasure {number}" for number in store.tries_of(db, list(receipt.subject))]
    if receipt.is_complete:
        close_incidents(db, INCOMPLETE, tries, receipt.at)
        return
    details = {"unreached": receipt.unreached, "left": receipt.left}
    title = (
        f"An erasure is not complete and is repeated every night; mend what its receipt names: crm-relay erase {who}"
    )
    open_incidents(db, [Incident(INCOMPLETE, tries[0], title, details=details)], receipt.at)


def _reach(receipt: Receipt, place: str, verb: Callable[[], Any]) -> None:
    """One place; where it cannot be reached the others still are. Our own errors never name a person."""
    try:
        receipt.reached[place] = verb()
    except (RejectedInput, TransientError, FatalError) as error:
        receipt.unreached[place] = str(error)


def _counts(searched: SearchCounts) -> dict[str, int]:
    return {"looked at": searched.looked_at, "redacted": searched.redacted}
