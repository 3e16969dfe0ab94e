"""What a delivery of Resend's says, event by event, and what of it is never kept."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crm_relay.platform.errors import RejectedInput
from crm_relay.providers.email_events import (
    ContactChanged,
    Event,
    InboundMail,
    MailEvent,
    SuppressionAdded,
    TopicChange,
    Unknown,
)
from crm_relay.providers.resend import webhook
from crm_relay.providers.resend.vocabulary import HOOK_EVENTS
from tests.support.mail.resend_events import (
    CREATED,
    EMAIL_ID,
    HAPPENED,
    MAIL_TYPES,
    MESSAGE_ID,
    NOW,
    RECIPIENT,
    bounced,
    contact_updated,
    encoded,
    envelope,
    mail_event,
    received,
    suppressed,
    suppression_added,
    topics_updated,
)

AT = datetime.fromisoformat(HAPPENED)


def parse(event: dict[str, Any]) -> Event:
    return webhook.parse(encoded(event), now=NOW)


def parse_mail(event: dict[str, Any]) -> MailEvent:
    parsed = parse(event)
    assert isinstance(parsed, MailEvent)
    return parsed


@pytest.mark.parametrize("event", MAIL_TYPES)
def test_every_event_of_a_mail_says_which_mail_and_when_it_happened(event: str) -> None:
    parsed = parse_mail(mail_event(event))
    assert parsed.kind == event.removeprefix("email.")
    assert (parsed.email_id, parsed.message_id, parsed.recipients) == (EMAIL_ID, MESSAGE_ID, (RECIPIENT,))
    assert parsed.tags == {"category": "confirm_email"}
    assert parsed.occurred_at == AT != datetime.fromisoformat(CREATED)


def test_a_webhook_of_ours_asks_for_what_is_handled_and_no_more() -> None:
    handled = [envelope(each, {"email_id": EMAIL_ID, "email": RECIPIENT}) for each in HOOK_EVENTS]
    assert not [each for each in handled if isinstance(parse(each), Unknown)]


BOUNCES = [
    ("Permanent", "permanent"),
    ("permanent", "permanent"),
    ("Transient", "transient"),
    ("Temporary", "transient"),
    ("Undetermined", "undetermined"),
    ("Cosmic", "undetermined"),
    (None, "undetermined"),
    (5, "undetermined"),
    (["Permanent"], "undetermined"),
]


@pytest.mark.parametrize(("given", "kind"), BOUNCES)
def test_only_a_permanent_bounce_is_one(given: Any, kind: str) -> None:
    parsed = parse_mail(bounced(given))
    assert (parsed.bounce_type, parsed.is_permanent_bounce) == (kind, kind == "permanent")


@pytest.mark.parametrize("event", [mail_event("email.bounced", bounce=None), mail_event("email.bounced", bounce=["x"])])
def test_a_bounce_that_says_nothing_of_itself_is_undetermined(event: dict[str, Any]) -> None:
    parsed = parse_mail(event)
    assert (parsed.bounce_type, parsed.reason, parsed.is_permanent_bounce) == ("undetermined", None, False)


@pytest.mark.parametrize(
    ("reason", "permanent", "complaint"),
    [
        ("previous_bounce", True, False),
        ("previous_complaint", False, True),
        (None, False, False),
        ("new", False, False),
    ],
)
def test_a_suppression_counts_as_what_it_was_made_for(reason: str | None, permanent: bool, complaint: bool) -> None:
    parsed = parse_mail(suppressed(reason))
    assert (parsed.kind, parsed.is_permanent_bounce, parsed.is_complaint) == ("suppressed", permanent, complaint)
    assert parsed.reason == "It is on the account-level suppression list."


@pytest.mark.parametrize("reason", ["previous_complaint", "previous_bounce"])
def test_a_reason_is_not_read_from_another_events_part(reason: str) -> None:
    parsed = parse_mail(mail_event("email.delivered", suppressed={"reason": reason}))
    assert (parsed.is_complaint, parsed.is_permanent_bounce, parsed.reason) == (False, False, None)
    assert parse_mail(mail_event("email.complained")).is_complaint


CODE = f"smtp; 550 5.1.1 <{RECIPIENT}>: User unknown"


@pytest.mark.parametrize("codes", [[CODE], CODE, [CODE, None, 7]])
def test_the_providers_words_are_kept_without_the_address(codes: Any) -> None:
    reason = parse_mail(bounced("Permanent", diagnosticCode=codes)).reason or ""
    assert reason.startswith("The mail to [address] was not accepted. | smtp; 550 5.1.1 <[address]>: User unknown")
    assert "rosa" not in reason


@pytest.mark.parametrize(
    "address",
    ["rosa@x.example", "rosa.o'neil+tag@x.example", '"Rosa" <rosa@x.example>', "rosa=x.example@bounce.acme.example"],
)
def test_no_form_of_an_address_is_kept(address: str) -> None:
    reason = (
        parse_mail(bounced("Permanent", message=f"550 {address}\r\n does not exist", diagnosticCode=None)).reason or ""
    )
    assert "@" not in reason
    assert "x.example" not in reason
    assert "\n" not in reason
    assert reason.endswith("does not exist")


def test_words_without_end_are_cut_and_cost_no_time() -> None:
    assert len(parse_mail(bounced("Permanent", message="x@" * 200_000)).reason or "") <= 500
    assert len(parse_mail(bounced("Permanent", message="word " * 200_000)).reason or "") == 500


def test_a_click_says_what_was_clicked_with_what_and_not_from_where() -> None:
    parsed = parse_mail(mail_event("email.clicked"))
    assert parsed.link == "https://www.example.com/offer?utm=1"
    assert parsed.user_agent == "Mozilla/5.0 (Macintosh) Safari/605.1.15"
    assert parsed.occurred_at == AT
    assert "122.115.53.11" not in repr(parsed)


def test_an_open_may_say_with_what() -> None:
    assert parse_mail(mail_event("email.opened")).user_agent is None
    older = {"ipAddress": "122.115.53.11", "timestamp": HAPPENED, "userAgent": "GoogleImageProxy"}
    parsed = parse_mail(mail_event("email.opened", open=older))
    assert (parsed.user_agent, parsed.link) == ("GoogleImageProxy", None)


@pytest.mark.parametrize(
    ("tags", "kept"),
    [
        ({"send": "s-1", "n": 7}, {"send": "s-1", "n": "7"}),
        ([{"name": "send", "value": "s-1"}, {"value": "x"}, "x"], {"send": "s-1"}),
        ([], {}),
        (None, {}),
        ("send", {}),
        ({"send": None, "x": ["y"]}, {}),
    ],
)
def test_tags_are_read_as_an_object_and_as_a_list(tags: Any, kept: dict[str, str]) -> None:
    assert parse_mail(mail_event("email.sent", tags=tags)).tags == kept


@pytest.mark.parametrize(
    ("to", "kept"),
    [
        (["Rosa <rosa@x.example>", "b@x.example"], ("rosa@x.example", "b@x.example")),
        ("rosa@x.example", ("rosa@x.example",)),
        ([None, 7, "nobody", "a" * 400 + "@x.example"], ()),
        (None, ()),
    ],
)
def test_recipients_are_bare_addresses(to: Any, kept: tuple[str, ...]) -> None:
    assert parse_mail(mail_event("email.sent", to=to)).recipients == kept


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("2026-11-22 10:15:30.000+00", datetime(2026, 11, 22, 10, 15, 30, tzinfo=UTC)),
        ("2026-11-22T12:15:30+02:00", datetime(2026, 11, 22, 10, 15, 30, tzinfo=UTC)),
        ("2026-11-22T10:15:30", datetime(2026, 11, 22, 10, 15, 30, tzinfo=UTC)),
        (None, NOW),
        ("yesterday", NOW),
        (1795390873, NOW),
        ("0001-01-01T00:00:00+14:00", NOW),
        ("1999-01-01T00:00:00Z", NOW),
        ((NOW + timedelta(days=2)).isoformat(), NOW),
    ],
)
def test_a_time_that_cannot_be_is_that_of_the_receipt(given: Any, read: datetime) -> None:
    parsed = parse(envelope("email.sent", {"email_id": EMAIL_ID}, created_at=given))
    assert isinstance(parsed, MailEvent)
    assert parsed.occurred_at == read


def test_a_mail_that_came_in_says_where_it_went() -> None:
    assert parse(received()) == InboundMail(
        email_id=EMAIL_ID,
        from_address=RECIPIENT,
        to=("reply+t0ken@in.acme.example",),
        subject="Re: Sending this example",
        message_id="<abc@customer.example>",
        received_at=datetime.fromisoformat(CREATED),
        also_to=("sales@acme.example", "forwarded@acme.example"),
    )
    bare = parse(received(created_at=None, subject=None, message_id=None, to=None, cc=None, received_for=None))
    assert bare == InboundMail(EMAIL_ID, RECIPIENT, (), None, None, AT, ())


@pytest.mark.parametrize(("given", "read"), [(True, True), (False, False), ("true", True), (1, True), ("maybe", None)])
def test_a_contact_may_want_nothing_any_more(given: Any, read: bool | None) -> None:
    assert parse(contact_updated(unsubscribed=given)) == ContactChanged(RECIPIENT, read, AT)


def test_a_contact_may_want_some_topics_only() -> None:
    changed = parse(topics_updated())
    assert isinstance(changed, ContactChanged)
    assert changed.unsubscribed is None
    assert changed.topics == (
        TopicChange("b6d24b8e-af0b-4c3c-be0c-359bbd97381e", True),
        TopicChange("07d84122-7224-4881-9c31-1c048e204602", False),
        TopicChange("17d84122-7224-4881-9c31-1c048e204602", None),
    )


@pytest.mark.parametrize("origin", ["bounce", "complaint", "manual", "new"])
def test_resend_may_suppress_an_address(origin: str) -> None:
    assert parse(suppression_added(origin)) == SuppressionAdded(RECIPIENT, origin, AT, EMAIL_ID)


@pytest.mark.parametrize(
    "event", ["contact.created", "domain.updated", "suppression.removed", "inbox.thread.created", "x"]
)
def test_any_other_event_is_unknown_whatever_it_holds(event: str) -> None:
    assert parse(envelope(event, {"email": RECIPIENT})) == Unknown(event)
    assert parse(envelope(event.upper(), [1])) == Unknown(event)


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (encoded(envelope("email.sent", {})), "data.email_id: missing"),
        (encoded(envelope("email.sent", None)), "data.email_id: missing"),
        (encoded(mail_event("email.sent", email_id={"rosa@x.example": 1})), "data.email_id: missing"),
        (encoded(received(email_id="")), "data.email_id: missing"),
        (encoded(contact_updated(email="rosa")), "data.email: missing"),
        (encoded(envelope("suppression.added", {})), "data.email: missing"),
        (b'{"data": {}}', "type: Field required"),
        (b'{"type": {"rosa@x.example": 1}, "data": {}}', "type: Input should be a valid string"),
        (b'{"type": " ", "data": {}}', "type: String should have at least 1 character"),
        (b"[]", None),
        (b"\xff", None),
        (b'{"type": "email.sent", "data": ' + b"[" * 5_000 + b"]" * 5_000 + b"}", None),
    ],
)
def test_what_cannot_be_read_is_refused_without_its_values(body: bytes, detail: str | None) -> None:
    with pytest.raises(RejectedInput) as refused:
        webhook.parse(body, now=NOW)
    assert refused.value.status == 400
    assert detail is None or detail in refused.value.details
    assert "rosa" not in repr(refused.value) + repr(refused.value.details)


def test_nothing_gets_in_that_no_database_can_hold() -> None:
    parsed = webhook.parse(
        b'{"type": "email.bounced", "data": {"email_id": "x", "bounce": {"message": "a\\u0000b\\ud800c"}}}', now=NOW
    )
    assert isinstance(parsed, MailEvent)
    assert (parsed.reason or "").encode()
    assert "\0" not in (parsed.reason or "")
