"""The shapes of Mailchimp's answers, as far as we read them.

Names are those of the vendor's specification 3.0.55 (https://mailchimp.com/developer/marketing/api/). Nothing here was
recorded.
"""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from crm_relay.platform.http.wire import Wire, moment_or_none

Moment = Annotated[datetime | None, BeforeValidator(moment_or_none)]


class MemberTag(Wire):
    """An item of a member's `tags`, the first fifty."""

    name: str


class MailchimpMember(Wire):
    """`id` is the MD5 of the address and changes with it; `contact_id` stays, and is not in every answer.

    `unsubscribe_reason`: "a subscriber's reason for unsubscribing" [O]. That an archived member keeps it is assumed.
    """

    id: str
    contact_id: str | None = None
    email_address: str = Field(repr=False)
    status: str = ""
    merge_fields: dict[str, Any] = Field(default_factory=dict, repr=False)
    last_changed: Moment = None
    unsubscribe_reason: str | None = Field(default=None, repr=False)
    tags: list[MemberTag] = Field(default_factory=list)

    @property
    def lasting_id(self) -> str:
        """The one that survives a change of the address, where it is known."""
        return self.contact_id or self.id


class MemberList(Wire):
    """GET /lists/{id}/members."""

    members: list[MailchimpMember]


class MergeField(Wire):
    """An item of GET /lists/{id}/merge-fields. `merge_id` survives a renaming, `tag` does not."""

    merge_id: int
    tag: str
    name: str = ""
    type: str
    options: dict[str, Any] = Field(default_factory=dict)

    @property
    def choices(self) -> list[str]:
        """Of a field of type radio or dropdown."""
        found = self.options.get("choices")
        return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []


class MergeFieldList(Wire):
    """GET /lists/{id}/merge-fields; the address is not among them."""

    merge_fields: list[MergeField]


class SubscribeError(Wire):
    """An item of `errors`. `error` is a sentence that quotes the address: never to be shown."""

    email_address: str = Field(repr=False)
    error: str = Field(default="", repr=False)
    error_code: str = ""
    field: str = ""


class SubscribeAnswer(Wire):
    """POST /lists/{id}: 200 also where every member was refused."""

    new_members: list[MailchimpMember] = Field(default_factory=list)
    updated_members: list[MailchimpMember] = Field(default_factory=list)
    errors: list[SubscribeError] = Field(default_factory=list)


class MailchimpBatch(Wire):
    """POST /batches and GET /batches/{id}: pending, preprocessing, started, finalizing, finished."""

    id: str
    status: str
    response_body_url: str = Field(default="", repr=False)
    submitted_at: Moment = None


class MailchimpBatchList(Wire):
    """GET /batches."""

    batches: list[MailchimpBatch]


class BatchResult(Wire):
    """One operation in the file of a batch's results; `response` is JSON as text."""

    status_code: int
    operation_id: str
    response: str | None = Field(default=None, repr=False)


class Audience(Wire):
    """An item of GET /lists."""

    id: str
    name: str


class AudienceList(Wire):
    """GET /lists."""

    lists: list[Audience]


class AccountRoot(Wire):
    """GET /."""

    account_id: str = ""
    account_name: str = ""
    email: str = ""


class OAuthMetadata(Wire):
    """GET /oauth2/metadata of the login server."""

    dc: str


class AudienceHook(Wire):
    """An item of GET /lists/{id}/webhooks, and the answer of POST; `signing_secret` is said once, if at all."""

    id: str
    url: str = Field(repr=False)
    signing_secret: str | None = Field(default=None, repr=False)


class AudienceHookList(Wire):
    """GET /lists/{id}/webhooks."""

    webhooks: list[AudienceHook]
