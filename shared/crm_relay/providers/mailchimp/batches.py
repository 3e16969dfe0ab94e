"""Operations that Mailchimp carries out on its own time: handed in together, waited for, and read one by one."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from crm_relay.platform.errors import ServerFailed
from crm_relay.platform.http.json_answer import parsed
from crm_relay.providers.connectors.access import Access
from crm_relay.providers.connectors.authorized_client import AuthorizedClient
from crm_relay.providers.connectors.failures import TimeUsedUp
from crm_relay.providers.mailchimp.result_file import fetch_results
from crm_relay.providers.mailchimp.wire import BatchResult, MailchimpBatch, MailchimpBatchList

LARGEST_BATCH = 1_000
_PAUSES = (2.0, 4.0, 8.0, 15.0, 30.0, 30.0, 60.0, 60.0, 60.0, 60.0)
_FINISHED = "finished"
_STUCK = timedelta(hours=6)
"""A batch that is older and has not ended never will, and holds up nobody."""

_FIELDS = {"fields": "id,status,response_body_url"}


@dataclass(frozen=True)
class Operation:
    """`body` None: it has none. `query`: of the operation itself."""

    method: str
    path: str
    body: Mapping[str, Any] | None = None
    query: Mapping[str, str] | None = None


@dataclass(frozen=True)
class OperationResult:
    """What one operation was answered; `body` None where it was no JSON."""

    status: int
    body: Any


class BatchRunner:
    """Batches of one account in one run.

    A run that died, or that a batch outlived, leaves one that is still being carried out, and what it writes late would
    undo what is written after it. So the first batch of a run waits until those that it finds have come to their end.
    """

    def __init__(self, client: AuthorizedClient, access: Access) -> None:
        self._client = client
        self._access = access
        self._is_quiet = False

    def run(self, operations: Sequence[Operation]) -> list[OperationResult]:
        """One result each, in order. Raises TimeUsedUp where it is not finished in time, and errors of requests."""
        self._wait_for_others()
        results: list[OperationResult] = []
        for start in range(0, len(operations), LARGEST_BATCH):
            results += self._run_one(operations[start : start + LARGEST_BATCH])
        return results

    def _wait_for_others(self) -> None:
        if self._is_quiet:
            return
        query = {"count": "100", "fields": "batches.id,batches.status,batches.submitted_at"}
        answer = self._client.send("GET", "/3.0/batches", query=query)
        now = moment_of_header(answer.headers.get("date"))
        for each in parsed(MailchimpBatchList, answer).batches:
            is_stuck = now is not None and each.submitted_at is not None and now - each.submitted_at > _STUCK
            if each.status != _FINISHED and not is_stuck:
                self._wait(each.id)
        self._is_quiet = True

    def _run_one(self, operations: Sequence[Operation]) -> list[OperationResult]:
        body = {"operations": [_as_json(each, number) for number, each in enumerate(operations)]}
        begun = parsed(MailchimpBatch, self._client.send("POST", "/3.0/batches", json=body))
        # Until its end is seen it may be under way, whatever ends this run.
        self._is_quiet = False
        done = begun if begun.status == _FINISHED else self._wait(begun.id)
        found = fetch_results(self._client.http, done.response_body_url)
        self._is_quiet = True
        if set(found) != {str(number) for number in range(len(operations))}:
            raise ServerFailed("Mailchimp's results are of other operations than were asked for")
        return [_read(found[str(number)]) for number in range(len(operations))]

    def _wait(self, batch_id: str) -> MailchimpBatch:
        for seconds in _PAUSES:
            self._access.pause(seconds)
            batch = parsed(MailchimpBatch, self._client.send("GET", f"/3.0/batches/{batch_id}", query=_FIELDS))
            if batch.status == _FINISHED:
                return batch
        raise TimeUsedUp("Mailchimp has not finished a batch yet")


def _as_json(operation: Operation, number: int) -> dict[str, Any]:
    found: dict[str, Any] = {"method": operation.method, "path": operation.path, "operation_id": str(number)}
    if operation.body is not None:
        found["body"] = json.dumps(operation.body)
    if operation.query is not None:
        found["params"] = dict(operation.query)
    return found


def _read(result: BatchResult) -> OperationResult:
    try:
        body = json.loads(result.response) if result.response else None
    except ValueError:
        body = None
    return OperationResult(result.status_code, body)


def moment_of_header(text: str | None) -> datetime | None:
    """Mailchimp's own time, of `Date`."""
    try:
        moment = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
