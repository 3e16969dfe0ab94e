"""A text in every column of the schema that can hold one, read from the catalogue: a new table is covered unasked."""

from collections.abc import Sequence
from dataclasses import dataclass

from crm_relay.platform.database import Database
from tests.support.platform.rows import rows_of

_TEXTS = {"text", "varchar", "bpchar", "name", "citext"}
_OTHERS = {
    "uuid": "gen_random_uuid()",
    "timestamptz": "now()",
    "timestamp": "now()",
    "date": "current_date",
    "time": "localtime",
    "interval": "interval '1 day'",
    "bool": "false",
    "bytea": r"'\x00'::bytea",
    "json": "'{}'",
    "jsonb": "'{}'",
}


@dataclass(frozen=True)
class PlantedColumn:
    """A column, and what it takes for a value."""

    relation: str
    name: str
    kind: str
    is_required: bool
    place: int

    def value(self, text: str | None) -> str:
        """SQL; None: anything that is allowed."""
        literal = "'" + (text or "x:").replace("'", "''") + "'"
        if self.kind in _TEXTS:
            return f"{literal}::{self.kind}"
        if self.kind.startswith("_"):
            return f"array[{literal}]::{self.kind[1:]}[]" if self.kind[1:] in _TEXTS else f"'{{}}'::{self.kind[1:]}[]"
        if text is not None:
            return f"jsonb_build_object('to', {literal})::{self.kind}"
        return _OTHERS.get(self.kind, "1")

    @property
    def can_hold_text(self) -> bool:
        """Bytes and numbers cannot."""
        return self.kind.removeprefix("_") in _TEXTS or self.kind in {"json", "jsonb"}


def columns_of(database: Database) -> list[PlantedColumn]:
    """Of every table but those that migrations keep for themselves; without the generated ones."""
    rows = rows_of(
        database,
        """select
               relation.relname as relation, attname as name, typname as kind, attnum::integer as place,
               -- A default that is whoever asks is none here: nobody does.
               attnotnull and attidentity = ''
                   and coalesce(pg_get_expr(adbin, adrelid) like 'current_%', true) as is_required
           from pg_attribute
           join pg_class relation on relation.oid = attrelid and relation.relkind = 'r'
           join pg_type on pg_type.oid = atttypid
           left join pg_attrdef on adrelid = attrelid and adnum = attnum
           where relation.relnamespace = 'public'::regnamespace and attnum > 0 and not attisdropped
               and attgenerated = '' and attidentity = ''
           order by relation.relname, attnum""",
    )
    return [PlantedColumn(**row) for row in rows]


def plant_everywhere(database: Database, texts: Sequence[str]) -> list[PlantedColumn]:
    """A row for each column and text; checks, foreign keys and keys of single rows are dropped before."""
    columns = columns_of(database)
    _drop_checks(database)
    planted = [column for column in columns if column.can_hold_text]
    statements = []
    for number, (column, text) in enumerate((column, text) for column in planted for text in texts):
        needed = [c for c in columns if c.relation == column.relation and (c.is_required or c.name == column.name)]
        values = [c.value(text if c == column else None) for c in needed]
        filled = [_unlike(value, number) for value in values]
        names = ", ".join(f'"{c.name}"' for c in needed)
        statements.append(f"insert into {column.relation} ({names}) values ({', '.join(filled)})")
    database.run_script("begin; set local session_replication_role = replica; " + "; ".join(statements) + "; commit")
    return planted


def _unlike(value: str, number: int) -> str:
    """Keys have to differ."""
    return str(1000 + number) if value == "1" else value.replace("'x:'", f"'x{number}'")


def _drop_checks(database: Database) -> None:
    rows = rows_of(
        database,
        """select format('alter table %s drop constraint if exists %I cascade', conrelid::regclass, conname)
               as statement
           from pg_constraint
           where connamespace = 'public'::regnamespace and conrelid <> 0
               and (
                   contype in ('c', 'f')
                   -- A table of one row by its key could not take a second one.
                   or contype = 'p' and exists (
                       select from pg_attribute
                       where attrelid = conrelid and attnum = any (conkey) and atttypid = 'boolean'::regtype
                   )
               )""",
    )
    # A length is a check too.
    lengths = "update pg_attribute set atttypmod = -1 where atttypid = 'varchar'::regtype and attrelid >= 16384"
    database.run_script("; ".join([*(row["statement"] for row in rows), lengths]))
