"""Random histories of three systems, the CRM, Mautic's mute state and Mailchimp, with faults between.

A person who left on any side gets mail from none of them, we subscribe nobody again, and profiles end equal.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from crm_relay.platform.database import Database
from crm_relay.providers.connectors.failures import ReconnectNeeded
from local.simulators.mailchimp import MailchimpSimulator, SimulatedMember
from tests.support.connections.mailchimp_sync_stage import MailchimpSync
from tests.support.platform.rows import one, rows_of

COLUMNS = {"first_name": "FNAME", "last_name": "LNAME", "company_name": "COMPANY"}
FAULTS = ("500", "500_after", "lost", "truncated", "429", "403_bare", "503", "html")


@dataclass
class ThreeSystems:
    """`out`: whose addresses left on some side; `people_out`: the contacts and members who had them then."""

    stage: MailchimpSync
    dice: random.Random
    contacts: dict[str, UUID] = field(default_factory=dict)
    out: set[str] = field(default_factory=set)
    people_out: set[str] = field(default_factory=set)
    moves: int = 0
    deleted: set[str] = field(default_factory=set)
    log: list[str] = field(default_factory=list)

    def step(self) -> None:
        self.stage.pass_time(self.dice.choice((5, 200)))
        acts = (
            self.add_here,
            self.add_there,
            self.edit_here,
            self.edit_there,
            self.leave_here,
            self.leave_mautic,
            self.leave_there,
            self.bounce_there,
            self.archive_there,
            self.move_here,
            self.move_there,
            self.hold,
            self.sync,
            self.sync,
        )
        self.dice.choice(acts)()

    def add_here(self) -> None:
        address = f"here{len(self.contacts)}@x.example"
        self.contacts[address] = self.stage.contact(address, first_name=f"v{self.dice.randrange(9)}")
        self.customer(address)
        self.log.append(f"add here {address}")

    def add_there(self) -> None:
        address = f"there{len(self.stage.people.audience.members)}@x.example"
        self.stage.sim.add(self.stage.people.audience, address, LNAME=f"v{self.dice.randrange(9)}")
        self.customer(address)
        self.log.append(f"add there {address}")

    def customer(self, address: str) -> None:
        """One who is in Mautic as well."""
        customer = one(self.stage.db, "insert into customer_profiles (first_name) values ('Ada') returning id")["id"]
        rows_of(
            self.stage.db,
            "insert into customer_emails (customer_id, email, is_primary) values (:id, :address, true)",
            id=customer,
            address=address,
        )

    def edit_here(self) -> None:
        known = self.stage.contacts()
        if known:
            address = self.dice.choice(sorted(known))
            self.stage.change(
                known[address]["id"], **{self.dice.choice(sorted(COLUMNS)): f"h{self.dice.randrange(99)}"}
            )
            self.log.append(f"edit here {address}")

    def edit_there(self) -> None:
        if member := self.member():
            self.stage.sim.edit(
                self.stage.people.audience,
                member,
                **{self.dice.choice(sorted(COLUMNS.values())): f"t{self.dice.random()}"},
            )
            self.log.append(f"edit there {member.address}")

    def leave_here(self) -> None:
        known = sorted({*self.stage.contacts(), *self.stage.members()})
        if known:
            address = self.dice.choice(known)
            self.stage.opt_out(address)
            self.leaves(address, "here")

    def leave_mautic(self) -> None:
        """As the webhook of Mautic writes it down."""
        customers = rows_of(
            self.stage.db,
            "select email from customer_emails order by email",
        )
        if customers:
            address = self.dice.choice(customers)["email"]
            rows_of(
                self.stage.db,
                """update customer_profiles set do_not_contact = true
                   where id = (select customer_id from customer_emails where email = :address)""",
                address=address,
            )
            self.leaves(address, "mautic")

    def leave_there(self) -> None:
        if member := self.member():
            self.stage.sim.unsubscribe(self.stage.people.audience, member)
            self.leaves(member.address, "there")

    def bounce_there(self) -> None:
        if member := self.member():
            self.stage.sim.clean(self.stage.people.audience, member)
            self.leaves(member.address, "bounce there")

    def archive_there(self) -> None:
        if (member := self.member()) and self.dice.random() < 0.5:
            self.stage.sim.archive(self.stage.people.audience, member)
            self.deleted.add(member.address)
            self.log.append(f"archive there {member.address}")

    def move_here(self) -> None:
        """To another address; who left leaves with that one too."""
        known = self.stage.contacts()
        if known:
            contact = known[self.dice.choice(sorted(known))]
            self.stage.change(contact["id"], email=self.next_address())
            self.log.append(f"move here {contact['email']} to moved{self.moves}")

    def move_there(self) -> None:
        if member := self.member():
            before = member.address
            self.stage.sim.move(self.stage.people.audience, member, self.next_address())
            self.log.append(f"move there {before} to moved{self.moves}")

    def next_address(self) -> str:
        self.moves += 1
        return f"moved{self.moves}@x.example"

    def hold(self) -> None:
        """Somebody has to look at the rest first: who left is known all the same."""
        rows_of(self.stage.db, "update integration_connections set held_for = 'confirmation', next_sync_at = now()")
        self.stage.run()
        self.log.append("hold")

    def leaves(self, address: str, side: str) -> None:
        self.out.add(address)
        contact = self.stage.contacts().get(address)
        self.people_out |= {str(contact["id"])} if contact else set()
        member = self.stage.people.audience.find(address)
        # Of one who opts out here nobody knows which member they are, before any sync has seen both.
        if member is not None and (side.endswith("there") or self.is_linked(member)):
            self.people_out.add(member.contact_id)
        self.log.append(f"leave {side} {address}")

    def is_linked(self, member: SimulatedMember) -> bool:
        """With a contact who has the address that the member has now."""
        found = rows_of(
            self.stage.db,
            """select from integration_records record join contacts person on person.id = record.our_id
               where record.their_id = :member and lower(person.email) = lower(:address)""",
            member=member.contact_id,
            address=member.address,
        )
        return bool(found)

    def member(self) -> SimulatedMember | None:
        found = [each for each in self.stage.people.audience.members.values() if each.status == "subscribed"]
        return self.dice.choice(found) if found else None

    def sync(self) -> None:
        fault = self.dice.choice((*FAULTS, None, None, None, None))
        if fault is not None:
            self.stage.sim.fault(fault, match="/", skip=self.dice.randrange(6))
        self.log.append(f"sync with {fault}")
        self.once()
        self.stage.sim.faults.clear()
        self.assert_nobody_came_back()

    def once(self) -> bool:
        rows_of(self.stage.db, "update integration_connections set held_for = null, status = 'active'")
        try:
            return self.stage.sync(complete=self.dice.random() < 0.2).success
        except ReconnectNeeded:
            return False

    def assert_nobody_came_back(self) -> None:
        """Nobody who left there is written to there again, and nobody who is archived is taken back."""
        for member in self.stage.people.audience.members.values():
            if member.in_compliance:
                assert member.status in {"unsubscribed", "cleaned", "archived"}, (member.address, self.log)
            if member.address in self.deleted:
                assert member.status in {"archived", "transactional", "unsubscribed"}, (member.address, self.log)

    def settle(self) -> None:
        self.stage.sim.faults.clear()
        for _ in range(4):
            self.stage.pass_time(4000)
            self.once()
        self.stage.pass_time(4000)
        result = self.stage.sync(complete=True)
        assert result.success, (result, self.log)
        compared = self.stage.stream_of(result)["compared"]
        assert compared["is_equal"], (compared, self.log)

    def assert_strictest(self) -> None:
        """Everybody who left anywhere is muted here, at Mautic and there."""
        statuses = self.stage.members()
        for address in self.out:
            state = one(
                self.stage.db,
                "select suppressed_by from suppression(:org, 'email', :address)",
                org=self.stage.org,
                address=address,
            )
            assert state["suppressed_by"] is not None, (address, self.log)
            assert statuses.get(address) not in {"subscribed", "pending"}, (address, self.log)
        for member in self.stage.people.audience.members.values():
            if member.contact_id in self.people_out:
                assert member.status not in {"subscribed", "pending"}, (member.address, self.log)
        for address, contact in self.stage.contacts().items():
            if str(contact["id"]) in self.people_out:
                assert statuses.get(address) not in {"subscribed", "pending"}, (address, self.log)
        mailable = rows_of(
            self.stage.db,
            "select address from mautic_sync_source where address = any (cast(:out as text[])) and dnc_reason is null",
            out=sorted(self.out),
        )
        assert mailable == [], (mailable, self.log)

    def assert_equal(self) -> None:
        ours = self.stage.contacts()
        for member in self.stage.people.audience.members.values():
            if member.status in {"archived", "transactional"} or member.address in self.deleted:
                continue
            assert member.address in ours, (member.address, self.log)
            for column, tag in COLUMNS.items():
                held = (member.merges.get(tag) or None, ours[member.address][column])
                assert held[0] == held[1], (member.address, column, held, self.log)
        muted = {row["reason"] for row in self.stage.rejects()}
        assert all(reason.startswith("consent: ") for reason in muted), (muted, self.log)


@pytest.mark.parametrize(("start", "count"), [(0, 10), pytest.param(100, 60, marks=pytest.mark.slow)])
def test_consent_ends_as_the_strictest_and_profiles_end_equal(
    database_url: str, sim: MailchimpSimulator, start: int, count: int
) -> None:
    # A statement that waits on a busy machine is no lost connection.
    database = Database(database_url, timeout=120)
    for seed in range(start, start + count):
        for table in ("integration_connections", "contacts", "customer_emails", "customer_profiles"):
            rows_of(database, f"delete from {table}")
        rows_of(database, "truncate consent_events cascade")
        dice = random.Random(seed)
        systems = ThreeSystems(MailchimpSync(database, database_url, sim), dice)
        systems.stage.link()
        for _ in range(dice.randrange(8, 30)):
            systems.step()
        systems.settle()
        systems.assert_strictest()
        systems.assert_equal()
    database.close()
