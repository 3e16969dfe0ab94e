"""Every file of `schema/` that is written from the catalogue, and the order in which they make a database."""

from crm_relay.platform.database import Queryable
from crm_relay.platform.errors import FatalError
from local.schema import code_pages
from local.schema.catalogue import Catalogue, in_reading_order
from local.schema.owners import Owners
from local.schema.rights import Rights
from local.schema.setup_page import setup_page
from local.schema.table_pages import TablePages

# Between an object, with all that is said of it, and the next one.
BETWEEN = "\n\n\n"
_KINDS = ("functions", "tables", "views", "triggers")
_HEAD = "-- {what}. Written by `make schema`: change it by a migration."


def schema_files(database: Queryable, owners: Owners) -> dict[str, str]:
    """Path below `schema/` -> text. Raises FatalError for an object that no room owns."""
    catalogue, rights = Catalogue(database), Rights(database)
    pieces: dict[tuple[str, str], list[str]] = {("setup", ""): setup_page(database, catalogue)}
    for room, names in _by_room([table.name for table in catalogue.tables], owners).items():
        pieces["tables", room] = TablePages(catalogue, rights).page(names)
    for room, names in _by_room([one.name for one in catalogue.sequences], owners).items():
        made = [TablePages(catalogue, rights).sequence(one) for one in catalogue.sequences if one.name in names]
        pieces["tables", room] = made + pieces.get(("tables", room), [])
    for room, names in _by_room([one.name for one in catalogue.functions], owners).items():
        owned = [one for one in catalogue.functions if one.name in names]
        pieces["functions", room] = code_pages.function_page(owned, rights)
    for room, names in _by_room([one.name for one in catalogue.views], owners).items():
        pieces["views", room] = _views(catalogue, rights, names)
    for trigger in catalogue.triggers:
        room = _room(trigger.function, owners)
        pieces.setdefault(("triggers", room), []).append(code_pages.trigger(trigger))
    for event_trigger in catalogue.event_triggers:
        room = _room(event_trigger.function, owners)
        pieces.setdefault(("triggers", room), []).append(code_pages.event_trigger(event_trigger))
    return {_path(*key): _text(*key, own) for key, own in pieces.items() if own}


def in_order(files: list[str], owners: Owners) -> list[str]:
    """What makes a database: setup, functions, tables, views, triggers, each kind from the bottom room to the top."""

    def place(path: str) -> tuple[int, int]:
        kind, _, file = path.partition("/")
        return (_KINDS.index(kind), owners.rooms.index(file.removesuffix(".sql"))) if file else (-1, 0)

    return sorted(files, key=place)


def _views(catalogue: Catalogue, rights: Rights, names: set[str]) -> list[str]:
    by_name = {one.name: one for one in catalogue.views if one.name in names}
    tables = TablePages(catalogue, rights)
    return [
        code_pages.view(by_name[name], catalogue, rights, tables.indexes_of_view(name))
        for name in in_reading_order(list(by_name), catalogue.needs)
    ]


def _room(name: str, owners: Owners) -> str:
    try:
        return owners.room_of[name.strip('"')]
    except KeyError:
        raise FatalError(f"no room owns {name}: list it in schema/owners.toml") from None


def _by_room(names: list[str], owners: Owners) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name in names:
        found.setdefault(_room(name, owners), set()).add(name)
    return found


def _path(kind: str, room: str) -> str:
    return f"{kind}/{room}.sql" if room else f"{kind}.sql"


def _text(kind: str, room: str, pieces: list[str]) -> str:
    what = f"{kind.capitalize()} of {room}" if room else "Extensions, roles, default privileges and publications"
    return BETWEEN.join([_HEAD.format(what=what), *pieces]).rstrip() + "\n"
