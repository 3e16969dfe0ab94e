"""From EmailBison's objects to ours: sender accounts, and what their tags say."""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from crm_relay.providers.bison.events import SenderAccount
from crm_relay.providers.bison.vocabulary import AccountStatus
from crm_relay.providers.bison.wire import SenderEmail

# A word of a tag, in lower case -> who runs the mailbox. A tag may say more, as in "Outlook batch 2".
PROVIDER_OF_WORD: Mapping[str, str] = {
    "gmail": "Gmail",
    "google": "Gmail",
    "googleworkspace": "Gmail",
    "gsuite": "Gmail",
    "outlook": "Outlook",
    "microsoft": "Outlook",
    "office365": "Outlook",
    "o365": "Outlook",
    "m365": "Outlook",
    "azure": "Outlook",
    "hotmail": "Outlook",
    "smtp": "Other",
    "imap": "Other",
    "zoho": "Other",
    "yahoo": "Other",
    "other": "Other",
}
# The same for the seller of the mailbox. The first two are those of the integration's design document.
RESELLER_OF_WORD: Mapping[str, str] = {
    "cheapinboxes": "CheapInboxes",
    "zapmail": "Zapmail",
    "scaledmail": "ScaledMail",
    "mailr": "Mailr",
    "hypertide": "Hypertide",
    "inboxkit": "InboxKit",
    "premiuminboxes": "Premium Inboxes",
    "maildoso": "Maildoso",
    "mailforge": "Mailforge",
    "mailreef": "Mailreef",
}
# Parts of an account's type, such as "google_workspace_oauth". "Inbox" and "SMTP" say how, not which provider.
_PROVIDER_OF_TYPE: Mapping[str, str] = {
    "google": "Gmail",
    "gmail": "Gmail",
    "microsoft": "Outlook",
    "outlook": "Outlook",
}


def sender_account(wire: SenderEmail, *, without_status: AccountStatus = "Disconnected") -> SenderAccount | None:
    """None where the id or the address is missing: such an account could not be told from another."""
    if wire.id is None or wire.email is None:
        return None
    return SenderAccount(
        account_id=wire.id,
        email=wire.email,
        name=wire.name,
        status=without_status if wire.status is None else status_of(wire.status),
        account_type=wire.type,
        daily_limit=wire.daily_limit,
        warmup_enabled=wire.warmup_enabled,
        emails_sent=wire.emails_sent,
        replied=wire.replied,
        unique_replied=wire.unique_replied,
        opened=wire.opened,
        unique_opened=wire.unique_opened,
        bounced=wire.bounced,
        unsubscribed=wire.unsubscribed,
        interested=wire.interested,
        leads_contacted=wire.leads_contacted,
        tags=wire.tags,
        provider=provider_of(wire.tags, wire.type),
        reseller=reseller_of(wire.tags),
        created_at=wire.created_at,
        updated_at=wire.updated_at,
    )


def status_of(word: str) -> AccountStatus:
    """Sources write "Not connected", "Disconnected" or "Failed" for what does not work, webhooks in lower case."""
    return "Connected" if word.strip().lower() == "connected" else "Disconnected"


def provider_of(tags: Sequence[str], account_type: str | None) -> str | None:
    """By the first tag that names one, else by the type of the account. None where neither tells."""
    kind = (account_type or "").lower()
    by_type = (provider for part, provider in _PROVIDER_OF_TYPE.items() if part in kind)
    return _first(tags, PROVIDER_OF_WORD) or next(by_type, None)


def reseller_of(tags: Sequence[str]) -> str | None:
    """By the first tag that names one."""
    return _first(tags, RESELLER_OF_WORD)


def _first(tags: Sequence[str], table: Mapping[str, str]) -> str | None:
    return next((table[word] for tag in tags for word in _words(tag) if word in table), None)


def _words(tag: str) -> Iterable[str]:
    """The words, and each two neighbours as one: "Cheap Inboxes" and "CheapInboxes" are the same."""
    words = re.findall(r"[a-z0-9]+", tag.lower())
    return [*("".join(pair) for pair in pairwise(words)), *words]
