"""Tables: columns and what holds for them, and right under each its indexes, policies and grants."""

from local.schema.catalogue import (
    Catalogue,
    Constraint,
    Policy,
    PublishedTable,
    SchemaTable,
    Sequence,
    TableColumn,
    in_reading_order,
)
from local.schema.layout import INDENT, WIDTH, comment_on, lowered, plain, wrapped
from local.schema.rights import Rights

_SUFFIXES = {"p": "pkey", "u": "key", "c": "check", "f": "fkey"}


class TablePages:
    """The statements of tables and sequences, from one catalogue."""

    def __init__(self, catalogue: Catalogue, rights: Rights) -> None:
        self._catalogue = catalogue
        self._rights = rights

    def page(self, names: set[str]) -> list[str]:
        """A piece for each table in reading order, and one for the references that tables have to each other."""
        tables = {table.name: table for table in self._catalogue.tables if table.name in names}
        order = in_reading_order(list(tables), self._catalogue.needs)
        pieces = [self._table(tables[name], set(order[place + 1 :])) for place, name in enumerate(order)]
        late = [
            line
            for place, name in enumerate(order)
            for each in self._constraints(name)
            if each.target in order[place + 1 :]
            for line in self._added(each)
        ]
        return pieces + (["\n".join(["-- Tables that refer to each other.", *late])] if late else [])

    def sequence(self, sequence: Sequence) -> str:
        """A sequence that no column owns."""
        kind = "" if sequence.type == "bigint" else f"as {sequence.type}"
        head = " ".join(part for part in ("create sequence", sequence.name, kind, sequence.options) if part)
        comment = comment_on(f"sequence {sequence.name}", sequence.comment)
        return "\n".join([f"{head};", *comment, *self._rights.statements(sequence.name)])

    def _constraints(self, table: str) -> list[Constraint]:
        return self._catalogue.constraints.get(table, [])

    def _table(self, table: SchemaTable, later: set[str]) -> str:
        columns = [] if table.parent else self._catalogue.columns.get(table.name, [])
        constraints = [each for each in self._constraints(table.name) if each.target not in later]
        valid = [each for each in constraints if each.is_valid]
        blocks = [
            self._create(table, columns, valid),
            [line for each in constraints if not each.is_valid for line in self._added(each)],
            self._comments(table, valid),
            self._indexes(table.name),
            self._row_security(table),
            self._rights.statements(table.name),
            [_published(each) for each in self._catalogue.published.get(table.name, [])],
        ]
        return "\n\n".join(
            "\n".join(wrapped(line) if "\n" not in line else line for line in block) for block in blocks if block
        )

    def _create(self, table: SchemaTable, columns: list[TableColumn], constraints: list[Constraint]) -> list[str]:
        inline: dict[str, list[Constraint]] = {}
        for each in filter(_is_inline, constraints):
            inline.setdefault(each.columns[0], []).append(each)
        varchars = [column.name for column in columns if column.type.startswith("character varying")]
        primary = {each.columns[0] for each in constraints if each.kind == "p" and _is_inline(each)}
        lines = _aligned([_column(column, inline.get(column.name, []), primary, varchars) for column in columns])
        own = [each for each in constraints if not _is_inline(each)]
        lines += [wrapped(f"{_name(each)}{plain(each.definition, of_varchar=varchars)}", INDENT) for each in own]
        head = f"create {'unlogged ' if table.is_unlogged else ''}table {table.name}"
        if table.parent:
            head += f" partition of {table.parent}"
        body = f"{head} (\n" + ",\n".join(lines) + "\n)" if lines or not table.parent else head
        tail = [lowered(table.bound)] if table.bound else []
        tail += [f"partition by {lowered(table.partition_key)}"] if table.partition_key else []
        tail += [f"with ({table.options.replace('=', ' = ')})"] if table.options else []
        return [" ".join([body, *tail]) + ";"]

    def _added(self, constraint: Constraint) -> list[str]:
        columns = self._catalogue.columns.get(constraint.table_name, [])
        varchars = [column.name for column in columns if column.type.startswith("character varying")]
        definition = plain(constraint.definition, of_varchar=varchars)
        added = f"alter table {constraint.table_name} add constraint {constraint.name} {definition};"
        return [wrapped(added), *_comments_on([constraint])]

    def _comments(self, table: SchemaTable, constraints: list[Constraint]) -> list[str]:
        columns = self._catalogue.columns.get(table.name, [])
        lines = comment_on(f"table {table.name}", table.comment)
        for column in columns:
            lines += comment_on(f"column {table.name}.{column.name}", column.comment)
        return lines + _comments_on(constraints)

    def _indexes(self, table: str) -> list[str]:
        columns = self._catalogue.columns.get(table, [])
        varchars = [column.name for column in columns if column.type.startswith("character varying")]
        lines = []
        for index in self._catalogue.indexes.get(table, []):
            lines.append(f"{plain(index.definition, of_varchar=varchars).replace(' using btree ', ' ')};")
            lines += comment_on(f"index {index.name}", index.comment)
        return lines

    def _row_security(self, table: SchemaTable) -> list[str]:
        lines = [f"alter table {table.name} enable row level security;"] if table.has_row_security else []
        lines += [f"alter table {table.name} force row level security;"] if table.forces_row_security else []
        for policy in self._catalogue.policies.get(table.name, []):
            lines.append(_policy(policy))
            lines += comment_on(f"policy {policy.name} on {table.name}", policy.comment)
        return lines + (
            [f"alter table {table.name} replica identity {table.replica_identity};"] if table.replica_identity else []
        )

    def indexes_of_view(self, name: str) -> list[str]:
        """Of a materialized view."""
        return [wrapped(line) for line in self._indexes(name)]


def _is_inline(constraint: Constraint) -> bool:
    """It is about one column, and has the name that PostgreSQL gives it there."""
    return len(constraint.columns) == 1 and constraint.name == _usual_name(constraint)


def _name(constraint: Constraint) -> str:
    """Nothing for a key with the name that PostgreSQL gives it."""
    is_usual = constraint.kind in "puf" and constraint.name == _usual_name(constraint)
    return "" if is_usual else f"constraint {constraint.name} "


def _usual_name(constraint: Constraint) -> str | None:
    suffix = _SUFFIXES.get(constraint.kind)
    columns = [] if constraint.kind == "p" else constraint.columns
    return "_".join([constraint.table_name, *columns, suffix]) if suffix else None


def _column(
    column: TableColumn, constraints: list[Constraint], primary: set[str], varchars: list[str]
) -> tuple[str, str, list[str]]:
    """Name, type, and what else is said of it, in the order in which it is read."""
    kind = lowered(column.type)
    rest = [f"collate {column.collation}"] if column.collation else []
    in_order = sorted(constraints, key=lambda each: "pufc".index(each.kind))
    said = {kind: [_inline(each, varchars) for each in in_order if each.kind == kind] for kind in "pufc"}
    value = _value(column, kind)
    rest += value + said["p"] if column.identity else said["p"]
    rest += ["not null"] if column.is_required and column.name not in primary and not column.identity else []
    rest += [] if column.identity else value
    return column.name, kind, rest + said["u"] + said["f"] + said["c"]


def _value(column: TableColumn, kind: str) -> list[str]:
    if column.identity:
        options = f" ({column.sequence})" if column.sequence else ""
        return [f"generated {'always' if column.identity == 'a' else 'by default'} as identity{options}"]
    if column.value is None:
        return []
    value = plain(column.value)
    if column.generated:
        return [f"generated always as ({value}) {'stored' if column.generated == 's' else 'virtual'}"]
    return [f"default {value.removesuffix('::' + kind.partition('(')[0])}"]


def _inline(constraint: Constraint, varchars: list[str]) -> str:
    definition = plain(constraint.definition, of_varchar=varchars)
    (column,) = constraint.columns
    for prefix in (f"foreign key ({column}) ", f" ({column})"):
        definition = definition.removeprefix(prefix)
    return definition.replace(f"primary key ({column})", "primary key").replace(f"unique ({column})", "unique")


def _aligned(columns: list[tuple[str, str, list[str]]]) -> list[str]:
    """Names, types and the rest below each other; what does not fit continues on lines of its own."""
    names = max((len(name) for name, _, _ in columns), default=0)
    types = max((len(kind) for _, kind, _ in columns), default=0)
    lines = []
    for name, kind, rest in columns:
        head = f"{INDENT}{name:{names}} {kind:{types}} "
        line = (head + " ".join(rest)).rstrip()
        if len(line) >= WIDTH:
            line = "\n".join([(head + " ".join(rest[:-1])).rstrip(), wrapped(rest[-1], INDENT * 2)])
        lines.append(line)
    return lines


def _policy(policy: Policy) -> str:
    parts = [f"create policy {policy.name} on {policy.table_name}"]
    parts += [] if policy.is_permissive else ["as restrictive"]
    parts += [f"for {policy.command}"] if policy.command else []
    parts += [f"to {', '.join(policy.roles)}"] if policy.roles else []
    parts += [f"using ({plain(policy.readable)})"] if policy.readable else []
    parts += [f"with check ({plain(policy.writable)})"] if policy.writable else []
    whole = " ".join(parts) + ";"
    if len(whole) <= WIDTH:
        return whole
    head, conditions = [part for part in parts if "(" not in part], [part for part in parts if "(" in part]
    return "\n".join([" ".join(head), *(wrapped(part, INDENT) for part in conditions)]) + ";"


def _comments_on(constraints: list[Constraint]) -> list[str]:
    return [
        line
        for each in constraints
        for line in comment_on(f"constraint {each.name} on {each.table_name}", each.comment)
    ]


def _published(published: PublishedTable) -> str:
    columns = f" ({', '.join(published.columns)})" if published.columns else ""
    rows = f" where ({plain(published.condition)})" if published.condition else ""
    return f"alter publication {published.publication} add table {published.table_name}{columns}{rows};"
