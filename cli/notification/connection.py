"""What commands about notifications are told besides the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cli.console import DatabaseSettings, installation_of
from crm_relay.installation.installation import Installation
from crm_relay.notifications.content.links import LinkRules
from crm_relay.notifications.models import Channel
from crm_relay.notifications.people.settings_of_person import configured_channels
from crm_relay.platform.database import Database
from crm_relay.platform.settings import CommaSeparated

_PATIENCE = 60.0


class NotificationSettings(DatabaseSettings):
    """Where links lead, what wakes the function, and which channels there are."""

    app_url: str | None = None
    notification_link_hosts: CommaSeparated = ()
    notification_queue_url: str | None = None
    email_from: str | None = None
    twilio_from: str | None = None


@dataclass(frozen=True)
class NotificationsOpened:
    """An open database with what the settings say of links and channels."""

    installation: Installation[NotificationSettings]

    @property
    def database(self) -> Database:
        return self.installation.database

    @property
    def links(self) -> LinkRules:
        """Where a notification may lead."""
        settings = self.installation.settings
        return LinkRules(settings.app_url, frozenset(settings.notification_link_hosts))

    @property
    def configured(self) -> frozenset[Channel]:
        """The channels that this installation can use."""
        settings = self.installation.settings
        return configured_channels(
            has_email=settings.email_from is not None, has_texts=settings.twilio_from is not None
        )


@contextmanager
def open_notifications(env_file: Path | None) -> Iterator[NotificationsOpened]:
    """Of the settings; closed at the end."""
    installation = installation_of(env_file, NotificationSettings, database_seconds=_PATIENCE)
    try:
        yield NotificationsOpened(installation)
    finally:
        installation.close()
