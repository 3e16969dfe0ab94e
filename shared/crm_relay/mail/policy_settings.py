"""Settings of what may be sent at all, for every function that sends."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from crm_relay.consent.address import normalise
from crm_relay.mail.models import Mode, SendPolicy
from crm_relay.platform.settings import CommaSeparated

SendMode = Annotated[
    Mode,
    Field(
        description="What may be sent: nothing in `dry-run`, in which people in campaigns keep their place; "
        "`allow-list` sends only to `SEND_ALLOW_LIST`, `live` to everybody. To stop for a while: "
        "`crm-relay stop-sending`.",
    ),
]
SendAllowList = Annotated[
    CommaSeparated,
    Field(
        description="Recipients for `allow-list`: addresses, whole domains (`@example.com`) and phone numbers "
        "(`+15550100000`), separated by commas. Unset: nobody.",
    ),
]


def policy_of(mode: Mode, allow_list: Sequence[str]) -> SendPolicy:
    """Addresses in their one form; a domain in lower case."""
    allowed = (each.lower() if each.startswith("@") else normalise(each) or each for each in allow_list)
    return SendPolicy(mode, frozenset(allowed))
