"""How many requests it costs to keep an audience of Mailchimp equal to contacts."""

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.figures import Figure, Subject
from benchmarks.servers import Login, Servers
from local.simulators.mailchimp import MailchimpSimulator
from tests.support.connections.mailchimp_sync_stage import MailchimpSync

CONTACTS = 1_000


@dataclass(frozen=True)
class MailchimpCost:
    """`new`: of the first sync, that adds CONTACTS; `changed`: of one that changes them all; `idle`: of one that does
    nothing.
    """

    new: int
    changed: int
    idle: int


def measure_mailchimp(login: Login) -> MailchimpCost:
    """A batch is looked at twice before it is finished."""
    with MailchimpSimulator() as sim, login.as_owner() as owner:
        owner.run_script(
            f"""insert into contacts (email, first_name, last_name)
                select 'p' || n || '@x.example', 'Ada', 'Byron' from generate_series(1, {CONTACTS}) n"""
        )
        stage = MailchimpSync(owner, login.owner_url, sim)
        stage.link()
        new = _requests(stage)
        if len(stage.members()) != CONTACTS:
            raise RuntimeError("not every contact was added")
        for _ in range(2):
            # The echo of our own writes is read once.
            stage.pass_time()
            _requests(stage)
        owner.run_script("update contacts set first_name = 'Augusta', updated_at = clock_timestamp()")
        changed = _requests(stage)
        if {each.merges["FNAME"] for each in stage.people.audience.members.values()} != {"Augusta"}:
            raise RuntimeError("not every contact was changed")
        for _ in range(2):
            stage.pass_time()
            _requests(stage)
        stage.pass_time()
        return MailchimpCost(new, changed, _requests(stage))


def _requests(stage: MailchimpSync) -> int:
    before = stage.sim.calls
    result = stage.sync()
    if not result.success:
        raise RuntimeError(f"the sync failed: {result.errors}")
    return stage.sim.calls - before


def _measure(servers: Servers) -> Iterator[Figure]:
    with servers.database() as login:
        cost = measure_mailchimp(login)
    yield Figure("connections.requests_per_1000.mailchimp_new", cost.new, "requests, 500 new members in one", 1)
    yield Figure("connections.requests_per_1000.mailchimp_changed", cost.changed, "requests, one batch", 1)
    yield Figure("connections.mailchimp_idle_requests", cost.idle, "requests of a sync that finds nothing", 1)


SUBJECT = Subject(
    (
        "connections.requests_per_1000.mailchimp_new",
        "connections.requests_per_1000.mailchimp_changed",
        "connections.mailchimp_idle_requests",
    ),
    _measure,
)
