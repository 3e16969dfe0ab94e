"""Mailchimp as a connector: what never changes about it, and an account opened for one run.

https://mailchimp.com/developer/marketing/guides/access-user-data-oauth-2/: a token has no scopes, never expires, and
cannot be refreshed; a person takes it back under Account > Extras > Registered apps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.providers.connectors.access import Access
from crm_relay.providers.connectors.contract import AccountInfo, Choice, Limit, RecordStream
from crm_relay.providers.connectors.oauth import OAuthEndpoints
from crm_relay.providers.mailchimp import API_URL, LOGIN_URL
from crm_relay.providers.mailchimp.client import MailchimpApi
from crm_relay.providers.mailchimp.data_center import PACE_SECONDS, DataCenter
from crm_relay.providers.mailchimp.members.merge_types import MERGE_TYPES
from crm_relay.providers.mailchimp.members.stream import AudienceMembers
from crm_relay.providers.mailchimp.settings import EMAIL_ID, is_list_id, list_of, read_settings

_PER_SECOND = 8.0
"""Ten requests at once are allowed. A connection sends one at a time, so this keeps several of one account below it."""


@dataclass(frozen=True)
class MailchimpConnector:
    """The only one there is; an installation says where its login server is."""

    login_url: str = LOGIN_URL
    name: str = "mailchimp"
    base_url: str = API_URL
    takes_keys: bool = True
    pickers: Sequence[str] = ("audience", "field")
    has_audiences: bool = True

    @property
    def oauth(self) -> OAuthEndpoints | None:
        return OAuthEndpoints(
            authorize_url=f"{LOGIN_URL}/oauth2/authorize", token_url=f"{LOGIN_URL}/oauth2/token", expires=False
        )

    def limits(self, settings: Mapping[str, object], account: str) -> Sequence[Limit]:
        """Of the audience: connections to one audience are of one account."""
        return [Limit(f"mailchimp:audience:{list_of(settings) or account}", _PER_SECOND, PACE_SECONDS)]

    def open(self, http: HttpClient, access: Access, settings: Mapping[str, object]) -> "MailchimpAccount":
        return MailchimpAccount(MailchimpApi(DataCenter(http, access, self.login_url), access), settings)


class MailchimpAccount:
    """A connected account; `settings` may be unfinished while somebody picks."""

    def __init__(self, api: MailchimpApi, settings: Mapping[str, object]) -> None:
        self.api = api
        self._settings = settings

    def info(self) -> AccountInfo:
        root = self.api.root()
        return AccountInfo(root.email or root.account_name or root.account_id, root.account_name)

    def streams(self) -> Sequence[RecordStream]:
        return [AudienceMembers(self.api, read_settings(self._settings))]

    def choices(self, kind: str, within: str | None = None) -> Sequence[Choice]:
        """`within`: the audience of a field, else the one of the settings."""
        if kind == "audience":
            return [Choice(each.id, each.name) for each in self.api.audiences()]
        list_id = within if is_list_id(within) else list_of(self._settings)
        if kind != "field" or list_id is None:
            raise RejectedInput("pick an audience first: list_id", status=422)
        fields = self.api.audience(list_id).merge_fields()
        merges = [
            Choice(str(each.merge_id), f"{each.name} ({each.type})") for each in fields if each.type in MERGE_TYPES
        ]
        return [Choice(EMAIL_ID, "Email address"), *merges]
