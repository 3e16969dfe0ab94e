"""How many statements something costs."""

from crm_relay.platform.database import Database, Row
from crm_relay.platform.sql import Query, SqlValue


class CountingQueries:
    """A database that keeps the names of the queries it ran."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.names: list[str] = []

    @property
    def statements(self) -> int:
        return len(self.names)

    def run(self, query: Query, **values: SqlValue) -> list[Row]:
        self.names.append(query.name)
        return self._database.run(query, **values)
