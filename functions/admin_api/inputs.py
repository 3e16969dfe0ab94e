"""What the routes of the admin API take; the description that is served is made of these."""

from typing import Annotated, Literal

from pydantic import Field

from crm_relay.edge_cache.keys import Entity
from crm_relay.operations.access.sign_in import CODE
from crm_relay.operations.access.tokens import NAME
from crm_relay.operations.overview.read_overview import PARTS
from crm_relay.platform.http.http_routes import Given

_PART = f"({'|'.join(sorted(PARTS))})"

Number = Annotated[int, Field(ge=1, le=2**53 - 1)]
ListLimit = Annotated[int, Field(ge=1, le=500, description="So many of the newest.")]


class OfNumber(Given):
    """One row, by its number."""

    id: Number


class OfName(Given):
    """One token, by its name."""

    name: Annotated[str, Field(pattern=NAME)]


class OfFile(Given):
    """One file of the page."""

    file: Annotated[str, Field(pattern=r"^[a-z_.-]{1,40}$")]


class Newest(Given):
    """A list's length."""

    limit: ListLimit = 50


class ConflictsAsked(Newest):
    """Which conflicts."""

    open: bool = False


class DaysAsked(Given):
    """Of the last so many days."""

    days: Annotated[int, Field(ge=1, le=90)] = 30


class PartsAsked(Given):
    """Which parts of the page, separated by commas; left out: all. Empty: what the head of the page says alone."""

    parts: Annotated[str, Field(pattern=f"^({_PART}(,{_PART})*)?$", max_length=200)] | None = None

    @property
    def wanted(self) -> frozenset[str]:
        return PARTS if self.parts is None else frozenset(self.parts.split(","))


class ResyncInput(Given):
    """Which entities are written again; none named: all."""

    entities: Annotated[tuple[Entity, ...], Field(max_length=4)] = ()


class CheckWanted(Given):
    """A run of the integrity checks; `full`: every item at the edge is read, not only where the sums differ."""

    fix: Annotated[bool, Field(description="Mend what may be mended unasked.")] = False
    full: bool = False


class Shrink(Given):
    """Whose deletions were meant."""

    entities: Annotated[tuple[Entity, ...], Field(min_length=1, max_length=4)]


class Who(Given):
    """An address, a customer id or Mautic's contact id."""

    who: Annotated[str, Field(min_length=1, max_length=320, pattern=r"^[^\x00]+$")]


class CodeGiven(Given):
    """The code of a link that signs in."""

    code: Annotated[str, Field(pattern=CODE)]


class TokenWanted(Given):
    """A token to be made; `days` None: it does not expire. `user`: whose decisions its calls are, by id or address."""

    name: Annotated[str, Field(pattern=NAME)]
    role: Literal["read", "operate", "admin"]
    days: Annotated[int, Field(ge=1, le=3650)] | None = 90
    user: Annotated[str, Field(min_length=1, max_length=320, pattern=r"^[^\x00]+$")] | None = None
