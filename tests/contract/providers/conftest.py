"""Every exchange of the contract tests is held to the vendor's own specification, where that is beside the tree."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress

import pytest

from local.simulators.http_server import Incoming, Outgoing, ServedSimulator
from local.simulators.resend import ResendSimulator
from local.simulators.twilio import TwilioSimulator
from tests.support.vendor_specs import specification

SPECIFICATIONS: dict[type[ServedSimulator], str] = {
    ResendSimulator: "resend.openapi.json",
    TwilioSimulator: "twilio_messages.openapi.json",
}

DIFFERENCES: dict[str, str] = {
    r"event email\.bounced: data\.bounce\.diagnosticCode type": "one text in the types of the SDK; we read both",
    r"event email\.suppressed: data\.suppressed required (reason|diagnosticCode)": "as in the page's example",
    r"event email\.suppressed: data\.suppressed\.reason enum": "put on the list by hand; assumed",
    r"event email\.received: data additionalProperties received_for": "the page of the event shows it",
    r"PATCH /webhooks/\{id\}: request additionalProperties webhook_id": "the SDK sends the id a second time",
    r"event mailbox\.teleported: not in the specification": "an event of tomorrow, made up by a test",
    r"GET /emails: query (limit|after|before)": "the page about lists describes them for every list",
    r"GET /emails/receiving/\{id\}: query html_format": "the page of the call describes it",
    r"GET /emails/\{id\}: answer (text|html) type": "null in the example of the page, for a mail without it",
    r"event email\.\w+: data additionalProperties message_id": "the pages of the events show it",
    r"POST /emails/batch: answer additionalProperties errors": "of `x-batch-validation: permissive`, as on its page",
    r"GET /emails/receiving/\{id\}: answer additionalProperties received_for": "the page of the call shows it",
    r"GET /emails(/\{id\})?: answer (data )?additionalProperties scheduled_at": "the pages of both calls show it",
    r"POST /webhooks/\{id\}/signing-secret/rotate: no such operation": "the page of the call describes it",
    r"event (contact\.topics\.updated|suppression\.added): not in the specification": "the page of the events lists it",
}
"""What differs, as a pattern -> why ours is right all the same."""


@pytest.fixture(autouse=True)
def held_to_specifications() -> Iterator[None]:
    """Fails the test whose exchanges differ from what the vendor says in another way than is listed."""
    problems: set[str] = set()
    resends: set[ResendSimulator] = set()

    def watch(simulator: ServedSimulator, incoming: Incoming, outgoing: Outgoing) -> None:
        name = SPECIFICATIONS.get(type(simulator))
        held_to = None if name is None or incoming.path.startswith("/_simulator/") else specification(name)
        if held_to is not None:
            # A garbled answer is a fault that a test asked for.
            with suppress(ValueError):
                problems.update(held_to.problems(incoming, outgoing))
        if isinstance(simulator, ResendSimulator):
            resends.add(simulator)

    ServedSimulator.observers.append(watch)
    try:
        yield
    finally:
        ServedSimulator.observers.remove(watch)
    resend = specification(SPECIFICATIONS[ResendSimulator])
    if resend is not None:
        for simulator in resends:
            for message in simulator.messages:
                problems.update(resend.problems_of_event(message.content))
    assert sorted(each for each in problems if not any(re.fullmatch(known, each) for known in DIFFERENCES)) == []
