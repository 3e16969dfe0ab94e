"""Reads what an operator names a person by."""

from uuid import UUID


def customer_id_in(text: str) -> UUID | None:
    """None where the text is no UUID."""
    try:
        return UUID(text)
    except ValueError:
        return None


def contact_id_in(text: str) -> int | None:
    """A contact id of Mautic's; None where the text is no such number."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None
