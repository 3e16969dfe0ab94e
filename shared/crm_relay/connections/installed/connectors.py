"""The connectors of this installation: a new one is a line here."""

from collections.abc import Mapping

from crm_relay.connections.installed.connection_settings import ConnectionSettings
from crm_relay.providers.airtable.connector import AirtableConnector
from crm_relay.providers.connectors.oauth_client import OAuthApp
from crm_relay.providers.connectors.setup import ConnectorSetup, set_up
from crm_relay.providers.gmail.connector import GmailConnector
from crm_relay.providers.mailchimp import LOGIN_URL
from crm_relay.providers.mailchimp.connector import MailchimpConnector


def connector_setups(settings: ConnectionSettings) -> Mapping[str, ConnectorSetup]:
    """By the name of each, which is the `integration_type` of its connections."""
    airtable = set_up(
        AirtableConnector(),
        base_url=settings.airtable_url,
        app=_app(settings.airtable_client_id, settings.airtable_client_secret),
        oauth_base=settings.airtable_oauth_url,
    )
    mailchimp = set_up(
        MailchimpConnector(settings.mailchimp_oauth_url or LOGIN_URL),
        base_url=settings.mailchimp_url,
        app=_app(settings.mailchimp_client_id, settings.mailchimp_client_secret),
        oauth_base=settings.mailchimp_oauth_url,
    )
    gmail = set_up(
        GmailConnector(),
        base_url=settings.gmail_url,
        app=_app(settings.google_client_id, settings.google_client_secret),
        oauth_base=settings.google_oauth_url,
    )
    return {each.connector.name: each for each in (airtable, mailchimp, gmail)}


def _app(client_id: str | None, client_secret: str | None) -> OAuthApp | None:
    return None if client_id is None else OAuthApp(client_id, client_secret)
