"""A connector as an installation uses it: where its API is, and our registration at its provider."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit, urlunsplit

from crm_relay.platform.errors import FatalError
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.providers.connectors.access import Access
from crm_relay.providers.connectors.contract import Account, Connector
from crm_relay.providers.connectors.oauth import OAuthEndpoints
from crm_relay.providers.connectors.oauth_client import OAuthApp, ProviderOAuth

_TIMEOUT = (5.0, 30.0)


@dataclass(frozen=True)
class ConnectorSetup:
    """`oauth` None: the connector has none, or no app is configured."""

    connector: Connector
    open_account: Callable[[Access, Mapping[str, object]], Account]
    oauth: ProviderOAuth | None = None


def set_up(
    connector: Connector,
    *,
    base_url: str | None = None,
    app: OAuthApp | None = None,
    oauth_base: str | None = None,
    timeout: tuple[float, float] = _TIMEOUT,
) -> ConnectorSetup:
    """`base_url` and `oauth_base` replace the vendor's, for a simulator: scheme and host of the OAuth addresses."""

    def open_account(access: Access, settings: Mapping[str, object]) -> Account:
        http = HttpClient(base_url or connector.base_url, timeout=timeout, repeats=0)
        return connector.open(http, access, settings)

    endpoints = connector.oauth
    if endpoints is None or app is None:
        return ConnectorSetup(connector, open_account)
    return ConnectorSetup(connector, open_account, ProviderOAuth(_moved(endpoints, oauth_base), app))


def _moved(endpoints: OAuthEndpoints, base: str | None) -> OAuthEndpoints:
    if base is None:
        return endpoints
    return replace(
        endpoints,
        authorize_url=_at(endpoints.authorize_url, base),
        token_url=_at(endpoints.token_url, base),
        revoke_url=None if endpoints.revoke_url is None else _at(endpoints.revoke_url, base),
    )


def _at(address: str, base: str) -> str:
    """Raises FatalError for a base that is no address, without a part of it: a credential may stand in it."""
    old = urlsplit(address)
    try:
        new = urlsplit(base)
    except ValueError:
        raise FatalError("the base of the OAuth addresses is malformed") from None
    return urlunsplit((new.scheme, new.netloc, old.path, old.query, ""))
