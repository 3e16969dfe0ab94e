"""Our client on a simulated audience: what it reads, what it refuses to send, and which answers it trusts."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterator
from typing import Any

import pytest

from crm_relay.platform.errors import FatalError, NoAnswer, RateLimited, ServerFailed
from crm_relay.platform.http.http_client import Answer, HttpClient
from crm_relay.providers.connectors.contract import OutgoingRecord, WriteRefused
from crm_relay.providers.connectors.failures import CursorLost, SchemaDrift, TimeUsedUp
from crm_relay.providers.mailchimp import API_URL, result_file
from crm_relay.providers.mailchimp.data_center import DataCenter
from crm_relay.providers.mailchimp.members.cursor import AudienceCursor
from crm_relay.providers.mailchimp.result_file import fetch_results
from local.simulators.mailchimp import MailchimpSimulator
from tests.support.connections.airtable_stage import TestAccess, by_address, read_all
from tests.support.connections.mailchimp_stage import MailchimpPeople


@pytest.fixture
def sim() -> Iterator[MailchimpSimulator]:
    with MailchimpSimulator() as running:
        yield running


def outgoing(letter: str, their_id: str | None = None, **fields: Any) -> OutgoingRecord:
    return OutgoingRecord(their_id, f"{letter}@x.example", {"email": f"{letter}@x.example", **fields})


# --- reading --------------------------------------------------------------------------------------------------------


def test_members_are_read_with_their_standing(sim: MailchimpSimulator) -> None:
    made = MailchimpPeople(sim)
    for letter, status in (("s", "subscribed"), ("p", "pending"), ("u", "unsubscribed"), ("c", "cleaned")):
        made.add(letter, status=status)
    made.add("t", status="transactional")
    made.add("a", status="archived")
    found = by_address(read_all(made.stream())[0])
    assert {address: each.standing for address, each in found.items()} == {
        "s@x.example": "subscribed",
        "p@x.example": "subscribed",
        "u@x.example": "unsubscribed",
        "c@x.example": "undeliverable",
        "t@x.example": "none",
        "a@x.example": "archived",
    }
    assert [each.is_removed for each in found.values()] == [False] * 5 + [True]


def test_nobody_is_passed_over_while_others_change(sim: MailchimpSimulator) -> None:
    made = MailchimpPeople(sim)
    members = []
    for number in range(2_100):
        members += made.add(f"p{number}")
        sim.advance(1)
    stream, seen = made.stream(), set[object]()
    page = stream.read(None)
    seen |= {each.fields["email"] for each in page.records}
    for member in members[:500]:
        sim.edit(made.audience, member, FNAME="Later")
    while not page.is_last:
        page = stream.read(page.cursor)
        seen |= {each.fields["email"] for each in page.records}
    assert seen == {each.address for each in members}


def test_many_who_changed_in_one_second_are_read_to_the_end(sim: MailchimpSimulator) -> None:
    made = MailchimpPeople(sim)
    at = sim.state.now().replace(microsecond=0)
    for member in made.add(*(f"p{number}" for number in range(2_500))):
        member.changed = at
    records, _ = read_all(made.stream())
    assert len({each.their_id for each in records}) == 2_500


def test_a_mapping_that_changed_begins_again(sim: MailchimpSimulator) -> None:
    made = MailchimpPeople(sim)
    cursor = made.stream().read(None).cursor
    fields = made.settings()["fields"]
    del fields["title"]
    with pytest.raises(CursorLost):
        made.stream(fields=fields).read(cursor)


def test_a_field_that_is_gone_is_named_and_leaves_addresses_and_standings(sim: MailchimpSimulator) -> None:
    made = MailchimpPeople(sim)
    made.add("a", status="unsubscribed")
    stream = made.stream()
    made.audience.fields.pop(0)
    (record,) = stream.read(None).records
    assert (record.fields, record.standing) == ({"email": "a@x.example"}, "unsubscribed")
    with pytest.raises(SchemaDrift, match="first_name: its field is gone"):
        stream.check()


def test_a_field_that_was_renamed_is_the_same(sim: MailchimpSimulator) -> None:
    made = MailchimpPeople(sim)
    (member,) = made.add("a", FNAME="Ada")
    stream = made.stream()
    member.merges["GIVEN"] = member.merges.pop("FNAME")
    made.audience.fields[0].tag = "GIVEN"
    (record,) = stream.read(None).records
    assert record.fields["first_name"] == "Ada"


# --- writing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "options", "value", "kept"),
    [
        ("text", {}, "é" * 127, "é" * 127),
        ("text", {}, "é" * 128, None),
        ("number", {}, "12.5", 12.5),
        ("number", {}, "a dozen", None),
        ("number", {}, "inf", None),
        ("phone", {"phone_format": "US"}, "+1 555 010 1234", "(555) 010-1234"),
        ("phone", {"phone_format": "US"}, "+44 20 7946 0000", None),
        ("phone", {"phone_format": "none"}, "+44 20 7946 0000", "+44 20 7946 0000"),
        ("date", {}, "2026-11-30T10:00:00+00:00", "2026-11-30"),
        ("date", {}, "soon", None),
        ("birthday", {}, "2/29", "02/29"),
        ("birthday", {}, "13/01", None),
        ("zip", {}, "90210", "90210"),
        ("zip", {}, "SW1A", None),
        ("url", {}, "https://example.com/x", "https://example.com/x"),
        ("imageurl", {}, "example", None),
        ("dropdown", {"choices": ["Red"]}, "Red", "Red"),
        ("radio", {"choices": ["Red"]}, "Blue", None),
    ],
)
def test_what_mailchimp_would_cut_or_refuse_is_refused_by_name(
    sim: MailchimpSimulator, kind: str, options: dict[str, Any], value: str, kept: object
) -> None:
    made = MailchimpPeople(sim, {"TITLE": kind})
    made.audience.fields[0].options = options
    (member,) = made.add("a")
    outcomes = made.stream().write([outgoing("a", member.contact_id, title=value), outgoing("new", title=value)])
    if kept is None:
        reasons = [each.reason for each in outcomes if isinstance(each, WriteRefused)]
        assert len(reasons) == 2
        assert all(reason.startswith("title: ") and value not in reason for reason in reasons)
        assert len(made.audience.members) == 1
    else:
        assert {each.merges["TITLE"] for each in made.audience.members.values()} == {kept}


def test_one_refused_member_costs_no_other_and_is_never_quoted(sim: MailchimpSimulator) -> None:
    made = MailchimpPeople(sim)
    (gone,) = made.add("gone")
    sim.delete(made.audience, gone)
    outcomes = made.stream().write([outgoing("gone"), outgoing("fine"), OutgoingRecord(None, "x", {"email": "x"})])
    refused = [each.reason for each in outcomes if isinstance(each, WriteRefused)]
    assert refused == [
        "email: the person was deleted for good in Mailchimp, and can return only by their own will",
        "email: Mailchimp takes the address for a made-up one",
    ]
    assert next(iter(made.audience.members.values())).address == "fine@x.example"


def test_who_is_a_member_already_is_changed_and_stays_as_they_are(sim: MailchimpSimulator) -> None:
    made = MailchimpPeople(sim)
    (member,) = made.add("a", status="unsubscribed")
    (outcome,) = made.stream().write([outgoing("a", first_name="Ada")])
    assert (outcome.their_id, outcome.is_new) == (member.contact_id, False)  # type: ignore[union-attr]
    assert (member.status, member.merges["FNAME"]) == ("unsubscribed", "Ada")


def test_a_change_of_an_archived_member_subscribes_nobody(sim: MailchimpSimulator) -> None:
    made = MailchimpPeople(sim)
    (member,) = made.add("a", status="archived")
    made.stream().write([outgoing("a", member.contact_id, first_name="Ada")])
    assert member.status == "transactional"


def test_a_batch_that_another_run_left_is_waited_for_first(sim: MailchimpSimulator) -> None:
    made = MailchimpPeople(sim)
    (member,) = made.add("a")
    sim.state.polls = 3
    sim.fault("hang", match="GET /3.0/batches/", seconds=0.01)
    with pytest.raises(NoAnswer):
        made.stream().write([outgoing("a", member.contact_id, first_name="Old")])
    assert "FNAME" not in member.merges
    made.stream().write([outgoing("a", member.contact_id, first_name="New")])
    assert member.merges["FNAME"] == "New"


def test_a_batch_that_never_ends_ends_the_run_and_not_the_connection(sim: MailchimpSimulator) -> None:
    made = MailchimpPeople(sim)
    (member,) = made.add("a")
    sim.state.polls = 100
    with pytest.raises(TimeUsedUp):
        made.stream().write([outgoing("a", member.contact_id, first_name="Ada")])


# --- what it trusts -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["429", "403_bare"])
def test_pace_slows_everybody_down(sim: MailchimpSimulator, kind: str) -> None:
    made = MailchimpPeople(sim)
    sim.fault(kind)
    with pytest.raises(RateLimited):
        made.stream().read(None)
    assert made.access.slowed_down == [20.0]


@pytest.mark.parametrize("token", ["key-us1.evil.example", "key-evil", "key-us19/", "key-u1", "key-us19@x"])
def test_a_data_centre_that_is_none_is_asked_for_and_never_called(sim: MailchimpSimulator, token: str) -> None:
    sim.state.tokens.add(token)
    http = HttpClient(API_URL, timeout=(1, 1), repeats=0)
    client = DataCenter(http, TestAccess([token]), sim.url).client()
    assert client.http.base_url == "https://us19.api.mailchimp.com"
    sim.state.center = "us1.evil.example"
    with pytest.raises(FatalError, match="data centre"):
        DataCenter(http, TestAccess([token]), sim.url).client()


def test_a_key_names_its_data_centre_and_a_token_is_asked_about_once(sim: MailchimpSimulator) -> None:
    http = HttpClient(API_URL, timeout=(1, 1), repeats=0)
    center = DataCenter(http, TestAccess(["0123-us7"]))
    assert center.client().http.base_url == "https://us7.api.mailchimp.com"
    token = sim.token()
    first = DataCenter(http, TestAccess([token]), sim.url)
    first.client()
    known = first.known
    assert known is not None
    second = DataCenter(http, TestAccess([token]), sim.url)
    second.remember(*known)
    second.client()
    assert sim.requests["GET /oauth2/metadata"] == 1
    another = DataCenter(http, TestAccess([sim.token()]), sim.url)
    another.remember(*known)
    another.client()
    assert sim.requests["GET /oauth2/metadata"] == 2


def test_a_cursor_keeps_where_the_api_is_and_nothing_of_the_token(sim: MailchimpSimulator) -> None:
    made = MailchimpPeople(sim)
    cursor = made.stream().read(None).cursor
    assert "us19" in cursor
    assert made.access.tokens[0].partition("-")[0] not in cursor
    assert AudienceCursor().text() == '{"complete":true}'


@pytest.mark.parametrize(
    "address",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://mailchimp-api-batch.s3.amazonaws.com/x.tar.gz",
        "https://evil.example/x.amazonaws.com",
        "https://amazonaws.com.evil.example/x",
        "https://user@s3.amazonaws.com/x",
        "https://s3.amazonaws.com:8443/x",
        "file:///etc/passwd",
        "",
    ],
)
def test_results_are_fetched_from_mailchimps_own_places_alone(address: str) -> None:
    http = HttpClient("https://us1.api.mailchimp.com", timeout=(0.1, 0.1), repeats=0)
    with pytest.raises(ServerFailed, match="not one of its own"):
        fetch_results(http, address)
    assert http.requests_sent == 0


class _Canned(HttpClient):
    """Answers every request with the same bytes."""

    content = b""

    def send(self, method: str, path: str, **more: Any) -> Answer:
        del method, path, more
        return Answer(200, self.content)


def _packed(name: str, content: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(packed.getvalue())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html></html>",
        gzip.compress(b"no archive"),
        _packed("a.json", b"[")[:-20],
        _packed("a.json", b"not json"),
        _packed("a.json", b'[{"status_code": "x"}]'),
        gzip.compress(b"\0" * (result_file._MOST_UNPACKED + 1)),
    ],
    ids=["nothing", "page", "no archive", "cut off", "no json", "other form", "too large"],
)
def test_a_file_of_results_that_is_none_is_an_unclear_outcome(content: bytes) -> None:
    http = _Canned("http://127.0.0.1:9")
    http.content = content
    with pytest.raises(ServerFailed):
        fetch_results(http, "http://127.0.0.1:9/x.tar.gz")


def test_a_file_of_results_that_is_too_large_is_not_read_to_its_end(
    sim: MailchimpSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = MailchimpPeople(sim)
    (member,) = made.add("a")
    monkeypatch.setattr(result_file, "_MOST_DOWNLOADED", 10)
    with pytest.raises(ServerFailed, match="more than 10 bytes"):
        made.stream().write([outgoing("a", member.contact_id, first_name="Ada")])
