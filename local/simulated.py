"""The services that the local stack brings itself where the operator names none, and a receiver of webhooks."""

import json
import secrets
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from urllib.parse import urlsplit

from crm_relay.outreach.polling.ensure_webhooks import ensure_webhook
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.providers.bison.client import Bison
from crm_relay.providers.mautic.vocabulary import HOOK_EVENTS
from local.simulators.airtable import AirtableSimulator
from local.simulators.bison import BisonSimulator
from local.simulators.gmail import GmailSimulator
from local.simulators.http_server import ServedSimulator
from local.simulators.mailchimp import MailchimpSimulator
from local.simulators.mautic import MauticSimulator
from local.simulators.resend import ResendSimulator
from local.simulators.resend.state import new_secret
from local.simulators.slack import SlackSimulator
from local.simulators.webhooks import WebhookReceiver

OPERATORS = (
    "DATABASE_URL",
    "MAUTIC_URL",
    "BISON_",
    "ALERT_",
    "RESEND_",
    "SEND_",
    "EMAIL_FROM",
    "TWILIO_",
    "PUBLIC_URL",
    "WEBHOOK_",
    "AIRTABLE_",
    "GMAIL_",
    "GOOGLE_",
    "MAILCHIMP_",
)
"""Beginnings of the settings by which an operator brings a service of their own."""

WORKSPACES = ("Northwind", "Contoso", "Fabrikam")
SAMPLE_WORKSPACE, SAMPLE_TOKEN = "Sample", "sample-webhook-token-of-32-letters"
"""Whose deliveries stand in events/bison_webhook/, and the token in their path."""

_IDS_A_START = 1_000_000
_ACCOUNTS = (("Gmail", "Zapmail", 17), ("Outlook", "Mailreef", 5))
"""Provider and reseller by tag, and how many accounts of these each workspace has: more than a page of 15 together."""


@dataclass
class Simulated:
    """None stands for what the operator brings."""

    mautic: MauticSimulator | None = None
    bison: BisonSimulator | None = None
    slack: SlackSimulator | None = None
    resend: ResendSimulator | None = None
    receiver: WebhookReceiver | None = None
    airtable: AirtableSimulator | None = None
    gmail: GmailSimulator | None = None
    mailchimp: MailchimpSimulator | None = None

    def start(self, settings: Mapping[str, str], opened: ExitStack, *, starts_before: int = 0) -> dict[str, str]:
        """The settings by which the functions find what was started; it ends with `opened`.

        They begin empty. After `starts_before` on the same database they give away no id a second time.
        """
        found: dict[str, str] = {}
        if not settings.get("MAUTIC_URL"):
            found |= self._start_mautic(opened)
        # Made-up workspaces and mail that reaches nobody have no business in a database of somebody's own.
        if not settings.get("DATABASE_URL"):
            for beginnings, start in self._of_own_database().items():
                if not any(_any_of(settings, each) for each in beginnings):
                    found |= start(opened)
        if not settings.get("ALERT_SLACK_WEBHOOK_URL"):
            self.slack = opened.enter_context(SlackSimulator())
            found["ALERT_SLACK_WEBHOOK_URL"] = self.slack.webhook_url
        self._go_on_behind(starts_before)
        return found

    def _of_own_database(self) -> dict[tuple[str, ...], Callable[[ExitStack], dict[str, str]]]:
        """Beginnings of the settings that bring the real service, and what is started without any of them."""
        return {
            ("BISON_",): self._start_bison,
            ("RESEND_",): self._start_resend,
            ("WEBHOOK_",): self._start_receiver,
            ("AIRTABLE_",): self._start_airtable,
            ("GMAIL_", "GOOGLE_"): self._start_gmail,
            ("MAILCHIMP_",): self._start_mailchimp,
        }

    def _go_on_behind(self, starts_before: int) -> None:
        if self.mautic is not None:
            self.mautic.mautic.ids_behind = starts_before * _IDS_A_START
        if self.bison is not None:
            # Its workspaces and accounts, made by now, are the same ones at each start.
            self.bison.bison.ids_behind = starts_before * _IDS_A_START

    def connect(self, environment: Mapping[str, str], base_url: str) -> None:
        """Their webhooks lead to `base_url` from now on."""
        if self.mautic is not None:
            secret = environment["MAUTIC_WEBHOOK_SECRET"].partition(",")[0]
            self.mautic.hook(f"{base_url}/webhooks/mautic", secret, HOOK_EVENTS)
        if self.bison is not None:
            self._connect_bison(environment, base_url)
        if self.resend is not None:
            secret = environment["RESEND_WEBHOOK_SECRET"]
            self.resend.hook(f"{base_url}/webhooks/resend", secret=secret)
        if self.airtable is not None:
            self.airtable.redirect_to(environment["AIRTABLE_CLIENT_ID"], f"{base_url}/oauth/airtable/callback")
        if self.gmail is not None:
            self.gmail.redirect_to(environment["GOOGLE_CLIENT_ID"], f"{base_url}/oauth/gmail/callback")
        if self.mailchimp is not None:
            client, secret = environment["MAILCHIMP_CLIENT_ID"], environment["MAILCHIMP_CLIENT_SECRET"]
            self.mailchimp.client(f"{base_url}/oauth/mailchimp/callback", client, secret)

    @property
    def urls(self) -> dict[str, str]:
        """Name -> address, of those that run."""
        running: dict[str, ServedSimulator | None] = {"mautic": self.mautic, "bison": self.bison}
        running |= {"resend": self.resend, "slack": self.slack, "webhooks": self.receiver}
        running |= {"airtable": self.airtable, "gmail": self.gmail, "mailchimp": self.mailchimp}
        return {name: each.url for name, each in running.items() if each is not None}

    def _start_mautic(self, opened: ExitStack) -> dict[str, str]:
        client_id, client_secret = "crm-relay", secrets.token_urlsafe(24)
        self.mautic = MauticSimulator(port=0, client_id=client_id, client_secret=client_secret)
        self.mautic.start()
        opened.callback(self.mautic.stop)
        return {
            "MAUTIC_URL": self.mautic.url,
            "MAUTIC_CLIENT_ID": client_id,
            "MAUTIC_CLIENT_SECRET": client_secret,
            "MAUTIC_BATCH_PAUSE_SECONDS": "0",
        }

    def _start_bison(self, opened: ExitStack) -> dict[str, str]:
        self.bison = opened.enter_context(BisonSimulator())
        workspaces = [self.bison.workspace(name) for name in WORKSPACES]
        for workspace in workspaces:
            for provider, reseller, count in _ACCOUNTS:
                self.bison.add_accounts(workspace, count, provider, reseller)
        doors = {name: secrets.token_urlsafe(24) for name in WORKSPACES}
        return {
            "BISON_INSTANCE_URL": self.bison.url,
            "BISON_API_TOKENS": json.dumps({each.name: each.token for each in workspaces}),
            "BISON_WEBHOOK_TOKENS": json.dumps({**doors, SAMPLE_WORKSPACE: SAMPLE_TOKEN}),
        }

    def _start_resend(self, opened: ExitStack) -> dict[str, str]:
        self.resend = opened.enter_context(ResendSimulator(requests_per_second=None, live=True))
        return {
            "RESEND_API_URL": self.resend.url,
            "RESEND_API_KEY": self.resend.api_key,
            "RESEND_WEBHOOK_SECRET": new_secret(),
            "EMAIL_FROM": "CRM Relay <hello@relay.example>",
            "SEND_MODE": "live",
        }

    def _start_receiver(self, opened: ExitStack) -> dict[str, str]:
        """Another system, for webhooks of workflows; it is on loopback, which they reach only where it is allowed."""
        self.receiver = opened.enter_context(WebhookReceiver())
        return {"WEBHOOK_PRIVATE_HOSTS": urlsplit(self.receiver.url).netloc}

    def _start_airtable(self, opened: ExitStack) -> dict[str, str]:
        """One base with an empty table of people, and an integration that is registered for OAuth."""
        self.airtable = opened.enter_context(AirtableSimulator())
        self.airtable.table(self.airtable.base())
        client = self.airtable.client()
        return {
            "AIRTABLE_URL": self.airtable.url,
            "AIRTABLE_OAUTH_URL": self.airtable.url,
            "AIRTABLE_CLIENT_ID": client.client_id,
            "AIRTABLE_CLIENT_SECRET": client.secret or "",
        }

    def _start_gmail(self, opened: ExitStack) -> dict[str, str]:
        """One account, and a web application that is registered for OAuth."""
        self.gmail = opened.enter_context(GmailSimulator())
        self.gmail.account()
        client = self.gmail.client()
        return {
            "GMAIL_URL": self.gmail.url,
            "GOOGLE_OAUTH_URL": self.gmail.url,
            "GOOGLE_CLIENT_ID": client.client_id,
            "GOOGLE_CLIENT_SECRET": client.secret,
        }

    def _start_mailchimp(self, opened: ExitStack) -> dict[str, str]:
        """One empty audience, and an app that is registered for OAuth."""
        self.mailchimp = opened.enter_context(MailchimpSimulator())
        self.mailchimp.audience()
        return {
            "MAILCHIMP_URL": self.mailchimp.url,
            "MAILCHIMP_OAUTH_URL": self.mailchimp.url,
            "MAILCHIMP_CLIENT_ID": "crm-relay",
            "MAILCHIMP_CLIENT_SECRET": secrets.token_urlsafe(24),
            "MAILCHIMP_WEBHOOK_KEY": secrets.token_urlsafe(24),
        }

    def _connect_bison(self, environment: Mapping[str, str], base_url: str) -> None:
        """As `crm-relay bison webhooks ensure` does it."""
        doors, keys = (json.loads(environment[name]) for name in ("BISON_WEBHOOK_TOKENS", "BISON_API_TOKENS"))
        http = HttpClient(environment["BISON_INSTANCE_URL"], timeout=(5.0, 10.0))
        database = Database(environment["DATABASE_URL"])
        for name, key in keys.items():
            ensure_webhook(database, Bison(http, key), name, base_url, [doors[name]], utc_now())
        database.close()


def _any_of(settings: Mapping[str, str], beginning: str) -> bool:
    return any(settings[name] for name in settings if name.startswith(beginning))
