"""A poll of sender accounts against the simulated EmailBison, with a clock that moves and a time that can be up."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from crm_relay.outreach.models import Polled
from crm_relay.outreach.polling.poll_accounts import AccountPoll
from crm_relay.outreach.polling.poll_workspaces import Round
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database, Queryable, Row
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.providers.bison.client import Bison
from local.simulators.bison import BisonSimulator, SimulatedWorkspace
from tests.support.platform.rows import rows_of

INSTANCE = "127.0.0.1"


@dataclass
class PollHarness:
    """`now` moves by a second with each look at it, so that no two readings are at the same time.

    Pauses are only written down; `after_pause` does what the time would have done.
    """

    db: Database
    sim: BisonSimulator
    now: datetime = datetime(2026, 11, 20, 12, tzinfo=UTC)
    paused: list[float] = field(default_factory=list)
    after_pause: Callable[[], None] = lambda: None

    def pause(self, seconds: float) -> None:
        self.paused.append(seconds)
        self.after_pause()

    def clock(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def bison(self, workspace: SimulatedWorkspace) -> Bison:
        return Bison(HttpClient(self.sim.url, timeout=(2, 5)), workspace.token, workspace.id)

    def poll(
        self,
        workspace: SimulatedWorkspace,
        *,
        db: Queryable | None = None,
        keep_lease: Callable[[], None] = lambda: None,
    ) -> Polled:
        """One run over a workspace with time enough."""
        return AccountPoll(
            db or self.db,
            self.bison(workspace),
            workspace.name,
            INSTANCE,
            self.clock,
            Deadline.after(600),
            keep_lease=keep_lease,
            pause=self.pause,
        ).run()

    def round(self, *workspaces: SimulatedWorkspace, deadline: Deadline | None = None) -> Round:
        """A round that has not begun."""
        return Round(
            self.db,
            {each.name: self.bison(each) for each in workspaces},
            {},
            INSTANCE,
            self.clock,
            deadline or Deadline.after(600),
        )

    def known(self, workspace: SimulatedWorkspace | None = None) -> dict[int, Row]:
        """What the table says of the accounts that are there, of one workspace or of all."""
        rows = rows_of(self.db, "select * from sender_emails_cache where removed_at is null order by sender_email_id")
        mine = [row for row in rows if workspace is None or row["workspace_name"] == workspace.name]
        found = {row["sender_email_id"]: row for row in mine}
        assert len(found) == len(mine)
        return found

    def there(self, workspace: SimulatedWorkspace) -> set[int]:
        """The accounts that EmailBison has."""
        return {account.id for account in self.sim.accounts_of(workspace)}

    def incidents(self, kind: str) -> list[Row]:
        """Those that are open."""
        return rows_of(
            self.db, "select * from incidents where kind = :kind and closed_at is null order by subject", kind=kind
        )

    def plant(self, *workspaces: SimulatedWorkspace) -> None:
        """Their rows in `workspaces`."""
        for each in workspaces:
            rows_of(
                self.db,
                """insert into workspaces (org_id, name, bison_workspace_id, bison_instance_url)
                   values (default_org_id(), :name, :number, :url) on conflict (name) do nothing""",
                name=each.name,
                number=each.id,
                url=self.sim.url,
            )
