"""Which statements take our objects out of a database, and which objects may vanish by them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from crm_relay.platform.postgres.catalogue import Catalogue, ObjectKey

FORMER_VIEW = "customers_crm_v_before_crm_relay"
"""How a migration renames the view of an installation whose columns are others."""

_VIEW = "customers_crm_v"
_OF_TABLES = ("column", "constraint", "index", "mandatory", "row security", "right", "default")
_ORDER = ("trigger", "view", "policy", "table", "function", "constraint", "index", "column", "sequence", "type")
_PARTS = frozenset({"default", "constraint", "index", "mandatory"})
_DROPS: Mapping[str, str] = {
    "table": "drop table if exists {object} cascade",
    "view": "drop view if exists {object} cascade",
    "sequence": "drop sequence if exists {object} cascade",
    "type": "drop type if exists {object} cascade",
    "function": "drop function if exists {signature} cascade",
    "trigger": "drop trigger if exists {part} on {object}",
    "policy": "drop policy if exists {part} on {object}",
    "constraint": "alter table if exists {object} drop constraint if exists {part} cascade",
    "index": "drop index if exists {part}",
    "column": "alter table if exists {object} drop column if exists {part} cascade",
    "mandatory": "alter table {object} alter column {part} drop not null",
    "row security": "alter table {object} disable row level security",
    "right": "revoke all on {object} from {part}",
    "default": "alter table {object} alter column {part} drop default",
}


@dataclass(frozen=True)
class UninstallPlan:
    """`ours`: what our files made and was not there before. `statements` in their order.

    `loose`: parts of tables that stay, which go with a function of ours that they call.
    """

    ours: frozenset[ObjectKey]
    statements: tuple[str, ...]
    loose: frozenset[ObjectKey] = field(default=frozenset())

    @property
    def tables(self) -> list[str]:
        """Those of ours."""
        return sorted(name for kind, name, _ in self.ours if kind == "table")


def plan_uninstall(
    now: Catalogue, made: Catalogue, before: Catalogue | None, crm_tables: Iterable[str], *, with_data: bool
) -> UninstallPlan:
    """`made`: what our files make of an empty database. `crm_tables`: those that an application may have had.

    `before` None: nobody remembered, so every table of the CRM is taken for one that was there, whole as it is.
    """
    kept = _kept(now, crm_tables) if before is None else before
    ours = frozenset(key for key in now if key in made and key not in kept) | _replaced_view(now)
    foreign = frozenset(name for kind, name, _ in kept if kind == "table")
    loose = frozenset(key for key in made if key[0] in _PARTS) if before is None else frozenset()
    statements = _all(ours, now, kept, foreign) if with_data else _what_runs(ours)
    return UninstallPlan(ours, tuple(statements), loose)


def unexpected(now: Catalogue, after: Catalogue, plan: UninstallPlan) -> list[ObjectKey]:
    """What would vanish although it is not ours: it depends on something of ours."""
    gone = now.keys() - after.keys() - plan.ours - plan.loose
    return sorted(key for key in gone if not _belongs_to(key, plan))


def _belongs_to(key: ObjectKey, plan: UninstallPlan) -> bool:
    """Whether it is a part of a table or view of ours, such as an index that somebody added, or a right of our role."""
    kind, name, part = key
    gone = {each for of, each, _ in plan.ours if of in {"table", "view"}}
    return (
        (kind in {*_OF_TABLES, "trigger", "policy"} and name in gone)
        or (kind in {"view", "right"} and name == FORMER_VIEW)  # which gets its name back
        or (kind, part) == ("right", "crm_relay")
    )


def _kept(now: Catalogue, crm_tables: Iterable[str]) -> Catalogue:
    names = frozenset(crm_tables)
    return {
        key: definition
        for key, definition in now.items()
        if key[1] in names and key[0] not in {"trigger", "policy", "right"}
    }


def _replaced_view(now: Catalogue) -> frozenset[ObjectKey]:
    """Our view, under the name that theirs had."""
    return frozenset({("view", _VIEW, "")} if ("view", FORMER_VIEW, "") in now else ())


def _what_runs(ours: frozenset[ObjectKey]) -> Iterator[str]:
    """Triggers, and the functions and views that nothing needs any more; what holds data stays complete."""
    yield from _drops(ours, ("trigger",))
    loose = [statement.replace(" cascade", "") for statement in _drops(ours, ("view", "function"))]
    yield from (_unless_needed(each) for _ in range(3) for each in loose)


def _all(ours: frozenset[ObjectKey], now: Catalogue, kept: Catalogue, foreign: frozenset[str]) -> Iterator[str]:
    yield from _drops(ours, _ORDER, only_of=foreign)
    staying = frozenset(key for key in ours if ("column", key[1], key[2]) not in ours)
    yield from _drops(staying, ("mandatory", "row security", "default"), only_of=foreign, strictly=True)
    yield from _drops(frozenset(key for key in ours if key[1] in foreign), ("right",))
    for key, definition in kept.items():
        if key in now and now[key] != definition:
            yield from _restored(key, definition)
    if ("view", FORMER_VIEW, "") in now:
        yield f"alter view {_name(FORMER_VIEW)} rename to {_name(_VIEW)}"


def _restored(key: ObjectKey, definition: str) -> Iterator[str]:
    kind, name, part = key
    match kind:
        case "default":
            yield f"alter table {_name(name)} alter column {_name(part)} set default {definition}"
        case "right":
            yield f"revoke all on {_name(name)} from {_name(part)}"
            yield f"grant {definition} on {_name(name)} to {_name(part)}"
        case "constraint":
            yield f"alter table {_name(name)} drop constraint {_name(part)}"
            yield f"alter table {_name(name)} add constraint {_name(part)} {definition}"
        case _:
            pass


def _drops(
    ours: frozenset[ObjectKey],
    kinds: tuple[str, ...],
    *,
    only_of: frozenset[str] | None = None,
    strictly: bool = False,
) -> Iterator[str]:
    """`only_of`: parts of other tables go with these. `strictly`: also of kinds that are not parts."""
    for kind in kinds:
        for key in sorted(key for key in ours if key[0] == kind):
            is_part = kind in {"column", "constraint", "index", "policy"} or strictly
            if only_of is None or not is_part or key[1] in only_of:
                yield _DROPS[kind].format(object=_name(key[1]), part=_name(key[2]), signature=key[1])


def _unless_needed(statement: str) -> str:
    """Nothing happens where something that stays depends on it."""
    return f"do $do$ begin {statement}; exception when dependent_objects_still_exist then null; end $do$"


def _name(name: str) -> str:
    return name if name == "public" else '"' + name.replace('"', '""') + '"'
