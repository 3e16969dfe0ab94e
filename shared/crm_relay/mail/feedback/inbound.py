"""Mail that came in: whose it is, by the token or the domain that it was sent to. No input or output."""

import re
from collections.abc import Mapping
from uuid import UUID

from crm_relay.consent.address import normalise
from crm_relay.incidents.models import Incident
from crm_relay.platform.database import Row
from crm_relay.providers.email_events import InboundMail
from crm_relay.rules.replies.judge_reply import judge_reply

QUARANTINED = "ambiguous_domain"
_TOKEN = re.compile(r"^reply\+([^@]+)@")


def place_inbound(event: InboundMail) -> Mapping[str, object]:
    """By what it is found whose it is."""
    places = _places(event)
    return {
        "email_id": event.email_id,
        "address": normalise(event.from_address or ""),
        "tokens": sorted({found[1] for each in places if (found := _TOKEN.match(each))}),
        "domains": sorted({each.rpartition("@")[2] for each in places}),
    }


def keep_inbound(event: InboundMail, found: Row, provider: str) -> tuple[Mapping[str, object], Incident | None]:
    """The row of the reply. A mail that may be several organizations' is nobody's until somebody looks at it."""
    owners: list[UUID] = found["of_tokens"] or found["of_domains"] or [found["default_org_id"]]
    is_ambiguous = len(owners) > 1
    row = {
        "org_id": None if is_ambiguous else owners[0],
        "source": provider,
        "external_id": event.email_id,
        "from_address": event.from_address,
        "subject": event.subject,
        "received_at": event.received_at,
        "to_addresses": _places(event),
        "quarantined_for": QUARANTINED if is_ambiguous else None,
        # Its headers, which say more, are asked for later.
        "is_auto_reply": not judge_reply({}, sender=event.from_address, subject=event.subject).is_person,
    }
    title = "Mail without a reply token came to a domain of several organizations: it belongs to none of them"
    return row, Incident("inbound_ambiguous", _domain(event), title) if is_ambiguous else None


def _domain(event: InboundMail) -> str:
    """Of the incident: nobody's address stands in it."""
    return next((place.rpartition("@")[2] for place in _places(event)), "unknown")


def _places(event: InboundMail) -> list[str]:
    return sorted({place for each in (*event.to, *event.also_to) if (place := normalise(each)) is not None})
