"""Who calls, and what they may."""

from dataclasses import dataclass
from enum import IntEnum
from uuid import UUID


class Role(IntEnum):
    """Each may what those before it may."""

    READ = 1
    OPERATE = 2
    ADMIN = 3


@dataclass(frozen=True)
class Caller:
    """Whose token it is; `user_id` None: no colleague's, so that nothing is their decision."""

    name: str
    role: Role
    user_id: UUID | None = None
