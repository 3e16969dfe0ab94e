"""EmailBison's REST API in verbs of ours: sender accounts, and the webhooks of a workspace."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from crm_relay.platform.errors import ServerFailed
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.platform.http.json_answer import parsed
from crm_relay.providers.bison import wire
from crm_relay.providers.bison.api import BisonApi
from crm_relay.providers.bison.events import SenderAccount
from crm_relay.providers.bison.mapping import sender_account

_NOT_FOUND = frozenset({404})


@dataclass(frozen=True)
class AccountPage:
    """One page of sender accounts: 15 of them as a rule. `total` over all pages, None where it is not told."""

    accounts: tuple[SenderAccount, ...]
    page: int
    last_page: int
    total: int | None


@dataclass(frozen=True)
class RegisteredWebhook:
    """A webhook of the workspace. `url` holds the token, so it is never shown; `events` are names in lower case."""

    webhook_id: int
    name: str
    url: str = field(repr=False)
    events: tuple[str, ...]


class Bison:
    """One workspace of one EmailBison by its own token. Errors as in HttpClient.send.

    Where `workspace_id` is given, FatalError for an answer that names another one.
    """

    def __init__(self, http: HttpClient, token: str, workspace_id: int | None = None) -> None:
        self._api = BisonApi(http, token, workspace_id)

    @property
    def workspace_id(self) -> int | None:
        """The workspace that is expected; None where any will do."""
        return self._api.workspace_id

    @property
    def instance_url(self) -> str:
        """Base address of the EmailBison that is asked, without `/api`."""
        return self._api.http.base_url

    @property
    def requests_sent(self) -> int:
        """Requests by this HTTP client, which other workspaces may share."""
        return self._api.http.requests_sent

    def sender_emails(self, page: int) -> AccountPage:
        """A page, from 1. The order is EmailBison's, and an account may move between pages while one reads."""
        found = parsed(wire.SenderEmailList, self._api.call("GET", "/api/sender-emails", query={"page": str(page)}))
        if found.meta.current_page != page:
            # Else the same page would be taken for all of them.
            raise ServerFailed("another page of sender accounts was answered than the one asked for")
        accounts = tuple(_known(each) for each in found.data)
        return AccountPage(accounts, page, found.meta.last_page, found.meta.total)

    def sender_email(self, account_id: int) -> SenderAccount | None:
        """The account as EmailBison has it now; None where there is no such account in this workspace."""
        answer = self._api.call("GET", f"/api/sender-emails/{account_id}", accept=_NOT_FOUND)
        return None if answer.status == 404 else _known(parsed(wire.SenderEmailAnswer, answer).data)

    def webhooks(self) -> list[RegisteredWebhook]:
        """All of the workspace, no matter who made them."""
        hooks: list[RegisteredWebhook] = []
        page = last_page = 1
        while page <= last_page:
            answer = self._api.call("GET", "/api/webhook-url", query={"page": str(page)})
            found = parsed(wire.BisonWebhookList, answer)
            hooks += map(_registered, found.data)
            page, last_page = page + 1, found.meta.last_page if found.meta else 1
        return list({hook.webhook_id: hook for hook in hooks}.values())

    def create_webhook(self, name: str, url: str, events: Sequence[str]) -> RegisteredWebhook:
        """A second one for the same address would have every event delivered twice: look first."""
        body = {"name": name, "url": url, "events": list(events)}
        return _registered(parsed(wire.BisonWebhookAnswer, self._api.call("POST", "/api/webhook-url", json=body)).data)

    def replace_webhook(self, webhook_id: int, name: str, url: str, events: Sequence[str]) -> RegisteredWebhook:
        """An event that `events` does not name is not sent any more. Safe to call twice."""
        body = {"name": name, "url": url, "events": list(events)}
        answer = self._api.call("PUT", f"/api/webhook-url/{webhook_id}", json=body)
        return _registered(parsed(wire.BisonWebhookAnswer, answer).data)

    def event_types(self) -> tuple[str, ...]:
        """The names that this EmailBison can send, in lower case."""
        return parsed(wire.EventTypes, self._api.call("GET", "/api/webhook-events/event-types")).data

    def send_test_event(self, event_type: str, url: str) -> None:
        """Has EmailBison deliver its sample of an event to `url`. The answer says nothing about its arrival."""
        self._api.call("POST", "/api/webhook-events/test-event", json={"event_type": event_type, "url": url})

    def token_workspace(self) -> int | None:
        """The workspace that the token is bound to now; None where this EmailBison does not say.

        Raises FatalError where it is not the expected one.
        """
        answer = self._api.call("GET", "/api/users", accept=_NOT_FOUND)
        if answer.status == 404:
            return None
        user = parsed(wire.UserAnswer, answer).data
        bound = user.workspace or user.team
        self._api.same_workspace({bound.id} if bound else set())
        return bound.id if bound else None


def _known(item: wire.SenderEmail) -> SenderAccount:
    account = sender_account(item)
    if account is None:
        raise ServerFailed("a sender account without id or address was answered")
    return account


def _registered(hook: wire.BisonWebhookWire) -> RegisteredWebhook:
    return RegisteredWebhook(hook.id, hook.name or "", hook.url, hook.events)
