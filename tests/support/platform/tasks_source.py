"""A source for tests of the way through the inbox: a delivery's body names a task, which is written down once."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from crm_relay.consent.person import Person
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.sql import Query, Rows, Statement
from crm_relay.webhooks.models import Delivered, DeliveryOutcome
from crm_relay.webhooks.source import Batch, Decided, KeptDelivery, ReadMore, ReadRows, Received, Source, WebhookRequest

RECEIVED = datetime(2026, 11, 30, tzinfo=UTC)
_KNOWN = Query.parse("known", "what is there", "select task_key from failed_tasks where task_key = any (:keys::text[])")
_WRITE = Query.parse(
    "write",
    "a plain insert, which the unique index may refuse",
    """insert into failed_tasks (source, task_key, payload)
       select 'task', key, text from :tasks as task (key text, text text)""",
)


@dataclass
class Tasks:
    """Body: `task`, and `refused` or `text`."""

    decided: list[int] = field(default_factory=list)
    committed: list[int] = field(default_factory=list)

    def reads(self, batch: Batch[Mapping[str, str]]) -> Mapping[str, Statement]:
        """The tasks that are there are looked up only where the first attempt met one."""
        keys = [each.parsed["task"] for each in batch.deliveries]
        return {"known": _KNOWN.bind(keys=keys)} if batch.is_repeated else {}

    def decide(self, kept: Sequence[KeptDelivery[Mapping[str, str]]], rows: ReadRows) -> Decided | ReadMore:
        """A delivery that was applied before asks what is there; all others believe that nothing is."""
        self.decided.append(len(kept))
        if "known" not in rows and not all(each.is_new for each in kept):
            return ReadMore({"known": _KNOWN.bind(keys=[each.parsed["task"] for each in kept])})
        known = {row["task_key"] for row in rows.get("known", [])}
        outcomes, tasks = [], []
        for each in kept:
            key = each.parsed["task"]
            if "refused" in each.parsed:
                outcomes.append(DeliveryOutcome(refused=each.parsed["refused"]))
            elif key in known:
                outcomes.append(DeliveryOutcome(duplicates=1))
            else:
                known.add(key)
                outcomes.append(DeliveryOutcome(processed=1))
                tasks.append({"key": key, "text": each.parsed.get("text", "")})
        writes = [_WRITE.bind(tasks=Rows(tasks))] if tasks else []
        return Decided(outcomes, writes, [lambda: self.committed.append(len(kept))])

    @property
    def source(self) -> Source[None, Mapping[str, str]]:
        """It receives nothing: its deliveries are stored ones."""
        return Source("task", _receive, _parse, self.reads, self.decide, _redact)


def delivered(task: str, **details: str) -> Delivered:
    """A delivery of the source; one without a name cannot be read."""
    return Delivered("task", json.dumps({"task": task} | details).encode(), RECEIVED)


def _receive(_request: WebhookRequest, _keys: None, _now: datetime) -> Received[Mapping[str, str]]:
    raise NotImplementedError


def _parse(stored: Delivered) -> Mapping[str, str]:
    content: Mapping[str, str] = json.loads(stored.body)
    if not content["task"]:
        raise RejectedInput("a task without a name")
    return content


def _redact(body: str, person: Person) -> str | None:
    return body.replace(min(person.addresses), "nobody")
