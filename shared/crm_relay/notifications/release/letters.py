"""What a delivery or a digest becomes in the ledgers of mail and text messages."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from crm_relay.consent.address import normalise_phone
from crm_relay.mail.compose import compose_for_colleague
from crm_relay.mail.models import Identity, Letter, Mail
from crm_relay.mail.texts.models import TextDraft
from crm_relay.notifications.models import EmailContent
from crm_relay.notifications.release.due import DueDelivery
from crm_relay.platform.errors import RejectedInput
from crm_relay.rules.addresses.phones import can_be_dialled

DELIVERY, DIGEST = "notification_delivery", "notification_digest"
"""What the ledgers call our entities."""


@dataclass(frozen=True)
class DigestLetter:
    """A digest for the ledger of mail: of which person, about which categories."""

    id: UUID
    org_id: UUID
    recipient: str
    address: str
    categories: tuple[str, ...]
    content: EmailContent

    @property
    def send_key(self) -> str:
        """A digest leaves once."""
        return f"digest/{self.id}"


def mail_of(due: DueDelivery, sender: Identity, public_url: str, link_keys: Sequence[str]) -> Mail:
    """RejectedInput, which names the field, for what no mail can be."""
    content, address = due.content, due.address
    if address is None:
        raise RejectedInput("recipient: no address")
    letter = Letter(
        send_key=due.send_key,
        org_id=due.row["org_id"],
        recipient=due.row["email"].strip(),
        address=address,
        subject=content.get("subject", ""),
        html=content.get("html", ""),
        text=content.get("text", ""),
        topic=due.row["category"],
        entity_type=DELIVERY,
        entity_id=due.id,
    )
    return _in_ledger(letter, sender, public_url, link_keys)


def mail_of_digest(digest: DigestLetter, sender: Identity, public_url: str, link_keys: Sequence[str]) -> Mail:
    """RejectedInput as in `mail_of`."""
    letter = Letter(
        send_key=digest.send_key,
        org_id=digest.org_id,
        recipient=digest.recipient,
        address=digest.address,
        subject=digest.content.subject,
        html=digest.content.html,
        text=digest.content.text,
        topic=", ".join(digest.categories)[:200],
        entity_type=DIGEST,
        entity_id=digest.id,
    )
    return _in_ledger(letter, sender, public_url, link_keys)


def text_of(due: DueDelivery) -> TextDraft:
    """RejectedInput for a number that is none."""
    number = normalise_phone(due.row["phone"] or "")
    if number is None or not can_be_dialled(number):
        raise RejectedInput("recipient: no number")
    return TextDraft(due.send_key, due.row["org_id"], number, due.content["text"], DELIVERY, due.id)


def _in_ledger(letter: Letter, sender: Identity, public_url: str, link_keys: Sequence[str]) -> Mail:
    """The subject speaks of customers; the ledger keeps the kind alone, the words leave with the mail."""
    return replace(
        compose_for_colleague(letter, sender, public_url, link_keys), subject=f"notification: {letter.topic}"
    )
