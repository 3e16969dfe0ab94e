"""Keys by which the events of a batch may come again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from crm_relay.platform.sql import Rows, SqlValue, Statement, queries_beside

_SQL = queries_beside(__file__)


@dataclass
class EventKeys:
    """New keys by workspace, and those that stood for themselves and do no more."""

    _added: dict[tuple[str, str], bool] = field(default_factory=dict)
    _claimed: set[tuple[str, str]] = field(default_factory=set)

    def add(self, workspace_key: str, keys: Sequence[str], *, is_alone: bool) -> None:
        """They were not known. `is_alone`: the event has no id of its own."""
        self._added |= {(workspace_key, key): is_alone for key in keys}

    def claim(self, workspace_key: str, key: str) -> None:
        """An event with an id of its own has this key as well."""
        if (workspace_key, key) in self._added:
            self._added[workspace_key, key] = False
        else:
            self._claimed.add((workspace_key, key))

    def statements(self) -> Iterator[Statement]:
        """By key, so that two batches never wait for each other in a circle."""
        if self._claimed:
            claimed: list[dict[str, SqlValue]] = [
                {"workspace_key": workspace, "event_key": key} for workspace, key in sorted(self._claimed)
            ]
            yield _SQL["claim_event_keys"].bind(keys=Rows(claimed))
        kinds = {(workspace, is_alone) for (workspace, _), is_alone in self._added.items()}
        if len(kinds) == 1:
            ((workspace, is_alone),) = kinds
            keys = sorted(key for _, key in self._added)
            yield _SQL["add_keys_of_one"].bind(workspace_key=workspace, event_keys=keys, is_alone=is_alone)
        elif kinds:
            added: list[dict[str, SqlValue]] = [
                {"workspace_key": workspace, "event_key": key, "is_alone": is_alone}
                for (workspace, key), is_alone in sorted(self._added.items())
            ]
            yield _SQL["add_event_keys"].bind(keys=Rows(added))
