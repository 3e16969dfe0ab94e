"""A move as it is previewed and done."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class StepOfMove:
    """Runs of one version at one step. `refused`: why they cannot be moved, then `runs` are some of them.

    `to_step` None: the step is gone. `is_changed`: its configuration differs; `waits_again`: so their time is new.
    """

    version: int | None
    step: str | None
    kind: str | None
    name: str | None
    to_step: str | None
    to_name: str | None
    number: int
    is_waiting: bool
    is_changed: bool
    waits_again: bool
    refused: str | None
    runs: tuple[UUID, ...]


@dataclass(frozen=True)
class MovePreview:
    """What a move to the active version would do. It is refused as a whole where `refused` is not 0."""

    workflow_id: UUID
    name: str
    to_version: int
    movable: int
    refused: int
    steps: tuple[StepOfMove, ...]


@dataclass(frozen=True)
class RunsMoved:
    """`moved` runs go on in `to_version`. `has_more`: the call has to be repeated with this `after` for the rest.

    `refused`: runs that came to a step meanwhile that the version does not have; they stay where they were.
    """

    to_version: int
    moved: int
    refused: dict[UUID, str]
    has_more: bool
    after: UUID | None = None
