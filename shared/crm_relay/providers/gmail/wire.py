"""The shapes of Gmail's answers, as far as they are read.

https://developers.google.com/workspace/gmail/api/reference/rest, held against the discovery document (revision
20261005). 64-bit numbers are text there. Nothing here was recorded.
"""

from pydantic import Field

from crm_relay.platform.http.wire import Wire


class GmailProfile(Wire):
    """GET users/me/profile."""

    email_address: str = Field(validation_alias="emailAddress", repr=False)
    history_id: str = Field(validation_alias="historyId")


class GmailHeader(Wire):
    """An item of `payload.headers`."""

    name: str
    value: str = Field(repr=False)


class GmailPart(Wire):
    """`payload` of a message; with format=metadata it has headers alone."""

    headers: list[GmailHeader] = Field(default_factory=list)


class GmailMessage(Wire):
    """A message. In lists it has ids alone. `internalDate`: milliseconds, when Google accepted the mail."""

    id: str
    thread_id: str = Field(default="", validation_alias="threadId")
    label_ids: list[str] = Field(default_factory=list, validation_alias="labelIds")
    internal_date: str | None = Field(default=None, validation_alias="internalDate")
    snippet: str = Field(default="", repr=False)
    payload: GmailPart = GmailPart()


class GmailMessageList(Wire):
    """GET users/me/messages: no `messages` where nothing is found."""

    messages: list[GmailMessage] = Field(default_factory=list)
    next_page_token: str | None = Field(default=None, validation_alias="nextPageToken")


class GmailChange(Wire):
    """An item of `messagesAdded` and `labelsAdded`; `labelIds` are those that were added, of the latter alone."""

    message: GmailMessage
    label_ids: list[str] = Field(default_factory=list, validation_alias="labelIds")


class GmailHistoryRecord(Wire):
    """One change of the mailbox."""

    id: str
    messages_added: list[GmailChange] = Field(default_factory=list, validation_alias="messagesAdded")
    labels_added: list[GmailChange] = Field(default_factory=list, validation_alias="labelsAdded")


class GmailHistory(Wire):
    """GET users/me/history: no `history` where nothing is new."""

    history: list[GmailHistoryRecord] = Field(default_factory=list)
    next_page_token: str | None = Field(default=None, validation_alias="nextPageToken")
    history_id: str = Field(validation_alias="historyId")


class GmailLabel(Wire):
    """An item of GET users/me/labels."""

    id: str
    name: str


class GmailLabelList(Wire):
    """All of them in one answer."""

    labels: list[GmailLabel] = Field(default_factory=list)


class GmailDraft(Wire):
    """POST users/me/drafts; in lists too."""

    id: str
    message: GmailMessage


class GmailDraftList(Wire):
    """GET users/me/drafts: no `drafts` where nothing is found."""

    drafts: list[GmailDraft] = Field(default_factory=list)


class GmailThread(Wire):
    """GET users/me/threads/{id} with format=minimal: messages with their labels."""

    messages: list[GmailMessage] = Field(default_factory=list)
