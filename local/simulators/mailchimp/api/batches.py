"""Batches of operations, and the files of their results [O]."""

from __future__ import annotations

import gzip
import io
import json
import secrets
import tarfile
from collections.abc import Callable
from urllib.parse import urlencode

from local.simulators.mailchimp.state import MailchimpState, SimulatedOperations, seconds
from local.simulators.mailchimp.wire import (
    Json,
    MailchimpProblem,
    MailchimpRequest,
    MailchimpResponse,
    invalid,
    not_found,
    selected,
)

Carry = Callable[[MailchimpRequest], MailchimpResponse]
RESULTS = "/batch-results/"
_SIGNATURE = "signed"


def begin(state: MailchimpState, request: MailchimpRequest) -> MailchimpResponse:
    operations = request.object.get("operations")
    if not isinstance(operations, list) or not 1 <= len(operations) <= 1000:
        raise invalid("operations", "A batch has at most 1000 operations.")
    if sum(each.results is None for each in state.batches.values()) >= 500:
        raise MailchimpProblem(429, "Too Many Requests", "You have too many pending batches.")
    made = SimulatedOperations(secrets.token_hex(5), operations, state.now(), state.polls)
    state.batches[made.id] = made
    return MailchimpResponse(200, shown(made, request))


def show(state: MailchimpState, request: MailchimpRequest, batch_id: str, carry: Carry) -> MailchimpResponse:
    found = state.batches.get(batch_id)
    if found is None:
        raise not_found()
    found.polls -= 1
    if found.results is None and found.polls < 0:
        finish(found, request, carry)
    return MailchimpResponse(200, selected(shown(found, request), request.query))


def finish(batch: SimulatedOperations, request: MailchimpRequest, carry: Carry) -> None:
    batch.results = [_carried_out(each, request, carry) for each in batch.operations]
    batch.errored = sum(each["status_code"] >= 400 for each in batch.results)


def list_all(state: MailchimpState, request: MailchimpRequest) -> MailchimpResponse:
    count = int(request.query.get("count", 10))
    found = [shown(each, request) for each in reversed(state.batches.values())][:count]
    return MailchimpResponse(200, selected({"batches": found, "total_items": len(state.batches)}, request.query))


def results(state: MailchimpState, request: MailchimpRequest) -> MailchimpResponse:
    """The archive; its signature is all that is asked for, no token."""
    batch = state.batches.get(request.path.removeprefix(RESULTS).removesuffix("-response.tar.gz"))
    if batch is None or batch.results is None or request.query.get("X-Amz-Signature") != _SIGNATURE:
        return MailchimpResponse(403, b"<Error><Code>AccessDenied</Code></Error>", content_type="application/xml")
    if request.header("Authorization"):
        return MailchimpResponse(400, b"<Error><Code>InvalidRequest</Code></Error>", content_type="application/xml")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        root = tarfile.TarInfo("./")
        root.type = tarfile.DIRTYPE
        archive.addfile(root)
        half = len(batch.results) // 2
        for number, part in enumerate((batch.results[:half], batch.results[half:])):
            content = json.dumps(part).encode()
            entry = tarfile.TarInfo(f"./{batch.id}-{number}.json")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return MailchimpResponse(200, gzip.compress(packed.getvalue()), content_type="application/octet-stream")


def shown(batch: SimulatedOperations, request: MailchimpRequest) -> Json:
    done = batch.results is not None
    address = f"{request.base_url}{RESULTS}{batch.id}-response.tar.gz?X-Amz-Signature={_SIGNATURE}"
    return {
        "id": batch.id,
        "status": batch.status,
        "total_operations": len(batch.operations),
        "finished_operations": len(batch.operations) if done else 0,
        "errored_operations": batch.errored,
        "submitted_at": seconds(batch.submitted),
        "completed_at": seconds(batch.submitted) if done else "",
        "response_body_url": address if done else "",
    }


def _carried_out(operation: Json, request: MailchimpRequest, carry: Carry) -> Json:
    inner = MailchimpRequest(
        operation["method"],
        "/3.0" + operation["path"],
        urlencode(operation.get("params") or {}),
        {},
        str(operation.get("body", "")).encode(),
        request.base_url,
        is_inner=True,
    )
    try:
        response = carry(inner)
    except MailchimpProblem as problem:
        response = problem.response()
    return {
        "status_code": response.status,
        "operation_id": operation.get("operation_id", ""),
        "response": response.encoded().decode(),
    }
