"""How many requests it costs to keep an audience of Mailchimp equal to contacts."""

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.connectors import CONTACTS, add_contacts, requests_of_a_sync
from benchmarks.figures import Figure, Subject
from benchmarks.servers import Login, Servers
from local.simulators.mailchimp import MailchimpSimulator
from tests.support.connections.mailchimp_sync_stage import MailchimpSync


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
        add_contacts(owner)
        stage = MailchimpSync(owner, login.owner_url, sim)
        stage.link()
        new = requests_of_a_sync(stage)
        if len(stage.members()) != CONTACTS:
            raise RuntimeError("not every contact was added")
        for _ in range(2):
            # The echo of our own writes is read once.
            stage.pass_time()
            requests_of_a_sync(stage)
        owner.run_script("update contacts set first_name = 'Augusta', updated_at = clock_timestamp()")
        changed = requests_of_a_sync(stage)
        if {each.merges["FNAME"] for each in stage.people.audience.members.values()} != {"Augusta"}:
            raise RuntimeError("not every contact was changed")
        for _ in range(2):
            stage.pass_time()
            requests_of_a_sync(stage)
        stage.pass_time()
        return MailchimpCost(new, changed, requests_of_a_sync(stage))


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
