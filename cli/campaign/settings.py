"""What commands on campaigns read besides the database, and how they say in which mode mail leaves."""

from cli.console import console
from crm_relay.mail.models import Mode
from crm_relay.platform.settings import SettingsModel


class CampaignSettings(SettingsModel):
    """`email_from` None: organizations have identities. `send_mode` is said before the first run; see mail_mode."""

    email_from: str | None = None
    twilio_from: str | None = None
    send_mode: Mode = Mode.DRY_RUN


def say(sentence: str) -> None:
    """A sentence for people behind what is shown."""
    console.print(sentence, highlight=False, soft_wrap=True)
