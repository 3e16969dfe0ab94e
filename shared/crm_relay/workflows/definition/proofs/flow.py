"""Where a run can go in a program: every step is reached, and no loop goes round without a wait."""

from collections.abc import Iterator

from crm_relay.workflows.models import Program, StepKind


def unreachable_steps(program: Program) -> list[str]:
    """The keys of the steps to which no run comes."""
    reached: set[int] = set()
    ahead = [0] if program.steps else []
    while ahead:
        place = ahead.pop()
        if place not in reached:
            reached.add(place)
            ahead += _after(program, place)
    return [step.key for place, step in enumerate(program.steps) if place not in reached]


def loop_without_wait(program: Program) -> list[str]:
    """The keys of a loop that has no wait in it, in the order of a run; empty: there is none."""
    done: set[int] = set()
    for begin in range(len(program.steps)):
        path: list[int] = []
        ahead: list[tuple[int, Iterator[int]]] = []
        if begin not in done:
            _enter(program, begin, path, ahead)
        while ahead:
            place, following = ahead[-1]
            step = next(following, None)
            if step is None:
                done.add(place)
                path.pop()
                ahead.pop()
            elif step in path:
                return [program.steps[each].key for each in path[path.index(step) :]]
            elif step not in done:
                _enter(program, step, path, ahead)
    return []


def _enter(program: Program, place: int, path: list[int], ahead: list[tuple[int, Iterator[int]]]) -> None:
    """A wait leads nowhere here: whatever loop it is in is a slow one."""
    path.append(place)
    is_wait = program.steps[place].kind in {StepKind.WAIT, StepKind.APPROVAL}
    ahead.append((place, iter([] if is_wait else _after(program, place))))


def _after(program: Program, place: int) -> list[int]:
    step = program.steps[place]
    return [following for following in (step.next, step.otherwise) if following is not None]
