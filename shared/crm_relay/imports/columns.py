"""Which column of a file is which of our fields; pure."""

import csv
import re
from collections.abc import Mapping, Sequence

from crm_relay.imports.models import PersonKind
from crm_relay.platform.errors import RejectedInput

_DELIMITERS = ",;\t"
_NOISE = re.compile(r"[\W_]+")

# Our field -> other names of its column, without spaces, signs and capitals; the field's own name counts too.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "email": (
        "emailaddress",
        "mail",
        "primaryemail",
        "emailprimary",
        "workemail",
        "email1",
        "contactemail",
        "emailadresse",
    ),
    "first_name": ("firstname", "givenname", "forename", "vorname"),
    "last_name": ("lastname", "surname", "familyname", "nachname"),
    "phone": ("phonenumber", "mobile", "mobilephone", "telephone", "tel", "cell", "cellphone", "phonee164", "telefon"),
    "company_name": ("company", "organization", "organisation", "account", "accountname", "firma"),
    "title": ("jobtitle", "position", "role"),
    "timezone": ("tz", "zone"),
    "linkedin_url": ("linkedin", "linkedinprofile", "personlinkedinurl"),
    "date_of_birth": ("birthday", "dob", "birthdate"),
    "line_1": ("address1", "addressline1", "street", "streetaddress", "address"),
    "line_2": ("address2", "addressline2"),
    "suburb": (),
    "city": ("town",),
    "state": ("region", "province"),
    "postcode": ("postalcode", "zip", "zipcode", "plz"),
    "country": (),
    "name": ("company", "companyname", "organization", "organisation"),
    "contact_name": ("fullname", "contact", "person"),
    "contact_title": ("title", "jobtitle", "position"),
    "website": ("url", "domain", "companywebsite"),
    "tier": (),
    "stage": (),
    "lead_source": ("source",),
    "consent": ("optin", "marketingoptin", "emailoptin", "subscribed", "newsletter", "marketingconsent"),
    "opt_out": ("optout", "unsubscribed", "donotcontact", "dnc", "optedout", "emailoptout", "hasoptedoutofemail"),
    "consent_at": ("optintime", "consentdate", "consenttime", "optindate", "subscribedat", "confirmtime"),
    "consent_source": ("optinsource",),
    "consent_evidence": ("evidence", "optinip", "proof"),
}
_CONSENT = ("consent", "opt_out", "consent_at", "consent_source", "consent_evidence")
_WISHES = ("consent", "opt_out")
"""Of these no second column may be passed over: somebody's refusal may be in it alone."""

_POSTAL = ("line_1", "line_2", "suburb", "city", "state", "postcode", "country")
FIELDS: Mapping[PersonKind, tuple[str, ...]] = {
    PersonKind.CUSTOMERS: ("email", "first_name", "last_name", "date_of_birth", "phone", *_POSTAL, *_CONSENT),
    PersonKind.CONTACTS: (
        *("email", "first_name", "last_name", "phone", "company_name", "title", "timezone", "linkedin_url"),
        *_CONSENT,
    ),
    PersonKind.PROSPECTS: (
        *("email", "name", "contact_name", "contact_title", "phone", "website", "linkedin_url", "city", "country"),
        *("stage", "tier", "lead_source", *_CONSENT),
    ),
}
"""What a file may bring of each kind."""


def header_of(first_line: str) -> list[str]:
    """The names of the columns, by the separator that makes most of them.

    RejectedInput where a cell holds an address: then it is somebody's data. No cell is quoted.
    """
    found: list[str] = []
    for delimiter in _DELIMITERS:
        try:
            cells = next(csv.reader([first_line.lstrip("\ufeff")], delimiter=delimiter, strict=True), [])
        except csv.Error:
            continue
        found = max(found, [cell.strip() for cell in cells], key=len)
    if not any(found) or any("@" in cell for cell in found):
        raise RejectedInput("the first line has to name the columns")
    return found


def separator_of(first_line: str, columns: Sequence[str]) -> str:
    """The one by which `header_of` found `columns`."""
    for delimiter in _DELIMITERS:
        try:
            cells = next(csv.reader([first_line.lstrip("\ufeff")], delimiter=delimiter, strict=True), [])
        except csv.Error:
            continue
        if len(cells) == len(columns):
            return delimiter
    return ","


def map_columns(kind: PersonKind, columns: Sequence[str], given: Sequence[str] = ()) -> dict[str, str]:
    """Our field -> their column: as guessed, and over that as `given`, each `ours=theirs`; `ours=` leaves it out.

    RejectedInput lists everything that is wrong.

    >>> map_columns(PersonKind.CONTACTS, ["E-Mail", "Vorname", "Notes"])
    {'email': 'E-Mail', 'first_name': 'Vorname'}
    """
    said, problems = _said(kind, columns, given)
    mapping = {ours: theirs for ours in FIELDS[kind] if (theirs := said.get(ours, _guess(ours, columns, said)))}
    lowered = [column.lower() for column in columns]
    problems += [f"two columns are called {theirs}" for theirs in mapping.values() if lowered.count(theirs.lower()) > 1]
    problems += [
        f"{ours}: several columns may be meant: say --map {ours}=COLUMN; there are {', '.join(meant)}"
        for ours in _WISHES
        if ours in mapping and ours not in said and len(meant := _meant(ours, columns, said)) > 1
    ]
    if not problems and "email" not in mapping:
        problems.append(f"no column is an e-mail address: say --map email=COLUMN; there are {', '.join(columns)}")
    if problems:
        raise RejectedInput("the columns are not clear", details=problems)
    return mapping


def _said(kind: PersonKind, columns: Sequence[str], given: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    by_name = {column.lower(): column for column in columns}
    said: dict[str, str] = {}
    problems: list[str] = []
    for each in given:
        ours, is_pair, theirs = (part.strip() for part in each.partition("="))
        if not is_pair or ours not in FIELDS[kind]:
            problems.append(f"--map {ours}: say ours=theirs; ours is one of {', '.join(FIELDS[kind])}")
        elif theirs and theirs.lower() not in by_name:
            problems.append(f"--map {ours}: there is no such column; there are {', '.join(columns)}")
        else:
            said[ours] = by_name[theirs.lower()] if theirs else ""
    return said, problems


def _guess(ours: str, columns: Sequence[str], said: Mapping[str, str]) -> str:
    return next(iter(_meant(ours, columns, said)), "")


def _meant(ours: str, columns: Sequence[str], said: Mapping[str, str]) -> list[str]:
    """All that have a name of this field, the likeliest first."""
    taken = set(said.values())
    free = [(_plain(column), column) for column in columns if column not in taken]
    return [column for name in dict.fromkeys((_plain(ours), *_NAMES[ours])) for plain, column in free if plain == name]


def _plain(name: str) -> str:
    return _NOISE.sub("", name.lower())
