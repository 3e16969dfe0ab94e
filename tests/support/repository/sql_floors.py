"""Who owns what in the schema, and every use of an object of one room by SQL of another."""

from collections.abc import Iterator
from dataclasses import dataclass

from crm_relay.platform.database import Database
from crm_relay.platform.sql import Query, parse_queries
from local.schema.owners import Owners
from tests.support.platform.rows import rows_of
from tests.support.repository.sql_references import references
from tests.support.source_tree import ROOT, query_files

_KINDS = ("tables", "views", "functions")
# Rows of (user, owner, thing): a piece of SQL, the object that it belongs to, and an object that it uses.
_BY_CATALOGUE = """
    with thing as (
        select 'pg_class'::regclass as class, oid, relname as name from pg_class
        where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm')
        union all
        select 'pg_proc'::regclass, oid, proname from pg_proc where pronamespace = 'public'::regnamespace
        union all
        select 'pg_type'::regclass, type.oid, relname
        from pg_type as type join pg_type as row on type.oid in (row.oid, row.typarray)
        join pg_class as relation on relation.oid = row.typrelid
        where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm')
    ), piece as (
        select 'pg_rewrite'::regclass as class, oid, 'view ' || ev_class::regclass as name, ev_class as owner
        from pg_rewrite
        union all
        select 'pg_policy'::regclass, oid, 'policy ' || polrelid::regclass || '.' || polname, polrelid from pg_policy
        union all
        select 'pg_constraint'::regclass, oid, 'constraint ' || conrelid::regclass || '.' || conname, conrelid
        from pg_constraint where conrelid <> 0
        union all
        select 'pg_attrdef'::regclass, oid, 'default of ' || adrelid::regclass || '.' || adnum, adrelid from pg_attrdef
        union all
        select 'pg_class'::regclass, indexrelid, 'index ' || indexrelid::regclass, indrelid from pg_index
    )
    select piece.name as user, owner.relname as owner, thing.name as thing
    from piece
    join pg_class as owner on owner.oid = piece.owner and owner.relnamespace = 'public'::regnamespace
    join pg_depend on classid = piece.class and objid = piece.oid
    join thing on thing.class = refclassid and thing.oid = refobjid
    union
    select 'function ' || used.name, used.name, thing.name
    from thing as used
    join pg_depend on used.class = 'pg_proc'::regclass and classid = used.class and objid = used.oid
    join thing on thing.class = refclassid and thing.oid = refobjid
    union
    select 'trigger ' || tgrelid::regclass || '.' || tgname, proname, relname
    from pg_trigger
    join pg_proc on pg_proc.oid = tgfoid
    join pg_class on pg_class.oid = tgrelid
    where not tgisinternal"""
_BODIES = "select proname as name, prosrc as body from pg_proc where pronamespace = 'public'::regnamespace"
_OBJECTS = """
    select case when relkind in ('r', 'p') then 'tables' else 'views' end as kind, relname as name
    from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm')
    union
    select 'functions', proname from pg_proc
    where pronamespace = 'public'::regnamespace
        and not exists (select from pg_depend where objid = pg_proc.oid and deptype = 'e')"""


@dataclass(frozen=True, order=True)
class Use:
    """`user` names a piece of SQL, as `view consent_state` or `query mail/sending.claim`; `thing` is what it uses."""

    user: str
    room: str
    thing: str

    def __str__(self) -> str:
        return f"{self.user} -> {self.thing}"


def objects_of(database: Database) -> dict[str, set[str]]:
    """The names of the schema's tables, views and functions."""
    rows = rows_of(database, _OBJECTS)
    return {kind: {row["name"] for row in rows if row["kind"] == kind} for kind in _KINDS}


def uses_in_schema(database: Database, owners: Owners) -> set[Use]:
    """By views, policies, constraints, defaults, indexes, triggers and functions."""
    found = set()
    for row in rows_of(database, _BY_CATALOGUE):
        room = owners.room_of.get(row["user"].removeprefix("index "), owners.room_of.get(row["owner"]))
        if room and row["thing"] in owners.room_of:
            found.add(Use(row["user"], room, row["thing"]))
    for row in rows_of(database, _BODIES):
        if row["name"] in owners.room_of:
            things = references(row["body"], owners.room_of) - {row["name"]}
            found |= {Use(f"function {row['name']}", owners.room_of[row["name"]], thing) for thing in things}
    return found


def uses_by_queries(owners: Owners) -> Iterator[Use]:
    """By the named queries of each room."""
    for path in query_files():
        folder = path.parent.relative_to(ROOT / "shared" / "crm_relay")
        for query in parse_queries(path.read_text(encoding="utf-8")).values():
            yield from uses_by_query(str(folder), query, owners)


def uses_by_query(folder: str, query: Query, owners: Owners) -> Iterator[Use]:
    """By one query of the room in `folder`."""
    for thing in references(query.sql, owners.room_of):
        yield Use(f"query {folder}.{query.name}", folder.split("/")[0], thing)


def violations(uses: set[Use], owners: Owners) -> set[str]:
    """The uses of a higher floor's or a neighbour's objects."""
    return {str(use) for use in uses if not owners.allows(use.room, use.thing)}
