"""Whose an event is and what follows from it, cell by cell."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from crm_relay.consent.address import end_of_number, number_ends
from crm_relay.engagement.decisions import (
    MAX_BOUNCES,
    judge_bounces,
    judge_number,
    judge_opt_out,
    judge_owner,
    latest_bounce,
    stamped_by,
)
from crm_relay.engagement.models import AddressHolder, FiledEvent, NamedCustomer
from crm_relay.providers.mautic.events import MauticEvent

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
OUR_ORG, OTHER_ORG = None, UUID(int=99)


def customer(number: int, *, org_id: UUID | None = OUR_ORG, phones: Sequence[str] = ()) -> NamedCustomer:
    return NamedCustomer(UUID(int=number), org_id, phones)


def holder(number: int, *, day: int = 1, org_id: UUID | None = OUR_ORG) -> AddressHolder:
    return AddressHolder(UUID(int=1000 + number), UUID(int=number), org_id, NOON + timedelta(days=day))


# --- whose it is -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("is_named", "has_contact", "is_held", "whose", "reason"),
    [
        (True, True, True, 1, "the contact names the customer"),
        (True, True, False, 1, "the contact names the customer"),
        (True, False, True, 1, "the contact names the customer"),
        (True, False, False, 1, "the contact names the customer"),
        (False, True, True, 2, "the contact is or was the customer's"),
        (False, True, False, 2, "the contact is or was the customer's"),
        (False, False, True, 3, "the youngest customer with the address"),
        (False, False, False, None, "nobody here has the contact or the address"),
    ],
)
def test_the_id_comes_before_the_contact_and_the_contact_before_the_address(
    is_named: bool, has_contact: bool, is_held: bool, whose: int | None, reason: str
) -> None:
    verdict = judge_owner(
        customer(1) if is_named else None, customer(2) if has_contact else None, [holder(3)] if is_held else []
    )
    assert (verdict.owner and verdict.owner.customer_id) == (None if whose is None else UUID(int=whose))
    assert verdict.reason == reason


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1)])
def test_of_several_who_have_the_address_the_youngest_owns_it_and_at_one_moment_the_highest_id(
    order: tuple[int, ...],
) -> None:
    by_age = [holder(number, day=day) for number, day in zip(order, (1, 3, 2), strict=True)]
    verdict = judge_owner(None, None, by_age)
    assert verdict.owner == by_age[1]
    at_once = judge_owner(None, None, [holder(number) for number in order])
    assert at_once.owner is not None
    assert at_once.owner.customer_id == UUID(int=3)


# --- unsubscribes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("consented", "stamps"),
    [(None, True), (timedelta(seconds=-1), True), (timedelta(0), True), (timedelta(microseconds=1), False)],
)
def test_an_unsubscribe_stamps_unless_a_consent_has_followed_it(consented: timedelta | None, stamps: bool) -> None:
    verdict = judge_opt_out(NOON, None if consented is None else NOON + consented)
    assert verdict.stamps is stamps
    assert verdict.reason


def test_an_unsubscribe_stamps_its_owner_in_person_and_whoever_shares_the_address_in_the_organization() -> None:
    sharing = [holder(1), holder(2), holder(3, org_id=OTHER_ORG)]
    assert stamped_by(customer(1), sharing) == {UUID(int=1): True, UUID(int=2): False}
    assert stamped_by(customer(4), sharing) == {UUID(int=4): True, UUID(int=1): False, UUID(int=2): False}
    assert stamped_by(customer(4, org_id=OTHER_ORG), sharing) == {UUID(int=4): True, UUID(int=3): False}
    assert stamped_by(customer(4), []) == {UUID(int=4): True}


# --- bounces ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "more", "was_valid", "mutes", "is_news", "reason"),
    [
        (0, 1, True, False, False, f"1 of {MAX_BOUNCES} bounces"),
        (1, 1, True, False, False, f"2 of {MAX_BOUNCES} bounces"),
        (2, 1, True, True, True, "muted after 3 bounces"),
        (0, 3, True, True, True, "muted after 3 bounces"),
        (3, 1, False, True, False, "muted after 4 bounces"),
        # Found good again by somebody after it was muted.
        (3, 1, True, True, True, "muted after 4 bounces"),
        (0, 1, False, False, False, "muted as invalid, not by counted bounces"),
        (2, 1, False, True, False, "muted after 3 bounces"),
    ],
)
def test_the_third_bounce_mutes_an_address_and_is_news_where_it_was_valid(
    before: int, more: int, was_valid: bool, mutes: bool, is_news: bool, reason: str
) -> None:
    verdict = judge_bounces(before, more, was_valid=was_valid)
    assert (verdict.bounces, verdict.mutes, verdict.is_news) == (before + more, mutes, is_news)
    assert verdict.reason == reason


def test_the_latest_bounce_is_the_one_with_the_latest_time_and_then_the_highest_key() -> None:
    one, two = FiledEvent("a", "bounce", NOON), FiledEvent("b", "bounce", NOON)
    earlier, keyless = FiledEvent("z", "bounce", NOON - timedelta(seconds=1)), FiledEvent(None, "bounce", NOON)
    for events in ([one, two, earlier, keyless], [keyless, earlier, two, one]):
        assert latest_bounce(events) is two
    assert latest_bounce([keyless, earlier]) is keyless


# --- text messages ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "end", "phones", "numbers"),
    [
        ("+61400111222", None, ["+61400999999"], ["+61400111222"]),
        ("+61400111222", None, [], ["+61400111222"]),
        ("+61400111222", None, None, ["+61400111222"]),
        (None, "400111222", ["+61400999999", "+61 400 111 222"], ["+61400111222"]),
        (None, "400111222", ["+61400999999", "+49176111222", "0400 111 222"], ["+61400999999", "+49176111222"]),
        (None, None, ["+61400999999"], ["+61400999999"]),
        (None, "400111222", ["0400 111 222"], []),
        (None, "400111222", [], []),
        (None, "400111222", None, []),
    ],
)
def test_the_number_is_the_contacts_and_else_the_customers_that_ends_like_it_and_else_all_of_theirs(
    given: str | None, end: str | None, phones: list[str] | None, numbers: list[str]
) -> None:
    verdict = judge_number(given, end, None if phones is None else customer(1, phones=phones))
    assert list(verdict.numbers) == numbers
    assert verdict.reason


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("0400 111 222", "+61400111222"),
        ("07911 123456", "+447911123456"),
        ("8 912 345 67 89", "+79123456789"),
        ("06 30 123 4567", "+36301234567"),
        ("06 698 12345", "+3906 69812345"),
        ("(415) 555-0100", "+14155550100"),
        ("1-415-555-0100", "+14155550100"),
        ("0061 400 111 222", "+61400111222"),
        ("20 12 34 56", "+4520123456"),
        ("555-0100", "+14155550100"),
    ],
)
def test_a_number_ends_like_itself_without_its_country(written: str, number: str) -> None:
    international = number.replace(" ", "")
    assert end_of_number(written) in number_ends(international)
    assert international.endswith(end_of_number(written) or "-")


@pytest.mark.parametrize("written", ["", "12345", "0000000000", "mobile", "00012345"])
def test_too_few_digits_end_like_nobodys_number(written: str) -> None:
    assert end_of_number(written) is None


# --- how an event is filed -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "written", "filed"),
    [
        ("open", " Ada@EXAMPLE.com ", "ada@example.com"),
        ("open", "nobody", None),
        ("open", "", None),
        ("open", None, None),
        ("bounce", "ada@example.com", "ada@example.com"),
        ("sms_opt_out", "+61 400 111 222", "+61400111222"),
        ("sms_opt_out", "0400 111 222", None),
    ],
)
def test_an_event_is_filed_under_the_one_form_of_its_address_or_number(
    kind: str, written: str | None, filed: str | None
) -> None:
    event = MauticEvent("key", kind, NOON, {}, address=written)  # type: ignore[arg-type]
    assert FiledEvent.of(event).address == filed


def test_of_somebody_who_was_erased_only_that_something_happened_is_left() -> None:
    event = FiledEvent("key", "open", NOON, 88, UUID(int=1), "ada@example.com")
    assert event.without_person == FiledEvent("key", "open", NOON, is_erased=True)
