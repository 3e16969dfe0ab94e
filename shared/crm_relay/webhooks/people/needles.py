"""Lower-case texts by which the database names the deliveries that may speak of a person; pure.

They only name suspects: what `redact.without` finds in one decides.
"""

import json
from urllib.parse import quote

from crm_relay.consent.person import Person


def suspicious(person: Person) -> list[str]:
    """Patterns for LIKE. One that finds too much costs a second look, one too little a trace: for an erasure."""
    # Quotation mark, colon and number, with or without a space: Mautic's own form, and the one that redaction leaves.
    ids = {f'"id":{space}{contact_id}{end}' for contact_id in person.contact_ids for space in _SPACES for end in ",}"}
    return [f"%{form.lower()}%".replace("\\", "\\\\") for form in sorted(_written(person) | ids)]


def likely(person: Person) -> list[str]:
    """The texts themselves; a low contact id names no delivery in which something else has that number: for a question.

    What stands beside a contact's id is recorded: tests/samples/mautic/9*_hook_*.json.
    """
    ids = {
        form
        for contact_id in person.contact_ids
        for space in _SPACES
        for form in (
            *(f'"id":{space}{contact_id},{space}"{beside}"' for beside in ("points", "contact")),
            *(f'"{about}":{space}{{"id":{space}{contact_id}{end}' for about in ("lead", "contact") for end in ",}"),
        )
    }
    return sorted(form.lower() for form in _written(person) | ids)


_SPACES = ("", " ")


def _written(person: Person) -> set[str]:
    """Addresses, customer ids and numbers, as they may be written in JSON, in a link, or in JSON by PHP."""
    texts = {*person.marks, *(phone for phone in person.phones if phone)}
    written = {form for text in texts for form in (text, json.dumps(text)[1:-1], quote(text, safe=""))}
    return written | {form.replace("/", r"\/") for form in written}
