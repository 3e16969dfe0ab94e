"""Campaign files for tests, and what the database would say of what they name."""

from typing import Any
from uuid import uuid4

ADDRESS = "ada@example.com"


def mail(**more: Any) -> dict[str, Any]:
    """An e-mail step as a file has it."""
    step = {
        "channel": "email",
        "subject": "Hello {{contact.first_name|there}}",
        "body_html": "<p>From {{ campaign.name }}</p>",
    }
    return {name: value for name, value in (step | more).items() if value is not ...}


def file(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A campaign of these steps, of one e-mail where none is given."""
    return {"name": "Spring", "steps": list(steps) or [mail()]} | more


def template(slug: str = "welcome", **more: Any) -> dict[str, Any]:
    """An active template of the organization."""
    row: dict[str, Any] = {"id": str(uuid4()), "slug": slug, "subject": "Welcome", "body_html": "<p>Hi</p>"}
    return row | {"body_text": None, "variables": []} | more


def references(*templates: dict[str, Any], identity: dict[str, Any] | None = None) -> dict[str, Any]:
    """As `lifecycle_store.references_of` answers."""
    return {"templates": list(templates), "identity": identity, "is_name_taken": False, "org_id": uuid4()}


def identity(**more: Any) -> dict[str, Any]:
    """A known sender."""
    return {"id": str(uuid4()), "from_name": "Ada", "reply_to": None, "inbound_domain": "in.example.com"} | more
