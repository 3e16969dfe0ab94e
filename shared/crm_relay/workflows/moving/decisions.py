"""Where a run goes on in another version, and why it cannot; pure."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from crm_relay.workflows.models import Program, StepKind, WorkflowStep

GONE: Final = "step_gone"
ANOTHER_KIND: Final = "step_of_another_kind"
UNREADABLE: Final = "version_unreadable"
WAITS_DIFFERENTLY: Final = "waits_for_something_else"


@dataclass(frozen=True)
class StepMoved:
    """Where a run at `place` goes on. `refused`: why it cannot; else `to` is the place in the new version.

    `waits_again`: the step is a wait that was changed, so that its time is computed again.
    """

    place: int
    to: int = 0
    refused: str | None = None
    before: WorkflowStep | None = field(default=None, hash=False)
    after: WorkflowStep | None = field(default=None, hash=False)
    waits_again: bool = False

    @property
    def is_changed(self) -> bool:
        """Whether the step does something else by its configuration."""
        return self.before is not None and self.after is not None and _config(self.before) != _config(self.after)


def move_step(old: Program, new: Program, place: int, named: Mapping[str, str], *, is_waiting: bool) -> StepMoved:
    """A step is found again by `named` (old key -> new key), else by its name where both versions use it once, else by
    its key. `is_waiting`: the run waits in the step.

    A run behind its last step has none, and is completed by the new version as well.
    """
    if place >= len(old.steps):
        return StepMoved(place, len(new.steps))
    step = old.steps[place]
    found = _found(old, new, step, named)
    if found is None:
        return StepMoved(place, refused=GONE, before=step)
    after = new.steps[found]
    if after.kind is not step.kind:
        return StepMoved(place, refused=ANOTHER_KIND, before=step, after=after)
    is_other = is_waiting and _config(step) != _config(after)
    if is_other and step.kind is not StepKind.WAIT and step.kind is not StepKind.WEBHOOK:
        # An approval was asked for under other terms.
        return StepMoved(place, refused=WAITS_DIFFERENTLY, before=step, after=after)
    return StepMoved(place, found, before=step, after=after, waits_again=is_other and step.kind is StepKind.WAIT)


def _found(old: Program, new: Program, step: WorkflowStep, named: Mapping[str, str]) -> int | None:
    keys = {each.key: place for place, each in enumerate(new.steps)}
    if step.key in named:
        return keys.get(named[step.key])
    if step.name and Counter(each.name for each in old.steps)[step.name] == 1:
        same = [place for place, each in enumerate(new.steps) if each.name == step.name]
        if len(same) == 1:
            return same[0]
    return keys.get(step.key)


def _config(step: WorkflowStep) -> dict[str, object]:
    """As both versions write it: a field with nothing in it is the same as none."""
    return {name: value for name, value in step.config.items() if value not in (None, "", [], {}, ())}
