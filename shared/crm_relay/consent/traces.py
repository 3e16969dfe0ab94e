"""How a person may be written in any text, no matter who stored it; pure."""

import json
import re
from functools import cached_property
from urllib.parse import quote

from crm_relay.consent.address import normalise_phone
from crm_relay.consent.person import Person

_SHORTEST_NUMBER = 7
"""Fewer digits are no number: such a text would be found in anything."""


class Traces:
    """The texts that identify a person, in every form in which a store may hold them.

    >>> Traces(Person(addresses=frozenset({"ada@example.com"}))).found_in('{"to": "Ada <ADA@example.com>"}')
    True
    """

    def __init__(self, person: Person) -> None:
        self._person = person

    @cached_property
    def forms(self) -> list[str]:
        """In lower case: plain, in JSON, in a link; a domain in its own letters, a number with and without plus."""
        texts = {text.lower() for each in self._person.addresses for text in (each, _in_letters(each))}
        texts |= {form for phone in self._person.phones for form in _numbers(phone)}
        written = {form for text in texts for form in (text, json.dumps(text)[1:-1], quote(text, safe=""))}
        # PostgreSQL doubles the backslashes of a column in the text of its row.
        written |= {form.replace("\\", r"\\") for form in written}
        return sorted(form.lower() for form in written)

    @cached_property
    def pattern(self) -> str:
        """For PostgreSQL and Python: one of the forms by itself, and not as a part of somebody else's."""
        return rf"(?<![\w.+%-])({'|'.join(map(re.escape, self.forms))})(?![\w-]|\.\w)"

    @cached_property
    def needles(self) -> list[str]:
        """LIKE patterns that are quick and find too much."""
        escaped = (form.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") for form in self.forms)
        return [f"%{form}%" for form in escaped]

    def found_in(self, text: str) -> bool:
        """False for somebody without any form."""
        lowered = text.lower()
        return any(form in lowered for form in self.forms) and self._compiled.search(lowered) is not None

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(self.pattern)


def _in_letters(address: str) -> str:
    local, _, domain = address.rpartition("@")
    return f"{local}@{'.'.join(map(_label, domain.split('.')))}"


def _label(label: str) -> str:
    try:
        return label[4:].encode("ascii").decode("punycode") if label.startswith("xn--") else label
    except ValueError:
        return label


def _numbers(phone: str) -> set[str]:
    number = normalise_phone(phone) or phone
    forms = {phone, number, number.removeprefix("+")}
    return {form for form in forms if sum(map(str.isdigit, form)) >= _SHORTEST_NUMBER}
