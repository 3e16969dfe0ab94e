"""What commands on campaigns read besides the database, and how they say in which mode mail leaves."""

import os
from urllib.parse import urlsplit

from cli.console import console
from crm_relay.mail.models import Mode
from crm_relay.platform.settings import SettingsModel

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class CampaignSettings(SettingsModel):
    """`email_from` None: organizations have identities. `send_mode` is said before the first run; see mail_mode."""

    email_from: str | None = None
    twilio_from: str | None = None
    send_mode: Mode = Mode.DRY_RUN


def say_mode(sentence: str, *, also: str = "") -> None:
    """In which mode mail leaves, and whether it would leave this computer at all."""
    host = urlsplit(os.environ.get("RESEND_API_URL", "")).hostname
    simulated = " Resend is simulated: no mail leaves this computer." if host in _LOOPBACK else ""
    say(f"{sentence}{simulated}{also}")


def say(sentence: str) -> None:
    """A sentence for people behind what is shown."""
    console.print(sentence, highlight=False, soft_wrap=True)
