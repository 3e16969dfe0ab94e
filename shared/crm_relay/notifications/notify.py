"""Tells people of an event: rows, deliveries and digests in the caller's transaction, and nothing outside is asked."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from crm_relay.incidents.models import Incident
from crm_relay.incidents.record import close_incidents, open_incidents
from crm_relay.notifications import store
from crm_relay.notifications.content.links import LinkRules
from crm_relay.notifications.content.rendering import render_notification
from crm_relay.notifications.content.templates import choose_template
from crm_relay.notifications.drafts import DecidedDraft, DigestKey, Draft, category_of, grouped
from crm_relay.notifications.models import NotificationRequest, NotificationTemplate, ReaderLocale, Rendered
from crm_relay.notifications.preferences import locale_of
from crm_relay.platform.database import Row, Transaction
from crm_relay.platform.errors import OF_ONE_ROW, RejectedInput, describe_error
from crm_relay.platform.logging import logger

TEMPLATE_TROUBLE = "notification_template"
"""Incidents about a template that cannot be filled; the subject is `organization/slug`."""

_NOT_STORABLE = re.compile("[\0\ud800-\udfff]")
_TEXTS = ("event_key", "slug", "category", "title", "message", "type", "entity_type", "action_label", "group_key")
_LONGEST = {"event_key": 500, "group_key": 500, "title": 1000, "message": 20_000}
_TITLE = "A notification cannot be written: its template is broken, or what asks for it lacks a variable"
_NO_LINKS = LinkRules()


@dataclass(frozen=True)
class Refusal:
    """A request that nobody was notified of. `reason` is a word of ours, `details` name fields and never a value."""

    event_key: str
    reason: str
    details: tuple[str, ...] = ()


@dataclass(frozen=True)
class NotifyReport:
    """`created` and `grouped` are notifications by id, `duplicates` people who had the event before."""

    created: tuple[UUID, ...] = ()
    grouped: tuple[UUID, ...] = ()
    duplicates: int = 0
    refused: tuple[Refusal, ...] = ()


def notify(
    db: Transaction,
    requests: Sequence[NotificationRequest],
    now: datetime,
    *,
    links: LinkRules = _NO_LINKS,
    wake: Callable[[], None] | None = None,
) -> NotifyReport:
    """At most six statements, whatever the number of requests and people; safe to call twice with the same events.

    A request that cannot be carried out is refused with a reason, and the others go on: the caller's transaction never
    fails by it. `wake` is called after the commit where something is due at once. An open or recovered template
    costs one statement more, once.
    """
    notifying = _Notifying(db, now, links)
    report = notifying.run(requests)
    if wake is not None and notifying.has_due:
        db.after_commit(wake)
    return report


@dataclass
class _Notifying:
    db: Transaction
    now: datetime
    links: LinkRules
    refused: list[Refusal] = field(default_factory=list)
    faults: dict[str, str] = field(default_factory=dict)
    recovered: set[str] = field(default_factory=set)
    has_due: bool = False

    def run(self, requests: Sequence[NotificationRequest]) -> NotifyReport:
        with_template = self._with_templates(requests)
        drafts = grouped(self._claimed(self._drafts(with_template)))
        created, updated = self._write([DecidedDraft.of(draft, self.now) for draft in drafts])
        self._report_templates()
        return NotifyReport(tuple(created), tuple(updated), self.duplicates, tuple(self.refused))

    duplicates: int = 0

    def _with_templates(
        self, requests: Sequence[NotificationRequest]
    ) -> list[tuple[NotificationRequest, NotificationTemplate | None]]:
        slugs = sorted({each.slug for each in requests if each.slug is not None})
        rows = store.templates_of(self.db, slugs, sorted({each.org_id for each in requests}))
        self._troubles = frozenset(subject for row in rows for subject in row["troubles"])
        kept = []
        for request in requests:
            try:
                kept.append((request, _template_of(request, rows)))
            except _RefusedRequest as refusal:
                self._refuse(request, refusal)
        return kept

    def _drafts(self, requests: Sequence[tuple[NotificationRequest, NotificationTemplate | None]]) -> Iterator[Draft]:
        asked = [_asked(place, request, template) for place, (request, template) in enumerate(requests)]
        people: dict[int, list[Row]] = {}
        for row in store.recipients_of(self.db, asked):
            people.setdefault(row["place"], []).append(row)
        for place, (request, template) in enumerate(requests):
            if place not in people:
                self._refuse(request, _RefusedRequest("no_recipient"))
                continue
            try:
                yield from _rendered(request, template, people[place], self.links)
            except _RefusedRequest as refusal:
                self._refuse(request, refusal)
            else:
                self._note_success(request)

    def _claimed(self, drafts: Iterator[Draft]) -> list[Draft]:
        """Each person hears of an event once, also where two requests of this call speak of it."""
        by_key: dict[tuple[UUID, str], Draft] = {}
        for draft in drafts:
            if draft.key in by_key:
                self.duplicates += 1
            by_key.setdefault(draft.key, draft)
        new = store.claim_keys(self.db, list(by_key), self.now)
        self.duplicates += len(by_key) - len(new)
        return [draft for key, draft in by_key.items() if key in new]

    def _write(self, drafts: Sequence[DecidedDraft]) -> tuple[list[UUID], list[UUID]]:
        if not drafts:
            return [], []
        rows = store.write_notifications(self.db, [each.as_row(self.now) for each in drafts], self.now)
        of_group = {(row["user_id"], row["group_key"]): row["id"] for row in rows if row["group_key"] is not None}
        written = {row["id"] for row in rows}
        ids = [_id_of(each.draft, written, of_group) for each in drafts]
        wanted: dict[DigestKey, dict[str, Any]] = {}
        for each in drafts:
            wanted |= each.digests
        digests = store.join_digests(self.db, list(wanted.values()), self.now)
        deliveries = [
            row for each, id_ in zip(drafts, ids, strict=True) for row in each.deliveries(id_, digests, self.now)
        ]
        store.write_deliveries(self.db, deliveries, self.now)
        self.has_due = any(row["state"] == "waiting" and row["not_before"] <= self.now for row in deliveries)
        given = {each.draft.id for each in drafts}
        return [each for each in ids if each in given], [each for each in ids if each not in given]

    def _refuse(self, request: NotificationRequest, refusal: "_RefusedRequest") -> None:
        self.refused.append(Refusal(request.event_key, refusal.reason, refusal.details))
        logger().warning("a notification is refused", reason=refusal.reason, details=list(refusal.details))
        if refusal.is_fault and request.slug is not None:
            self.faults[_subject(request)] = "; ".join((refusal.reason, *refusal.details))

    def _note_success(self, request: NotificationRequest) -> None:
        if request.slug is not None and _subject(request) in self._troubles:
            self.recovered.add(_subject(request))

    _troubles: frozenset[str] = frozenset()

    def _report_templates(self) -> None:
        new = {subject: why for subject, why in self.faults.items() if subject not in self._troubles}
        incidents = [Incident(TEMPLATE_TROUBLE, each, _TITLE, details={"problem": why}) for each, why in new.items()]
        open_incidents(self.db, incidents, self.now)
        close_incidents(self.db, TEMPLATE_TROUBLE, sorted(self.recovered - self.faults.keys()), self.now)


class _RefusedRequest(Exception):
    """Why nobody hears of it; `is_fault`: of the template, or of what fills it."""

    def __init__(self, reason: str, details: Sequence[str] = (), *, is_fault: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.details = tuple(details)
        self.is_fault = is_fault


def _subject(request: NotificationRequest) -> str:
    return f"{request.org_id}/{request.slug}"


def _template_of(request: NotificationRequest, rows: Sequence[Row]) -> NotificationTemplate | None:
    if problems := list(_problems(request)):
        raise _RefusedRequest("invalid", problems)
    if request.slug is None:
        return None
    own = [row for row in rows if row["slug"] == request.slug and row["org_id"] in {None, request.org_id}]
    try:
        found = choose_template([NotificationTemplate.from_row(row) for row in own], _facts(request))
    except OF_ONE_ROW as error:
        raise _RefusedRequest("template", [describe_error(error)], is_fault=True) from None
    if found is None:
        raise _RefusedRequest("no_template", is_fault=not own)
    return found


def _problems(request: NotificationRequest) -> Iterator[str]:
    """What the database would refuse, and with it the transaction of the caller."""
    if request.slug is None and not (request.category and request.title and request.message):
        yield "category, title and message: given where there is no slug"
    texts = {name: getattr(request, name) or "" for name in _TEXTS}
    yield from (f"{name}: too long" for name, text in texts.items() if len(text) > _LONGEST.get(name, 100))
    if not request.event_key:
        yield "event_key: is empty"
    if any(_NOT_STORABLE.search(text) for text in texts.values()):
        yield "texts: hold a character that cannot be stored"
    if request.expires_at is not None and request.expires_at.tzinfo is None:
        yield "expires_at: without an offset"


def _facts(request: NotificationRequest) -> Mapping[str, object]:
    """What the conditions of a template look at."""
    named = {"entity_type": request.entity_type, "category": request.category, "type": request.type}
    given = {name: value for name, value in named.items() if value is not None}
    priority = {} if request.priority is None else {"priority": request.priority.value}
    return {**request.variables, **given, **priority}


def _asked(place: int, request: NotificationRequest, template: NotificationTemplate | None) -> dict[str, Any]:
    recipients = request.recipients
    owner = recipients.owner_of
    return {
        "place": place,
        "org_id": request.org_id,
        "category": category_of(request, template),
        "users": list(recipients.users),
        "role": recipients.role,
        "owner_type": None if owner is None else owner.entity_type,
        "owner_id": None if owner is None else owner.entity_id,
        "manager_of": recipients.manager_of,
        "everybody": recipients.everybody,
    }


def _rendered(
    request: NotificationRequest, template: NotificationTemplate | None, people: Sequence[Row], links: LinkRules
) -> list[Draft]:
    """Once for each clock and language, not for each person."""
    texts: dict[ReaderLocale, Rendered] = {}
    drafts = []
    for person in people:
        reader = locale_of(person)
        if reader not in texts:
            texts[reader] = _render(request, template, reader, links)
        drafts.append(Draft(uuid4(), person["user_id"], request, template, texts[reader], person))
    return drafts


def _render(
    request: NotificationRequest, template: NotificationTemplate | None, reader: ReaderLocale, links: LinkRules
) -> Rendered:
    try:
        if template is None:
            url = None if request.action_url is None else links.check(request.action_url)
            return Rendered(request.title or "", request.message or "", url)
        made = render_notification(template, request.variables, reader, action_url=request.action_url, links=links)
    except RejectedInput as error:
        raise _RefusedRequest("template", [error.message, *error.details], is_fault=True) from None
    except OF_ONE_ROW:
        raise _RefusedRequest("template", ["a value cannot be written"], is_fault=True) from None
    if any(_NOT_STORABLE.search(text) for text in _texts_of(made)):
        raise _RefusedRequest("template", ["a value holds a character that cannot be stored"], is_fault=True)
    return Rendered(request.title or made.title, request.message or made.message, made.action_url, made.email, made.sms)


def _texts_of(made: Rendered) -> Iterator[str]:
    yield from (made.title, made.message, made.action_url or "", made.sms or "")
    if made.email is not None:
        yield from (made.email.subject, made.email.html, made.email.text)


def _id_of(draft: Draft, written: set[UUID], of_group: Mapping[tuple[UUID, str], UUID]) -> UUID:
    if draft.id in written or draft.request.group_key is None:
        return draft.id
    return of_group[draft.user_id, draft.request.group_key]
