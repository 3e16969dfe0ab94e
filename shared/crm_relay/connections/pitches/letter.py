"""A pitch as an e-mail (RFC 5322), and its Message-ID; pure."""

from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from uuid import UUID

from crm_relay.connections.pitches.models import ClaimedPitch
from crm_relay.rules.addresses.mailbox import mailbox_in


def message_id_of(pitch_id: UUID, sender: str) -> str:
    """Made once and stored: the sender may be another one later.

    >>> message_id_of(UUID(int=1), "mary@example.org")
    '<pitch.00000000-0000-0000-0000-000000000001@example.org>'
    """
    return f"<pitch.{pitch_id}@{sender.rpartition('@')[2] or 'localhost'}>"


def letter_of(pitch: ClaimedPitch, sender: str, now: datetime) -> bytes:
    """Raises ValueError for an address that no header can hold."""
    recipient = mailbox_in(pitch.address or "")
    if recipient is None or not recipient.isprintable():
        raise ValueError("the address cannot be written to")
    letter = EmailMessage(policy=SMTP.clone(cte_type="7bit"))
    letter["From"] = sender
    letter["To"] = recipient
    letter["Subject"] = " ".join(pitch.subject.split())
    letter["Date"] = now
    letter["Message-ID"] = pitch.message_id
    text, html = pitch.body_text, pitch.body_html
    if text or not html:
        letter.set_content(text or "")
    if html and text:
        letter.add_alternative(html, subtype="html")
    elif html:
        letter.set_content(html, subtype="html")
    return letter.as_bytes()
