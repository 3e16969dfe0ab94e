"""Who calls, and what they may."""

from dataclasses import dataclass
from enum import IntEnum


class Role(IntEnum):
    """Each may what those before it may."""

    READ = 1
    OPERATE = 2
    ADMIN = 3


@dataclass(frozen=True)
class Caller:
    """Whose token it is."""

    name: str
    role: Role
