"""Which rows belong to which organization: by the columns that name it, and by what row security shows its user."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from uuid import UUID

from crm_relay.platform.database import Database, Row, Transaction
from crm_relay.platform.sql import SqlValue
from tests.support.platform.rows import parse, rows_of

# Relation -> why users of several organizations see one row of it.
SHARED: dict[str, str] = {"notification_templates": "the system's templates are for everybody"}
# Relation -> why a user writes rows of it: own ones, by a policy that names them.
WRITTEN_BY_USERS = {"notification_preferences": "what a person wants to hear of"}
_BY_COLUMN = """select '{table}' as relation, {column}::text as owner,
        md5(string_agg(md5(t::text), '' order by md5(t::text))) as sum
    from {table} t where {column} is not null group by 2"""
_SEEN = "select '{table}' as relation, array_agg(md5(t::text)) as rows from {table} t"
_BY_CLAIMS = "select set_config('request.jwt.claims', json_build_object('sub', cast(:user as text))::text, true)"


@dataclass(frozen=True)
class Tenant:
    """An organization with one user, one workspace and people of its own; `name` is in every text of theirs."""

    name: str
    org: UUID
    user: UUID
    workspace: UUID
    number: int

    @property
    def owners(self) -> tuple[str, ...]:
        """What stands in columns that name it."""
        return (str(self.org), str(self.workspace), self.name)

    def address(self, number: int) -> str:
        """Of one of their people."""
        return f"p{number}@{self.name.lower()}.example.com"


class Ownership:
    """Looks at every table there is: one that is added later is covered."""

    def __init__(self, database: Database, tenants: Sequence[Tenant]) -> None:
        self.database, self.tenants = database, tenants
        columns = rows_of(
            database,
            """select c.table_name as table, c.column_name as column
               from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
               where c.table_schema = 'public' and t.table_type = 'BASE TABLE'
                   and c.column_name in ('org_id', 'workspace_id', 'workspace_name')
               order by 1, 2""",
        )
        self._by_column = parse(" union all ".join(_BY_COLUMN.format(**row) for row in columns))
        self.readable = self._relations("has_table_privilege('authenticated', oid, 'select')")
        self._seen = parse(" union all ".join(_SEEN.format(table=name) for name in self.readable))

    def _relations(self, condition: str) -> list[str]:
        rows = rows_of(
            self.database,
            f"""select relname from pg_class
                where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v') and {condition}
                order by 1""",
        )
        return [row["relname"] for row in rows]

    def snapshot(self) -> Mapping[str, object]:
        """Tenant -> all that is theirs, in a form that can be compared."""
        sums: dict[str, dict[object, object]] = {tenant.name: {} for tenant in self.tenants}
        owners = {owner: tenant.name for tenant in self.tenants for owner in tenant.owners}
        for row in self.database.run(self._by_column):
            if (name := owners.get(row["owner"])) is not None:
                sums[name][row["relation"], row["owner"]] = row["sum"]
        for tenant in self.tenants:
            sums[tenant.name] |= {("seen", name): rows for name, rows in self.seen(tenant.user).items()}
        return sums

    def seen(self, user: UUID) -> dict[str, frozenset[str]]:
        """Relation -> rows that the user reads through PostgREST."""
        rows = self.as_user(user)
        return {row["relation"]: frozenset(row["rows"] or ()) for row in rows}

    def as_user(self, user: UUID, text: str | None = None, **values: SqlValue) -> list[Row]:
        """What PostgREST does for a signed-in user; `text` None: all that may be read."""

        def look(transaction: Transaction) -> list[Row]:
            transaction.run(parse(_BY_CLAIMS), user=user)
            transaction.run(parse("set local role authenticated"))
            return transaction.run(self._seen if text is None else parse(text), **values)

        return self.database.transact(look)

    def seen_by_two(self) -> list[tuple[str, str, str]]:
        """Relation and both tenants, wherever users of two organizations see one row."""
        seen = {tenant.name: self.seen(tenant.user) for tenant in self.tenants}
        return [
            (relation, one, other)
            for one, other in combinations(seen, 2)
            for relation in self.readable
            if relation not in SHARED and seen[one][relation] & seen[other][relation]
        ]


def changed(before: Mapping[str, object], after: Mapping[str, object]) -> set[str]:
    """Whose rows are not what they were."""
    return {name for name in before if before[name] != after[name]}
