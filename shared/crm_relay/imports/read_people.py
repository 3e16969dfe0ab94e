"""Reads a line of a file as a person of ours, and what it says about consent; pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from crm_relay.consent.address import normalise, normalise_phone
from crm_relay.consent.models import ConsentKind
from crm_relay.consent.read_list import BadLine, GoodLine, read_list
from crm_relay.imports.models import PersonKind, PersonLine, StatedConsent
from crm_relay.imports.text_file import LinesOfFile
from crm_relay.platform.errors import RejectedInput
from crm_relay.rules.addresses.mailbox import can_be_meant, without_unseen
from crm_relay.rules.zones import zone_meant

_LONGEST_CELL = 500
"""Characters; more is a text and no name, and some indexes hold no more."""

_YES = frozenset({"yes", "y", "true", "t", "1", "x", "ja", "oui", "si", "sí", "on"})
_NO = frozenset({"no", "n", "false", "f", "0", "nein", "non", "off"})
_OPT_IN = frozenset({"optin", "optedin", "subscribed", "granted", "consent", "consented", "active"})
_OPT_OUT = frozenset(
    {"optout", "optedout", "unsubscribed", "donotcontact", "dnc", "cleaned", "complaint", "withdrawn", "denied"}
)
_CONSENT_FIELDS = {"consent", "opt_out", "consent_at", "consent_source", "consent_evidence"}
_SOURCE = "import"
_ERRORS_OF_FORMULAS = frozenset({"#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#SPILL!"})
"""As spreadsheets show them, and write them into CSV."""


@dataclass(frozen=True)
class PeopleFile:
    """A file and which of its columns is which of our fields."""

    text: LinesOfFile
    kind: PersonKind
    mapping: Mapping[str, str]

    def lines(self) -> Iterator[GoodLine[PersonLine] | BadLine]:
        """In order, from the beginning; a damaged line costs no other line."""
        columns = {theirs.lower(): ours for ours, theirs in self.mapping.items()}

        def read(row: Mapping[str, str]) -> PersonLine:
            return read_person(self.kind, {ours: row.get(theirs, "") for theirs, ours in columns.items()})

        return read_list(self.text, columns.keys(), read)


def read_person(kind: PersonKind, cells: Mapping[str, str]) -> PersonLine:
    """RejectedInput where nobody is named; any other problem leaves the person's opt-out readable."""
    given = {ours: text for ours, cell in cells.items() if (text := " ".join(without_unseen(cell).split()))}
    address = _address(given.pop("email", ""))
    consent, problem = None, None
    try:
        consent = _consent(given)
        fields = {ours: _READERS.get((kind, ours), _text)(ours, text) for ours, text in given.items()}
    except RejectedInput as error:
        fields, problem = {}, error.message
    own = {ours: value for ours, value in fields.items() if ours not in _CONSENT_FIELDS}
    return PersonLine(address, own, consent, problem)


def _address(text: str) -> str:
    address = normalise(text) if text else None
    if not text:
        raise RejectedInput("email: is missing")
    if address is None or not can_be_meant(address):
        raise RejectedInput("email: is not one address")
    return address


def _consent(given: Mapping[str, str]) -> StatedConsent | None:
    kind = _stated_kind(given)
    if kind is None:
        return None
    source, evidence = given.get("consent_source", _SOURCE), given.get("consent_evidence")
    at = _moment(given.get("consent_at", ""))
    if kind is ConsentKind.CONSENT and "consent_at" in given and at is None:
        raise RejectedInput("consent_at: is no time of ISO 8601 with its zone")
    return StatedConsent(kind, source, at, evidence)


def _stated_kind(given: Mapping[str, str]) -> ConsentKind | None:
    """An opt-out in either column wins."""
    wish, refusal = (_word(given.get(name, "")) for name in ("consent", "opt_out"))
    if wish in _NO | _OPT_OUT or refusal in _YES | _OPT_OUT:
        return ConsentKind.OPT_OUT
    if refusal and refusal not in _NO | _OPT_IN:
        raise RejectedInput("opt_out: is neither yes nor no")
    if wish and wish not in _YES | _OPT_IN:
        raise RejectedInput("consent: is neither opt_in nor opt_out")
    return ConsentKind.CONSENT if wish else None


def _word(text: str) -> str:
    return "".join(sign for sign in text.lower() if sign.isalnum())


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
        return None if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _text(ours: str, text: str) -> str:
    if len(text) > _LONGEST_CELL:
        raise RejectedInput(f"{ours}: is longer than {_LONGEST_CELL} characters")
    if text in _ERRORS_OF_FORMULAS:
        raise RejectedInput(f"{ours}: holds the error of a formula")
    if any(sign == "\0" or "\ud800" <= sign <= "\udfff" for sign in text):
        raise RejectedInput(f"{ours}: holds a character that no database can hold")
    return text


def _zone(ours: str, text: str) -> str:
    zone = zone_meant(text)
    if zone is None:
        raise RejectedInput(f"{ours}: is no time zone, such as Europe/Berlin")
    return zone


def _phone(ours: str, text: str) -> str:
    number = normalise_phone(text)
    if number is None:
        raise RejectedInput(f"{ours}: is no number with its country, such as +49 30 123456")
    return number


def _date(ours: str, text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise RejectedInput(f"{ours}: is no date such as 1984-05-23") from None


_READERS: Mapping[tuple[PersonKind, str], Callable[[str, str], str]] = {
    (PersonKind.CONTACTS, "timezone"): _zone,
    (PersonKind.CUSTOMERS, "phone"): _phone,
    (PersonKind.CUSTOMERS, "date_of_birth"): _date,
}
