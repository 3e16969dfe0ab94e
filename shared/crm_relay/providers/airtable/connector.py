"""Airtable as a connector: what never changes about it, and an account opened for one run.

https://airtable.com/developers/web/api/oauth-reference for consent: PKCE and a state are mandatory, a refresh token is
good once, and a refresh ends the access token before it. There is no address for taking access back: a person does that
at https://airtable.com/account.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.providers.airtable import API_URL, SITE_URL
from crm_relay.providers.airtable.client import AirtableApi
from crm_relay.providers.airtable.refusals import refusal
from crm_relay.providers.airtable.settings import base_of, is_id, monthly_calls, read_settings
from crm_relay.providers.airtable.stream import TableStream
from crm_relay.providers.connectors.access import Access
from crm_relay.providers.connectors.authorized_client import AuthorizedClient
from crm_relay.providers.connectors.contract import AccountInfo, Choice, Limit, RecordStream
from crm_relay.providers.connectors.failures import PermissionMissing
from crm_relay.providers.connectors.oauth import OAuthEndpoints

NEEDED_SCOPES = ("data.records:read", "data.records:write", "schema.bases:read")
LOCK_OUT_SECONDS = 30.0
"""After a 429, which says no time: whatever is sent before is refused as well."""

_PER_BASE, _PER_ACCOUNT = 4.5, 45.0
"""5 and 50 a second are allowed, counted where they arrive: requests that left evenly may arrive closer together."""


@dataclass(frozen=True)
class AirtableConnector:
    """The only one there is; an installation says where its API is."""

    name: str = "airtable"
    base_url: str = API_URL
    takes_keys: bool = True
    pickers: Sequence[str] = ("base", "table", "field")

    @property
    def oauth(self) -> OAuthEndpoints | None:
        return OAuthEndpoints(
            authorize_url=f"{SITE_URL}/oauth2/v1/authorize",
            token_url=f"{SITE_URL}/oauth2/v1/token",
            scopes=(*NEEDED_SCOPES, "user.email:read"),
            client_auth="basic",
        )

    def limits(self, settings: Mapping[str, object], account: str) -> Sequence[Limit]:
        """Of the base, of the token, and the calls of a month."""
        base = base_of(settings)
        of_base = [Limit(f"airtable:base:{base}", _PER_BASE, LOCK_OUT_SECONDS)] if base else []
        return [*of_base, Limit(f"airtable:account:{account}", _PER_ACCOUNT, LOCK_OUT_SECONDS, monthly_calls(settings))]

    def open(self, http: HttpClient, access: Access, settings: Mapping[str, object]) -> "AirtableAccount":
        client = AuthorizedClient(http, access, refusal, lock_out_seconds=LOCK_OUT_SECONDS)
        return AirtableAccount(AirtableApi(client), settings)


class AirtableAccount:
    """A connected account; `settings` may be unfinished while somebody picks."""

    def __init__(self, api: AirtableApi, settings: Mapping[str, object]) -> None:
        self._api = api
        self._settings = settings

    def info(self) -> AccountInfo:
        """Raises PermissionMissing where consent was given to less than is needed."""
        user = self._api.user()
        missing = [] if user.scopes is None else [each for each in NEEDED_SCOPES if each not in user.scopes]
        if missing:
            raise PermissionMissing(f"Airtable: the account was connected without {', '.join(missing)}")
        return AccountInfo(user.email or user.id, " ".join(user.scopes or ()))

    def streams(self) -> Sequence[RecordStream]:
        return [TableStream(self._api, read_settings(self._settings))]

    def choices(self, kind: str, within: str | None = None) -> Sequence[Choice]:
        """`within`: the base of a table, the table of a field; a table is looked for in the base of the settings."""
        if kind == "base":
            return [Choice(each.id, each.name) for each in self._api.bases()]
        base_id = within if is_id(within, "app") else base_of(self._settings)
        if kind not in {"table", "field"} or base_id is None:
            raise RejectedInput("pick a base first: base_id", status=422)
        tables = self._api.tables(base_id)
        if kind == "table":
            return [Choice(each.id, each.name) for each in tables]
        fields = [field for table in tables if table.id == within for field in table.fields]
        return [Choice(field.id, f"{field.name} ({field.type})") for field in fields]
