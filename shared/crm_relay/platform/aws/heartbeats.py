"""When each schedule last ran to its end: one item of the coordination table, written by the functions that ran."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from crm_relay.platform.aws.queue import aws_call

_ID = "heartbeats"


@dataclass(frozen=True)
class Heartbeats:
    """Schedule -> time of its last complete run. Every method raises TransientError or FatalError, as aws_call does."""

    table: str

    def note(self, schedules: Iterable[str], now: datetime) -> None:
        """These ran to their end just now."""
        self.change(dict.fromkeys(schedules, now), ())

    def read(self) -> dict[str, datetime]:
        """All that are noted, read consistently."""
        found = aws_call("dynamodb", "get_item", TableName=self.table, Key={"id": {"S": _ID}}, ConsistentRead=True)
        item: dict[str, dict[str, str]] = found.get("Item", {})
        return {name: datetime.fromtimestamp(float(value["N"]), UTC) for name, value in item.items() if name != "id"}

    def change(self, times: Mapping[str, datetime], gone: Iterable[str]) -> None:
        """Set these times and drop the schedules in `gone`; the others stay."""
        # A schedule's name has a dot in it, which an expression would take for a path.
        names = {f"#n{number}": name for number, name in enumerate([*times, *gone])}
        if not names:
            return
        places = list(names)
        values: dict[str, Any] = {
            f":v{number}": {"N": f"{at.timestamp():.3f}"} for number, at in enumerate(times.values())
        }
        sets = ", ".join(f"{place} = {value}" for place, value in zip(places, values, strict=False))
        removes = ", ".join(places[len(values) :])
        aws_call(
            "dynamodb",
            "update_item",
            TableName=self.table,
            Key={"id": {"S": _ID}},
            UpdateExpression=" ".join(
                part for part in (f"SET {sets}" if sets else "", f"REMOVE {removes}" if removes else "") if part
            ),
            ExpressionAttributeNames=names,
            **({"ExpressionAttributeValues": values} if values else {}),
        )
