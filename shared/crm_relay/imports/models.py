"""The words of an import: what is brought in, what a line says, and what became of all lines."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from crm_relay.consent.models import ConsentKind


class PersonKind(StrEnum):
    """The table that a file is imported into, by the word of the command line."""

    CUSTOMERS = "customers"
    CONTACTS = "contacts"
    PROSPECTS = "prospects"


@dataclass(frozen=True)
class StatedConsent:
    """What a line says about consent; `at` None: the line has no time that can be read."""

    kind: ConsentKind
    source: str
    at: datetime | None
    evidence: str | None


@dataclass(frozen=True)
class PersonLine:
    """A line of the file; `fields` has the cells that are not empty, by our names.

    `problem`: why the person cannot be imported. An opt-out on such a line counts all the same.
    """

    address: str
    fields: Mapping[str, str]
    consent: StatedConsent | None = None
    problem: str | None = None


@dataclass(frozen=True)
class KnownPerson:
    """Who has an address already, with the fields that an import may change."""

    id: UUID
    fields: Mapping[str, str | None]
    is_deleted: bool = False


@dataclass(frozen=True)
class LeftOut:
    """A line that was not imported; `is_repeated`: an earlier line has its address and says something else."""

    line: int
    reason: str
    is_repeated: bool = False


@dataclass
class ImportCounts:
    """What became of the lines: `read` = `new` + `changed` + `unchanged` + `bad` + `repeated`.

    `opt_ins_refused`: of people who opted out; a file clears no opt-out. `opt_ins_unproven`: without evidence or time.
    """

    read: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    bad: int = 0
    repeated: int = 0
    opt_outs_recorded: int = 0
    opt_ins_recorded: int = 0
    opt_ins_refused: int = 0
    opt_ins_unproven: int = 0
    left_out: list[LeftOut] = field(default_factory=list)
