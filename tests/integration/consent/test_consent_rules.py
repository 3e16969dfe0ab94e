"""What the ledger refuses, what it keeps, and which of two events of one moment counts."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from crm_relay.consent.erase import block_return
from crm_relay.consent.grant import grant_consent
from crm_relay.consent.models import ConsentEvent, ConsentKind
from crm_relay.consent.person import Person
from crm_relay.consent.record import RecordedEvents, record_events
from crm_relay.consent.why import history
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput
from tests.support.platform.rows import add_customer, one, rows_of

ADA = "ada@example.com"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OTHER_ORG = UUID("00000000-0000-4000-8000-000000000002")
AT_SUPPRESSION = """select suppressed_by
    from suppression(coalesce(cast(:org as uuid), default_org_id()), 'email', :address)"""


def opt_out(address: str = ADA, at: datetime = NOW, **more: object) -> ConsentEvent:
    return ConsentEvent(ConsentKind.OPT_OUT, address, "crm", at, **more)  # type: ignore[arg-type]


def consent(address: str = ADA, at: datetime = NOW, **more: object) -> ConsentEvent:
    return ConsentEvent(ConsentKind.CONSENT, address, "crm", at, evidence="form 7", **more)  # type: ignore[arg-type]


def suppressed_by(database: Database, address: str = ADA, org: UUID | None = None) -> str | None:
    word: str | None = one(database, AT_SUPPRESSION, org=org, address=address)["suppressed_by"]
    return word


def dnc_reason(database: Database, customer: UUID) -> int | None:
    row = one(database, "select dnc_reason from mautic_sync_source where customer_id = :id", id=customer)
    reason: int | None = row["dnc_reason"]
    return reason


def stamp(database: Database, customer: UUID) -> datetime | None:
    row = one(database, "select opted_out_at from customer_profiles where id = :id", id=customer)
    at: datetime | None = row["opted_out_at"]
    return at


def test_a_consent_of_a_year_to_come_is_refused(database: Database) -> None:
    with pytest.raises(RejectedInput, match="consent_events_not_in_future"):
        record_events(database, [consent(at=datetime(2062, 1, 1, tzinfo=UTC))])
    assert history(database, ADA) == []


def test_a_grant_by_a_clock_that_runs_ahead_counts_from_now(database: Database) -> None:
    grant_consent(database, ADA, evidence="x", granted_by="admin", now=datetime(2062, 1, 1, tzinfo=UTC))
    record_events(database, [opt_out(at=one(database, "select clock_timestamp() as at")["at"])])

    assert suppressed_by(database) == "opt_out"


def test_an_opt_out_that_a_fast_clock_dates_ahead_counts_from_now(database: Database) -> None:
    ahead = one(database, "select clock_timestamp() + interval '40 years' as at, clock_timestamp() as now")

    record_events(database, [opt_out(at=ahead["at"])])

    (entry,) = history(database, ADA)
    assert timedelta(0) <= entry.occurred_at - ahead["now"] < timedelta(minutes=1)
    assert suppressed_by(database) == "opt_out"


def test_a_clock_that_runs_minutes_ahead_is_tolerated(database: Database) -> None:
    at = one(database, "select clock_timestamp() + interval '4 minutes' as at")["at"]

    record_events(database, [consent(at=at)])

    assert history(database, ADA)[0].occurred_at == at


def test_a_consent_that_an_older_version_took_from_the_future_lifts_no_later_opt_out(database: Database) -> None:
    customer = add_customer(database, ADA)
    database.run_script(
        """alter table consent_events disable trigger check_consent_event;
           insert into consent_events (channel, address, kind, source, evidence, occurred_at, recorded_at)
           values ('email', 'ada@example.com', 'consent', 'import', 'form', '2062-01-01Z', '2026-01-01Z');
           alter table consent_events enable trigger check_consent_event"""
    )

    record_events(database, [opt_out()])

    assert suppressed_by(database) == "opt_out"
    assert one(database, "select suppressed_by from consent_state")["suppressed_by"] == "opt_out"
    row = one(
        database, "select dnc_reason, opted_out_at from mautic_sync_source join customer_profiles on id = customer_id"
    )
    assert (row["dnc_reason"], row["opted_out_at"]) == (1, NOW), customer


def test_one_id_of_a_source_may_name_a_consent_and_an_opt_out_in_two_organizations(database: Database) -> None:
    rows_of(database, "insert into organizations (id, name) values (:id, 'Other')", id=OTHER_ORG)
    events = [
        consent(source_event="form-7"),
        opt_out(at=NOW + timedelta(1), source_event="form-7"),
        opt_out(at=NOW + timedelta(1), source_event="form-7", org_id=OTHER_ORG),
    ]

    recorded = [record_events(database, [event]) for event in events]
    again = record_events(database, events)

    assert recorded == [RecordedEvents(new=1, known=0, unusable=0)] * 3
    assert again == RecordedEvents(new=0, known=3, unusable=0)
    assert (suppressed_by(database), suppressed_by(database, org=OTHER_ORG)) == ("opt_out", "opt_out")


@pytest.mark.parametrize("first", ["consent", "opt_out", "together"])
def test_an_opt_out_of_the_moment_of_a_consent_wins(database: Database, first: str) -> None:
    customer = add_customer(database, ADA)
    events = [consent(), opt_out()] if first == "consent" else [opt_out(), consent()]

    for batch in [events] if first == "together" else [[event] for event in events]:
        record_events(database, batch)

    assert suppressed_by(database) == "opt_out"
    assert one(database, "select suppressed_by from consent_state")["suppressed_by"] == "opt_out"
    assert (dnc_reason(database, customer), stamp(database, customer)) == (1, NOW)


def test_a_grant_of_the_moment_of_an_opt_out_lifts_nothing(database: Database) -> None:
    customer = add_customer(database, ADA)
    record_events(database, [opt_out()])

    grant_consent(database, ADA, evidence="form 7", granted_by="admin", now=NOW)

    assert suppressed_by(database) == "opt_out"
    assert (
        one(database, "select opted_out_at from customer_profiles where id = :id", id=customer)["opted_out_at"] == NOW
    )
    row = one(database, "select dnc_reason from mautic_sync_source where customer_id = :id", id=customer)
    assert row["dnc_reason"] == 1


def test_an_erasure_of_the_moment_of_a_consent_holds(database: Database) -> None:
    record_events(database, [consent()])
    block_return(database, Person(addresses=frozenset({ADA})), NOW)
    grant_consent(database, ADA, evidence="form 7", granted_by="admin", now=NOW)

    assert suppressed_by(database) == "erased"
    assert one(database, "select is_erased(null, 'email', :a) as it", a=ADA)["it"]


@pytest.mark.parametrize(
    "at", ["'infinity'", "'-infinity'", "'0044-03-15 00:00:00+00 BC'", "'10000-01-01 12:00:00+00'"]
)
def test_no_line_is_written_at_a_time_that_readers_cannot_hold(database: Database, at: str) -> None:
    database.run_script("alter table consent_events disable trigger check_consent_event")

    with pytest.raises(RejectedInput, match="consent_events_readable_time"):
        rows_of(
            database,
            """insert into consent_events (channel, address, kind, source, occurred_at)
               values ('email', :address, 'opt_out', 'x', cast(:at as timestamptz))""",
            address=ADA,
            at=at,
        )


@pytest.mark.parametrize(
    "address", ["ada@example.com.", " ADA@example.com ", "Ada <ada@example.com>", "ada\u200b@example.com"]
)
def test_the_ledger_finds_an_opt_out_by_every_way_of_writing_its_address(database: Database, address: str) -> None:
    record_events(database, [opt_out()])
    assert suppressed_by(database, address) == "opt_out"

    record_events(database, [opt_out(address.replace("ada", "bo").replace("Ada", "Bo").replace("ADA", "BO"))])
    assert suppressed_by(database, "bo@example.com") == "opt_out"


def test_an_address_that_sql_files_directly_gets_its_one_form(database: Database) -> None:
    rows_of(
        database,
        """insert into consent_events (channel, address, kind, source, occurred_at)
           values
               ('email', 'Ada@Example.com.', 'opt_out', 'x', :at),
               ('sms', '+49 (0)176 11111111', 'opt_out', 'x', :at)""",
        at=NOW,
    )
    rows = rows_of(database, "select address from consent_events order by id")
    assert [row["address"] for row in rows] == [ADA, "+4917611111111"]


def test_an_opt_out_of_texts_is_found_with_and_without_the_trunk_zero(database: Database) -> None:
    rows_of(
        database,
        """select record_consent_events(jsonb_build_array(jsonb_build_object(
               'channel', 'sms', 'address', '+49 (0)176 11111111', 'kind', 'opt_out', 'source', 'x', 'occurred_at', :at
           )))""",
        at=NOW.isoformat(),
    )
    for number in ("+4917611111111", "+49 (0)176 11111111", "+49176 1111-1111"):
        row = one(database, "select suppressed_by from suppression(default_org_id(), 'sms', :number)", number=number)
        assert row["suppressed_by"] == "opt_out", number


def test_a_long_list_costs_its_length_though_the_ledger_was_empty_when_plans_were_made(database: Database) -> None:
    database.run_script("vacuum analyze consent_events")

    def milliseconds(first: int, last: int) -> float:
        plan = rows_of(
            database,
            """explain (analyze) insert into consent_events (channel, address, kind, source, source_event, occurred_at)
               select 'email', 'n' || i || '@example.com', 'opt_out', 'list', i::text, now()
               from generate_series(:first, :last) as i""",
            first=first,
            last=last,
        )
        (line,) = (text for row in plan if "hide_erased_address" in (text := str(row["QUERY PLAN"])))
        return float(line.split("time=")[1].split()[0])

    milliseconds(1, 1)
    first_thousand = milliseconds(2, 1001)

    # Six times as many lines: about 6 times as long; 48 times, and seconds, where each line reads all those before it.
    assert milliseconds(1002, 7001) < max(20 * first_thousand, 700)
