"""Grants and revocations, one statement for all roles that it is about."""

from dataclasses import dataclass

from crm_relay.platform.database import Queryable
from crm_relay.platform.sql import parse_queries
from local.stack_file import ROOT

RIGHTS_SQL = parse_queries((ROOT / "local" / "schema" / "catalogue_of_rights.sql").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Right:
    """What one role was granted, or lost, besides the default privileges."""

    action: str
    kind: str
    name: str
    identity: str
    of_column: str | None
    role: str
    privileges: str
    is_grantable: bool
    is_all: bool

    @property
    def what(self) -> str:
        """As it is written in the statement, without a list of columns."""
        return "all" if self.is_all else self.privileges


class Rights:
    """All of a database."""

    def __init__(self, database: Queryable) -> None:
        self._rights = [Right(**row) for row in database.run(RIGHTS_SQL["rights"])]

    def statements(self, identity: str) -> list[str]:
        """Of a table, view, sequence or function (named by its signature), first what is taken away."""
        own = [right for right in self._rights if right.identity == identity]
        return _on_whole([each for each in own if each.of_column is None]) + _on_columns(
            [each for each in own if each.of_column is not None]
        )


def _on_whole(rights: list[Right]) -> list[str]:
    roles: dict[tuple[str, str, str, bool], list[str]] = {}
    for each in rights:
        roles.setdefault((each.action, each.what, _target(each), each.is_grantable), []).append(each.role)
    return [_statement(*key, names) for key, names in roles.items()]


def _on_columns(rights: list[Right]) -> list[str]:
    columns: dict[tuple[str, str, str, str, bool], list[str]] = {}
    for each in rights:
        key = (each.action, each.role, each.privileges, _target(each), each.is_grantable)
        columns.setdefault(key, []).append(str(each.of_column))
    statements = []
    for (action, role, privileges, target, grantable), names in columns.items():
        listed = ", ".join(names)
        what = ", ".join(f"{privilege} ({listed})" for privilege in privileges.split(", "))
        statements.append(_statement(action, what, target, grantable, [role]))
    return statements


def _target(right: Right) -> str:
    kind = "" if right.kind in ("table", "column") else f"{right.kind} "
    return kind + right.identity


def _statement(action: str, what: str, target: str, grantable: bool, roles: list[str]) -> str:
    word, option = ("to", " with grant option" if grantable else "") if action == "grant" else ("from", "")
    return f"{action} {what} on {target} {word} {', '.join(roles)}{option};"
