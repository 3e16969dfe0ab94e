"""Messages, conversations, labels and history of a mailbox [G]."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar

from local.simulators.gmail.state import GmailAccountState, HistoryChange, SimulatedMessage
from local.simulators.gmail.wire import GmailRequest, GmailResponse, Json, invalid, not_found

T = TypeVar("T")
_KINDS = {"messageAdded": "messagesAdded", "messageDeleted": "messagesDeleted"}
_KINDS |= {"labelAdded": "labelsAdded", "labelRemoved": "labelsRemoved"}


def profile(account: GmailAccountState) -> GmailResponse:
    threads = {each.thread_id for each in account.messages.values()}
    return GmailResponse(
        200,
        {
            "emailAddress": account.address,
            "messagesTotal": len(account.messages),
            "threadsTotal": len(threads),
            "historyId": str(account.newest),
        },
    )


def list_labels(account: GmailAccountState) -> GmailResponse:
    listed = [
        {"id": key, "name": name, "type": "user" if key.startswith("Label_") else "system"}
        for key, name in account.labels.items()
    ]
    return GmailResponse(200, {"labels": listed})


def list_messages(account: GmailAccountState, request: GmailRequest, page_size: int) -> GmailResponse:
    """The newest first; without spam and trash unless they are asked for."""
    wanted = request.all("labelIds")
    _known_labels(account, wanted)
    hidden = set() if request.query.get("includeSpamTrash") == "true" else {"SPAM", "TRASH"}
    query = request.query.get("q", "")
    found = [
        each
        for each in sorted(account.messages.values(), key=lambda one: (-one.internal, one.id))
        if set(wanted) <= set(each.labels) and not hidden & set(each.labels) and matches(each, query)
    ]
    page, token = paged(found, request, page_size)
    answer: Json = {"resultSizeEstimate": len(found)}
    if page:
        answer["messages"] = [{"id": each.id, "threadId": each.thread_id} for each in page]
    return GmailResponse(200, answer | ({"nextPageToken": token} if token else {}))


def get_message(account: GmailAccountState, request: GmailRequest, message_id: str) -> GmailResponse:
    return GmailResponse(200, selected(shown(account.message(message_id), request), request))


def get_thread(account: GmailAccountState, request: GmailRequest, thread_id: str) -> GmailResponse:
    found = [each for each in account.messages.values() if each.thread_id == thread_id]
    if not found:
        raise not_found()
    newest = max(each.history_id for each in found)
    listed = [shown(each, request) for each in sorted(found, key=lambda one: one.internal)]
    return GmailResponse(200, {"id": thread_id, "historyId": str(newest), "messages": listed})


def list_history(account: GmailAccountState, request: GmailRequest, page_size: int) -> GmailResponse:
    """In the order of the changes. 404 for a start that is forgotten."""
    start = request.query.get("startHistoryId", "")
    if not start.isdecimal():
        raise invalid("Missing or invalid startHistoryId")
    if int(start) < account.floor:
        raise not_found()
    label = request.query.get("labelId")
    _known_labels(account, [label] if label else [])
    kinds = request.all("historyTypes") or list(_KINDS)
    found = [
        each
        for each in account.history
        if each.id > int(start) and each.kind in kinds and (label is None or label in {*each.labels, *each.added})
    ]
    page, token = paged(found, request, page_size)
    answer: Json = {"historyId": str(account.newest)}
    if page:
        answer["history"] = [_change(each) for each in page]
    return GmailResponse(200, answer | ({"nextPageToken": token} if token else {}))


def matches(message: SimulatedMessage, query: str) -> bool:
    """`rfc822msgid:` and `after:` of the search, all that is given."""
    for part in query.split():
        name, _, value = part.partition(":")
        if name == "rfc822msgid":
            if message.message_id.strip("<>") != value.strip("<>"):
                return False
        elif name == "after" and value.isdecimal():
            if message.internal < int(value) * 1000:
                return False
        else:
            raise invalid(f"the simulator does not know the search {name}")
    return True


def shown(message: SimulatedMessage, request: GmailRequest) -> Json:
    """By `format` [G]; `full` without parts."""
    kind = request.query.get("format", "full")
    if kind not in {"minimal", "full", "raw", "metadata"}:
        raise invalid("Invalid value at 'format'")
    answer: Json = {
        "id": message.id,
        "threadId": message.thread_id,
        "labelIds": list(message.labels),
        "snippet": message.snippet,
        "historyId": str(message.history_id),
        "internalDate": str(message.internal),
        "sizeEstimate": len(message.raw),
    }
    if kind in {"full", "metadata"}:
        names = {each.lower() for each in request.all("metadataHeaders")} if kind == "metadata" else set()
        headers = [each for each in message.headers if not names or each["name"].lower() in names]
        answer["payload"] = {"mimeType": "text/plain", "headers": headers}
    return answer


def selected(answer: Json, request: GmailRequest) -> Json:
    """By `fields`, as far as it names members of the first level."""
    fields = request.query.get("fields")
    names = {each.partition("/")[0] for each in fields.split(",")} if fields else set(answer)
    return {name: value for name, value in answer.items() if name in names}


def paged(found: Sequence[T], request: GmailRequest, page_size: int) -> tuple[list[T], str | None]:
    """A page token is the place where it begins."""
    wanted = request.query.get("maxResults", "100")
    if not wanted.isdecimal() or int(wanted) > 500:
        raise invalid("Invalid maxResults")
    token = request.query.get("pageToken", "p0")
    if not re.fullmatch(r"p\d+", token):
        raise invalid("Invalid pageToken")
    begin, size = int(token[1:]), max(1, min(int(wanted), page_size))
    end = begin + size
    if request.shift:
        end = begin + max(0, size - 1)
    first = max(0, begin - 1) if request.repeat else begin
    return list(found[first:end]), f"p{end}" if end < len(found) else None


def _known_labels(account: GmailAccountState, labels: Sequence[str]) -> None:
    if any(each not in account.labels for each in labels):
        raise invalid("Invalid label")


def _change(change: HistoryChange) -> Json:
    message = {"id": change.message_id, "threadId": change.thread_id, "labelIds": change.labels}
    entry: Json = {"message": message} | ({"labelIds": change.added} if change.added else {})
    short = {"id": change.message_id, "threadId": change.thread_id}
    return {"id": str(change.id), "messages": [short], _KINDS[change.kind]: [entry]}
