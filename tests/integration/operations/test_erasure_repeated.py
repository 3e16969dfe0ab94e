"""An erasure that is not complete is repeated every night, and says by which command it is repeated at once."""

import json
from dataclasses import replace
from uuid import UUID

import pytest

from crm_relay.consent.grant import grant_consent
from crm_relay.operations.erase import ErasureScope, erase
from crm_relay.operations.repeat_erasures import KEPT_DAYS, Repeated, repeat_erasures
from crm_relay.platform.aws import queue
from tests.faults.conftest import aws, aws_environment
from tests.support.customers.mautic_harness import MauticHarness
from tests.support.edge_cache.edge_twin import EdgeTwin
from tests.support.operations.planted_person import ADA, Places, erasure
from tests.support.platform.rows import one, rows_of

__all__ = ["aws", "aws_environment"]

BROKEN = UUID(int=2)


@pytest.fixture
def places(aws_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Places:
    """An empty AWS, of one server that answers at once."""
    monkeypatch.setattr(queue, "_LOOK_SECONDS", 0)
    return Places.fresh(aws_environment)


@pytest.fixture
def scope(harness: MauticHarness, places: Places) -> ErasureScope:
    return replace(erasure(harness, places), edge=EdgeTwin())


def title(scope: ErasureScope) -> str:
    sql = "select title from incidents where kind = 'erasure_incomplete' and closed_at is null"
    return str(one(scope.run.db, sql)["title"])


def kept(scope: ErasureScope) -> int:
    return int(one(scope.run.db, "select count(*)::integer as count from unfinished_erasures")["count"])


def in_the_bucket(places: Places, body: bytes | None) -> None:
    """A file of the installation's own that an erasure finds and does not mend; None: it is gone."""
    s3, name = places.client("s3"), {"Bucket": places.deferred.bucket, "Key": "exports/2026.csv"}
    if body is None:
        s3.delete_object(**name)
    else:
        s3.put_object(**name, Body=body)


BODY = f"name,mail\nAda,{ADA.address}\n".encode()


def test_what_was_left_is_looked_for_every_night_and_nothing_of_the_person_is_kept_once_it_is_gone(
    scope: ErasureScope, places: Places
) -> None:
    in_the_bucket(places, BODY)
    assert erase(scope, ADA.address).left == {"bucket": 1}
    assert repeat_erasures(scope) == Repeated(incomplete=1)
    assert (kept(scope), "every night" in title(scope)) == (1, True)

    in_the_bucket(places, None)
    assert repeat_erasures(scope) == Repeated(complete=1)
    assert kept(scope) == 0
    assert rows_of(scope.run.db, "select from incidents where kind = 'erasure_incomplete' and closed_at is null") == []
    assert repeat_erasures(scope) == Repeated()


def test_a_complete_erasure_keeps_nobody(scope: ErasureScope) -> None:
    assert erase(scope, ADA.address).is_complete
    assert kept(scope) == 0


def test_an_erasure_that_dies_is_done_at_night(
    harness: MauticHarness, scope: ErasureScope, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer = harness.customer(ADA.address)

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("crm_relay.operations.erase.erase_events", dies)
        with pytest.raises(KeyboardInterrupt):
            erase(scope, ADA.address)
    assert kept(scope) == 1
    assert repeat_erasures(scope) == Repeated(complete=1)
    assert rows_of(harness.db, "select from customer_profiles where id = :id", id=customer) == []


def test_a_night_knows_what_the_first_try_knew(harness: MauticHarness, scope: ErasureScope, places: Places) -> None:
    """Another address of the person is found by nothing once the customer is gone."""
    customer, other = harness.customer(ADA.address), "second@x.example"
    rows_of(harness.db, "insert into customer_emails (customer_id, email) values (:id, :a)", id=customer, a=other)
    in_the_bucket(places, f"name,mail\nAda,{other}\n".encode())
    assert not erase(scope, ADA.address).is_complete
    assert repeat_erasures(scope) == Repeated(incomplete=1)
    assert not erase(scope, ADA.address).is_complete, "nor does the command forget it"
    in_the_bucket(places, None)
    assert repeat_erasures(scope) == Repeated(complete=1)


def test_one_erasure_that_fails_keeps_no_other_from_being_repeated(scope: ErasureScope, places: Places) -> None:
    in_the_bucket(places, BODY + b"Bo,bo@x.example\n")
    assert not erase(scope, "bo@x.example").is_complete
    assert not erase(scope, ADA.address).is_complete
    in_the_bucket(places, None)
    scope.run.db.run_script(
        """create function refuse() returns trigger language plpgsql as $$
           begin
               if new.subject @> array[erased_key('bo@x.example', (
                   select value from installation_settings where key = 'erasure_salt'))]
               then raise check_violation; end if;
               return new;
           end $$;
           create trigger refuse before insert on erasure_receipts for each row execute function refuse()"""
    )
    done = repeat_erasures(scope)
    assert (done.complete, done.failed) == (1, 1)


def test_nobody_is_kept_for_more_than_a_month_and_the_incident_stays(scope: ErasureScope, places: Places) -> None:
    in_the_bucket(places, BODY)
    erase(scope, ADA.address)
    older = "update unfinished_erasures set asked_at = asked_at - :days * interval '1 day'"
    rows_of(scope.run.db, older, days=KEPT_DAYS)
    repeated = repeat_erasures(scope)
    assert (repeated.given_up, kept(scope)) == (1, 0)
    assert title(scope)


def test_a_repetition_does_not_make_it_younger_and_an_operator_does(scope: ErasureScope, places: Places) -> None:
    in_the_bucket(places, BODY)
    erase(scope, ADA.address)
    rows_of(scope.run.db, "update unfinished_erasures set asked_at = now() - interval '3 days'")
    before = one(scope.run.db, "select asked_at from unfinished_erasures")
    assert repeat_erasures(scope) == Repeated(incomplete=1)
    assert one(scope.run.db, "select asked_at from unfinished_erasures") == before
    erase(scope, ADA.address)
    assert one(scope.run.db, "select asked_at from unfinished_erasures")["asked_at"] > before["asked_at"]


def test_somebody_who_consents_again_is_not_erased_again(scope: ErasureScope, places: Places) -> None:
    in_the_bucket(places, BODY)
    erase(scope, ADA.address)
    grant_consent(scope.run.db, ADA.address, evidence="letter", granted_by="x", now=scope.run.now())
    assert repeat_erasures(scope) == Repeated()
    assert kept(scope) == 0


def test_while_the_customer_is_kept_the_incident_names_the_command_with_its_id(
    harness: MauticHarness, scope: ErasureScope
) -> None:
    customer = harness.customer(ADA.address)
    assert scope.edge is not None
    doc = json.dumps({"id": str(BROKEN), "to_email": ADA.address, "sent_at": "yesterday"})
    scope.edge.edit("emails", BROKEN, doc, edited_at=scope.run.now())
    assert not erase(scope, ADA.address).is_complete
    assert title(scope).endswith(f": crm-relay erase {customer}")
    assert erase(scope, title(scope).rpartition(" ")[2]).is_complete


def test_once_only_the_address_leads_to_the_person_the_incident_says_so_without_it(
    scope: ErasureScope, places: Places
) -> None:
    body = f"name,mail\nAda,{ADA.address}\n".encode()
    places.client("s3").put_object(Bucket=places.deferred.bucket, Key="exports/2026.csv", Body=body)
    assert erase(scope, ADA.address).left
    assert title(scope).endswith(": crm-relay erase ADDRESS, the one that was asked for")
    assert ADA.address.lower() not in title(scope).lower()
