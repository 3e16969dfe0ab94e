"""`schema/owners.toml`: the room that owns each object of the schema."""

import tomllib
from dataclasses import dataclass
from functools import cache

from local.stack_file import ROOT

_KINDS = ("tables", "views", "functions", "indexes", "sequences")


@dataclass(frozen=True)
class Owners:
    """The room of each object, and the floor of each room, counted from the bottom."""

    room_of: dict[str, str]
    floor_of: dict[str, int]

    def allows(self, room: str, thing: str) -> bool:
        """Whether SQL of `room` may use `thing`: its own room's, or a lower floor's."""
        other = self.room_of[thing]
        return other == room or self.floor_of[other] < self.floor_of[room]

    @property
    def rooms(self) -> list[str]:
        """All of them, from the bottom floor to the top."""
        return sorted(self.floor_of, key=lambda room: (self.floor_of[room], room))


@cache
def read_owners() -> tuple[Owners, dict[str, set[str]]]:
    """What `schema/owners.toml` says, and the names by kind."""
    written = tomllib.loads((ROOT / "schema" / "owners.toml").read_text(encoding="utf-8"))
    floor_of = {room: floor for floor, beside in enumerate(written.pop("floors")) for room in beside}
    listed = [(kind, name, room) for room, owned in written.items() for kind in owned for name in owned[kind]]
    if len({name for _, name, _ in listed}) != len(listed):
        raise ValueError("schema/owners.toml names an object twice")
    names = {kind: {name for listed_kind, name, _ in listed if listed_kind == kind} for kind in _KINDS}
    return Owners({name: room for _, name, room in listed}, floor_of), names
