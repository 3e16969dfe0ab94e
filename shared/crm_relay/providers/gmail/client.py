"""Gmail's API in verbs of ours, over plain HTTPS.

https://developers.google.com/workspace/gmail/api/reference/rest. Nothing is repeated here; errors as in
AuthorizedClient.send, refusals as in refusals.py. Each request takes as many units of the quota as the page of quotas
says: https://developers.google.com/workspace/gmail/api/reference/quota
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import quote

from crm_relay.platform.http.http_client import Answer
from crm_relay.platform.http.json_answer import parsed
from crm_relay.providers.connectors.authorized_client import AuthorizedClient
from crm_relay.providers.connectors.failures import CursorLost, SchemaDrift
from crm_relay.providers.connectors.mailbox import (
    DraftGone,
    DraftRef,
    MailboxMessage,
    MailboxProfile,
    MailPage,
    SentRef,
)
from crm_relay.providers.gmail import wire
from crm_relay.providers.gmail.refusals import GmailRefused
from crm_relay.rules.replies.vocabulary import KEPT_HEADERS

_ME = "/gmail/v1/users/me"
LARGEST_PAGE = 500
UNITS = {"profile": 1, "history": 2, "get": 5, "list": 5, "labels": 1, "draft": 10, "send": 100, "thread": 10}

SENT, DRAFT = "SENT", "DRAFT"
MATCHED_HEADERS = ("from", "to", "cc", "subject", "in-reply-to", "references", "message-id")
ASKED_HEADERS = tuple(sorted({*MATCHED_HEADERS, *KEPT_HEADERS}))
_OF_ONE_MESSAGE = "id,threadId,labelIds,internalDate,snippet,payload/headers"
_GONE = frozenset({404})
_HIDDEN = frozenset({"SPAM", "TRASH"})


class GmailMailbox:
    """One account's mailbox."""

    def __init__(self, client: AuthorizedClient) -> None:
        self._client = client

    def profile(self) -> MailboxProfile:
        """Needs a scope that reads: gmail.compose alone is not enough."""
        found = parsed(wire.GmailProfile, self._get("/profile", {}, "profile"))
        return MailboxProfile(found.email_address, found.history_id)

    def changes(self, cursor: str, labels: Sequence[str], page: str | None) -> MailPage:
        """`labelsAdded` besides `messagesAdded`: a reply may be moved to a watched label after it came.

        The top-level historyId of the last page is the next cursor. Google keeps history for at least a week,
        "sometimes only hours", and answers 404 afterwards.
        """
        query: dict[str, str | Sequence[str]] = {
            "startHistoryId": cursor,
            "historyTypes": ["messageAdded", "labelAdded"],
            "maxResults": str(LARGEST_PAGE),
        }
        # The parameter takes one label; of several, the answer is looked through.
        if len(labels) == 1:
            query["labelId"] = labels[0]
        if page is not None:
            query["pageToken"] = page
        answer = self._of_labels(lambda: self._get("/history", query, "history", accept=_GONE), labels)
        if answer.status == 404:
            raise CursorLost("Gmail no longer keeps the history since the last read")
        found = parsed(wire.GmailHistory, answer)
        ids = [each for record in found.history for each in _watched(record, frozenset(labels))]
        return MailPage(list(dict.fromkeys(ids)), found.next_page_token, found.history_id)

    def listing(self, since: datetime, label: str, page: str | None) -> MailPage:
        """`after:` takes seconds since 1970: https://developers.google.com/workspace/gmail/api/guides/filtering"""
        query: dict[str, str | Sequence[str]] = {
            "q": f"after:{int(since.timestamp())}",
            "labelIds": [label],
            "maxResults": str(LARGEST_PAGE),
        }
        if label in _HIDDEN:
            query["includeSpamTrash"] = "true"
        if page is not None:
            query["pageToken"] = page
        try:
            answer = self._of_labels(lambda: self._get("/messages", query, "list"), [label])
        except GmailRefused:
            if page is None:
                raise
            raise CursorLost("Gmail no longer knows the page of a listing") from None
        found = parsed(wire.GmailMessageList, answer)
        return MailPage([each.id for each in found.messages], found.next_page_token)

    def message(self, message_id: str) -> MailboxMessage | None:
        """Headers alone."""
        query = {"format": "metadata", "metadataHeaders": ASKED_HEADERS, "fields": _OF_ONE_MESSAGE}
        answer = self._get(f"/messages/{quote(message_id, safe='')}", query, "get", accept=_GONE)
        return None if answer.status == 404 else _message(parsed(wire.GmailMessage, answer))

    def labels(self) -> Mapping[str, str]:
        found = parsed(wire.GmailLabelList, self._get("/labels", {}, "labels"))
        return {each.id: each.name for each in found.labels}

    def create_draft(self, letter: bytes) -> DraftRef:
        raw = base64.urlsafe_b64encode(letter).decode()
        body = {"message": {"raw": raw}}
        found = parsed(wire.GmailDraft, self._client.send("POST", f"{_ME}/drafts", json=body, units=UNITS["draft"]))
        return DraftRef(found.id, found.message.thread_id)

    def find_draft(self, message_id: str) -> DraftRef | None:
        query = {"q": f"rfc822msgid:{message_id.strip('<>')}", "maxResults": "1"}
        found = parsed(wire.GmailDraftList, self._get("/drafts", query, "list"))
        return next((DraftRef(each.id, each.message.thread_id) for each in found.drafts), None)

    def has_draft(self, draft_id: str) -> bool:
        query = {"format": "minimal"}
        return self._get(f"/drafts/{quote(draft_id, safe='')}", query, "get", accept=_GONE).status != 404

    def ready_to_send(self) -> None:
        """A token is asked for too: its refresh takes a while."""
        self._client.access.take_permit(UNITS["send"])
        self._client.access.token()

    def send_draft(self, draft_id: str) -> SentRef:
        """A draft that was sent is gone, so a second request is answered 404."""
        answer = self._client.send("POST", f"{_ME}/drafts/send", json={"id": draft_id}, units=0, accept=_GONE)
        if answer.status == 404:
            raise DraftGone
        sent = parsed(wire.GmailMessage, answer)
        return SentRef(sent.id, sent.thread_id)

    def delete_draft(self, draft_id: str) -> bool:
        path = f"{_ME}/drafts/{quote(draft_id, safe='')}"
        return self._client.send("DELETE", path, units=UNITS["draft"], accept=_GONE).status != 404

    def find_sent(self, message_id: str, thread_id: str | None) -> SentRef | None:
        """A listing shows drafts too, so the label decides. A Message-ID may be replaced on the way: the conversation
        that a draft began has a sent message only if the draft was sent.
        """
        query = {
            "q": f"rfc822msgid:{message_id.strip('<>')}",
            "labelIds": [SENT],
            "maxResults": "1",
            "includeSpamTrash": "true",
        }
        found = parsed(wire.GmailMessageList, self._get("/messages", query, "list")).messages
        if found:
            return SentRef(found[0].id, found[0].thread_id)
        return None if not thread_id else self._sent_in(thread_id)

    def _sent_in(self, thread_id: str) -> SentRef | None:
        path, query = f"/threads/{quote(thread_id, safe='')}", {"format": "minimal"}
        answer = self._get(path, query, "thread", accept=_GONE)
        if answer.status == 404:
            return None
        messages = parsed(wire.GmailThread, answer).messages
        return next((SentRef(each.id, thread_id) for each in messages if SENT in each.label_ids), None)

    def _get(
        self, path: str, query: Mapping[str, str | Sequence[str]], kind: str, accept: frozenset[int] = frozenset()
    ) -> Answer:
        return self._client.send("GET", f"{_ME}{path}", query=query, units=UNITS[kind], accept=accept)

    def _of_labels(self, ask: Callable[[], Answer], labels: Sequence[str]) -> Answer:
        """A label that is gone is refused as a parameter: which one it is says the list of labels."""
        try:
            return ask()
        except GmailRefused:
            known = self.labels()
            if lost := [each for each in labels if each not in known]:
                raise SchemaDrift(f"Gmail: label(s) {', '.join(lost)} are not there any more", lost) from None
            raise


def _watched(record: wire.GmailHistoryRecord, labels: frozenset[str]) -> list[str]:
    """Messages of a change that have, or got, a watched label. `messages` does not say why they are there."""
    added = [each.message.id for each in record.messages_added if labels.intersection(each.message.label_ids)]
    return added + [each.message.id for each in record.labels_added if labels.intersection(each.label_ids)]


def _message(found: wire.GmailMessage) -> MailboxMessage:
    headers: dict[str, str] = {}
    for each in found.payload.headers:
        name = each.name.lower()
        headers[name] = f"{headers[name]}, {each.value}" if name in headers else each.value
    return MailboxMessage(
        found.id,
        found.thread_id,
        frozenset(found.label_ids),
        _moment(found.internal_date),
        headers,
        found.snippet,
    )


def _moment(milliseconds: str | None) -> datetime | None:
    try:
        return None if milliseconds is None else datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
