"""The mapped fields of a table as its schema has them now, and whether the mapping still fits."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from crm_relay.providers.airtable.mapping import CELL_TYPES, CellType
from crm_relay.providers.airtable.settings import AirtableSettings
from crm_relay.providers.airtable.wire import AirtableField, AirtableTable
from crm_relay.providers.connectors.contract import FieldRule
from crm_relay.providers.connectors.failures import SchemaDrift


@dataclass(frozen=True)
class Column:
    """A mapped field: `name` is the one that it has there now."""

    rule: FieldRule
    name: str
    type: str
    cell: CellType

    @property
    def ours(self) -> str:
        return self.rule.ours


@dataclass(frozen=True)
class Columns:
    """`modified_id`: the field with the time of a row's last change, None where the table has none for all fields."""

    by_name: Mapping[str, Column]
    modified_id: str | None

    @property
    def email(self) -> Column:
        return self.by_name["email"]

    @property
    def types(self) -> dict[str, str]:
        return {name: column.type for name, column in self.by_name.items()}


def fit(table: AirtableTable | None, settings: AirtableSettings, known_types: Mapping[str, str]) -> Columns:
    """The columns of the mapping. `known_types`: those that the values on our side come from, by our name.

    Raises SchemaDrift that names every field of ours which is gone there, cannot be mapped or written any more, or
    holds another kind of value than before. Where a new type is meant, naming it in the settings accepts it.
    """
    if table is None:
        raise SchemaDrift("the table is not in the base any more", [rule.ours for rule in settings.rules])
    fields = {field.id: field for field in table.fields}
    problems: dict[str, str] = {}
    columns: dict[str, Column] = {}
    for rule in settings.rules:
        expected = settings.types.get(rule.ours) or known_types.get(rule.ours)
        found = fields.get(rule.theirs)
        problem = "its field is gone" if found is None else _problem(rule, found, expected)
        if found is None or problem is not None:
            problems[rule.ours] = str(problem)
            continue
        columns[rule.ours] = Column(rule, found.name, found.type, CELL_TYPES[found.type])
    if problems:
        text = "; ".join(f"{ours}: {why}" for ours, why in problems.items())
        raise SchemaDrift(f"the table changed ({text})", list(problems))
    return Columns(columns, _modified(table.fields))


def _problem(rule: FieldRule, field: AirtableField, expected: str | None) -> str | None:
    cell = CELL_TYPES.get(field.type)
    if cell is None:
        return f"a field of type {field.type} holds no single value"
    if cell.write is None and rule.owner != "theirs":
        return f"a field of type {field.type} cannot be written, so its owner can only be theirs"
    before = CELL_TYPES.get(expected or "")
    if before is not None and before.family != cell.family:
        return f"its field was of type {expected} and is now of type {field.type}"
    return None


def _modified(fields: Iterable[AirtableField]) -> str | None:
    return next((field.id for field in fields if field.watches_all), None)


def wanted_ids(rules: Sequence[FieldRule], modified_id: str | None) -> list[str]:
    """The fields to ask for."""
    ids = [rule.theirs for rule in rules]
    return ids if modified_id is None or modified_id in ids else [*ids, modified_id]
