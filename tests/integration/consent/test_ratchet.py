"""The ratchet of consent is in Python for the gate and in SQL for reads of whole lists: drawn ledgers compare both."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from crm_relay.consent.decisions import (
    CLOCK_TOLERANCE,
    SEEN_BY_THE_INSTALLATION,
    ConsentFact,
    dead_address,
    suppression_of,
)
from crm_relay.consent.models import ConsentKind
from crm_relay.platform.database import Database
from crm_relay.platform.sql import Rows
from tests.support.platform.rows import one, rows_of

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LEDGERS = 250
SOURCES = (SEEN_BY_THE_INSTALLATION, "bison", "mautic", "import")
EVENTS = """
    insert into consent_events (org_id, channel, address, kind, source, evidence, occurred_at, recorded_at)
    select
        event.org_id, event.channel,
        case when event.is_hashed then erased_key(event.address, (
            select value from installation_settings where key = 'erasure_salt'
        )) else event.address end,
        event.kind, event.source, 'x', event.occurred_at, event.recorded_at
    from :events as event (
        org_id uuid, channel text, address text, kind text, source text, is_hashed boolean, occurred_at timestamptz,
        recorded_at timestamptz
    )"""
STAMPS = """
    insert into contact_opt_outs (contact_id, channel, opted_out_at)
    select contact_id, channel, opted_out_at
    from :stamps as stamp (contact_id uuid, channel text, opted_out_at timestamptz)"""
CUSTOMERS = """
    with made as (
        insert into customer_profiles (id, org_id, do_not_contact, opted_out_at)
        select id, org_id, do_not_contact, opted_out_at
        from :customers as person (
            id uuid, org_id uuid, do_not_contact boolean, opted_out_at timestamptz, channel text, address text,
            is_valid boolean
        )
        returning id
    ),
    mails as (
        insert into customer_emails (customer_id, email, is_valid)
        select made.id, person.address, person.is_valid
        from :customers as person (
            id uuid, org_id uuid, do_not_contact boolean, opted_out_at timestamptz, channel text, address text,
            is_valid boolean
        )
        join made on made.id = person.id
        where person.channel = 'email'
    )
    insert into customer_phones (customer_id, phone_e164)
    select made.id, person.address
    from :customers as person (
        id uuid, org_id uuid, do_not_contact boolean, opted_out_at timestamptz, channel text, address text,
        is_valid boolean
    )
    join made on made.id = person.id
    where person.channel = 'sms'"""
WAITING = """
    insert into waiting_opt_outs (channel, source, source_event, occurred_at, address, number_end, customer_id)
    select 'sms', 'drawn', event, occurred_at, address, number_end, customer_id
    from :waiting as waiting (event text, occurred_at timestamptz, address text, number_end text, customer_id uuid)"""
BY_SQL = """
    select
        asked.place,
        (
            select suppressed_by
            from recipient_suppression(asked.org_id, asked.channel, asked.address, asked.contact_id)
        ) as of_anybody,
        case
            when ledger.suppressed_by <> 'opt_out' then ledger.suppressed_by
            when exists (
                select
                from consent_events event
                where event.channel = asked.channel and event.kind = 'hard_bounce'
                    and (event.org_id = asked.org_id or holds_everywhere(event.kind, event.source))
                    and event.address in (asked.address, erased_key(asked.address, (
                        select value from installation_settings where key = 'erasure_salt'
                    )))
                    and consent_effective_at(event.occurred_at, event.recorded_at)
                        >= coalesce(ledger.consented_at, '-infinity')
            ) then 'hard_bounce'
        end as of_colleagues
    from :asked as asked (place integer, org_id uuid, channel text, address text, contact_id uuid)
    cross join lateral suppression(asked.org_id, asked.channel, asked.address) ledger
    order by asked.place"""


@dataclass
class DrawnLedgers:
    """People of two organizations with whatever may be known of them, many at once."""

    chance: random.Random
    orgs: Sequence[UUID]
    asked: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    stamps: list[dict[str, Any]] = field(default_factory=list)
    customers: list[dict[str, Any]] = field(default_factory=list)
    waiting: list[dict[str, Any]] = field(default_factory=list)

    def draw(self, number: int) -> None:
        """One person, with an address of one channel."""
        channel = self.chance.choice(["email", "sms"])
        address = f"p{number}@example.com" if channel == "email" else f"+4420{number:07d}"
        contact = uuid4()
        mark = {"channel": channel, "address": address}
        self.events += [self._event(mark) for _ in range(self.chance.choice([0, 1, 1, 2, 3, 5]))]
        if self.chance.random() < 0.3:
            self.stamps.append({"contact_id": contact, "channel": channel, "opted_out_at": self._time()})
        customers = [self._customer(mark) for _ in range(self.chance.choice([0, 0, 1, 2]))]
        self.customers += customers
        if channel == "sms" and self.chance.random() < 0.3:
            self.waiting.append(self._waiting(address, customers))
        self.asked += [
            {"place": len(self.orgs) * number + place, "org_id": org, "contact_id": contact, **mark}
            for place, org in enumerate(self.orgs)
        ]

    def _time(self) -> datetime:
        """Few different ones, so that many fall together."""
        return NOW + timedelta(minutes=self.chance.choice([0, 1, 4, 5, 6, 10]))

    def _event(self, mark: dict[str, str]) -> dict[str, Any]:
        kind = self.chance.choice([*ConsentKind, ConsentKind.CONSENT]).value
        is_hashed = kind != "consent" and self.chance.random() < 0.2
        times = {"occurred_at": self._time(), "recorded_at": self._time()}
        drawn = {"org_id": self.chance.choice(self.orgs), "kind": kind, "source": self.chance.choice(SOURCES)}
        return drawn | {"is_hashed": is_hashed, **times, **mark}

    def _customer(self, mark: dict[str, str]) -> dict[str, Any]:
        return {
            "id": uuid4(),
            "org_id": self.chance.choice([None, *self.orgs]),
            "do_not_contact": self.chance.choice([None, False, False, True]),
            "opted_out_at": self.chance.choice([None, None, self._time()]),
            "is_valid": self.chance.choice([None, True, True, False]),
            **mark,
        }

    def _waiting(self, address: str, customers: Sequence[dict[str, Any]]) -> dict[str, Any]:
        named = self.chance.choice(["address", "number_end", *["customer_id" for _ in customers]])
        words = {"address": address, "number_end": address[-self.chance.choice([7, 9]) :]}
        words["customer_id"] = customers[0]["id"] if customers else ""
        columns = dict.fromkeys(words) | {named: words[named]}
        return {"event": str(uuid4()), "occurred_at": self._time(), **columns}

    def keep(self, database: Database) -> None:
        """As rows that no trigger completes: both have to agree on every state, not only on those of our writes."""
        tables = ("consent_events", "contact_opt_outs", "customer_profiles", "customer_emails", "customer_phones")
        database.run_script("".join(f"alter table {table} disable trigger all;" for table in tables))
        for text, rows in (
            (EVENTS, {"events": Rows(self.events)}),
            (STAMPS, {"stamps": Rows(self.stamps)}),
            (CUSTOMERS, {"customers": Rows(self.customers)}),
            (WAITING, {"waiting": Rows(self.waiting)}),
        ):
            rows_of(database, text, **rows)


@pytest.fixture
def drawn(database: Database) -> DrawnLedgers:
    mine = UUID(str(one(database, "select default_org_id() as id")["id"]))
    other = UUID(str(one(database, "insert into organizations (name) values ('Other') returning id")["id"]))
    ledgers = DrawnLedgers(random.Random(11), (mine, other))
    for number in range(LEDGERS):
        ledgers.draw(number)
    ledgers.keep(database)
    return ledgers


def facts_of(database: Database, asked: Sequence[dict[str, Any]], channel: str) -> list[dict[str, Any]]:
    theirs = [each for each in asked if each["channel"] == channel]
    return rows_of(
        database,
        "select * from consent_facts(:channel, cast(:addresses as text[]), cast(:contacts as uuid[]))",
        channel=channel,
        addresses=sorted({each["address"] for each in theirs}),
        contacts=list({each["contact_id"] for each in theirs}),
    )


def test_python_and_sql_agree_on_who_may_be_written_to(database: Database, drawn: DrawnLedgers) -> None:
    by_sql = rows_of(database, BY_SQL, asked=Rows(drawn.asked))
    facts = [fact for channel in ("email", "sms") for fact in facts_of(database, drawn.asked, channel)]

    for asked, row in zip(drawn.asked, by_sql, strict=True):
        theirs = [
            ConsentFact.of(fact)
            for fact in facts
            if fact["address"] == asked["address"] or fact["contact_id"] == asked["contact_id"]
        ]
        assert suppression_of(asked["org_id"], theirs) == row["of_anybody"], (asked, theirs)
        assert dead_address(asked["org_id"], theirs) == row["of_colleagues"], (asked, theirs)
    words = {row["of_anybody"] for row in by_sql}
    assert words == {None, "erased", "complaint", "opt_out", "hard_bounce"}, "every word has to come about"


def test_both_know_the_same_tolerance(database: Database) -> None:
    assert one(database, "select consent_clock_tolerance() as tolerance")["tolerance"] == CLOCK_TOLERANCE


def test_a_time_without_an_end_is_one_that_python_can_hold(database: Database) -> None:
    person = uuid4()
    database.run_script("alter table contact_opt_outs disable trigger all")
    rows_of(
        database,
        "insert into contact_opt_outs (contact_id, channel, opted_out_at) values (:id, 'email', 'infinity')",
        id=person,
    )

    (row,) = rows_of(database, "select * from consent_facts('email', '{}', array[cast(:id as uuid)])", id=person)

    assert suppression_of(uuid4(), [ConsentFact.of(row)]) == "opt_out"
