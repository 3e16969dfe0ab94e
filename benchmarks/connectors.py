"""What a sync of any connector costs: the requests that its service was asked."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from crm_relay.platform.database import Database

CONTACTS = 1_000


class _Asked(Protocol):
    @property
    def calls(self) -> int:
        """All requests."""


class _Result(Protocol):
    @property
    def success(self) -> bool:
        """Whether the sync did all that it had to."""

    @property
    def errors(self) -> Sequence[object] | Mapping[str, object]:
        """What went wrong."""


class SyncStage(Protocol):
    """An account, and its connection."""

    @property
    def sim(self) -> _Asked:
        """The service."""

    def sync(self) -> _Result:
        """One run."""


def add_contacts(owner: Database) -> None:
    owner.run_script(
        f"""insert into contacts (email, first_name, last_name)
            select 'p' || n || '@x.example', 'Ada', 'Byron' from generate_series(1, {CONTACTS}) n"""
    )


def requests_of_a_sync(stage: SyncStage) -> int:
    """Raises RuntimeError for one that fails."""
    before = stage.sim.calls
    result = stage.sync()
    if not result.success:
        raise RuntimeError(f"the sync failed: {result.errors}")
    return stage.sim.calls - before
