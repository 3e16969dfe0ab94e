"""What single views of the page ask the API for: numbers of the tables, pages without a gap, and nobody's secrets."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from admin_api import wiring
from crm_relay.incidents.store import claim_alerts
from crm_relay.operations.access.sign_in import SignIn, make_link
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.http.callers import Role
from crm_relay.platform.http.refusals import MOST_REFUSALS
from tests.support.operations.admin_function import ADMIN, AdminFunction, admin_function
from tests.support.operations.board import plant_board
from tests.support.platform.rows import add_customer, one, rows_of

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, database: Database, database_url: str) -> Iterator[AdminFunction]:
    yield admin_function(monkeypatch, database, database_url)
    wiring.installation.forget()


def mail_at(database: Database, at: str, status: str = "delivered") -> None:
    rows_of(
        database,
        """insert into email_sends (org_id, send_key, status, queued_at)
           values (default_org_id(), gen_random_uuid()::text, :status, :at)""",
        at=at,
        status=status,
    )


def test_only_the_parts_that_were_asked_for_are_read(api: AdminFunction) -> None:
    some = api.call("GET", "/api/dashboard", query={"parts": "runs,incidents"}).body
    read = {name for name in some if some[name] is not None}
    assert read == {"caller", "role", "checked_at", "outstanding", "sending_stops", "mail_mode", "runs", "incidents"}
    none = api.call("GET", "/api/dashboard", query={"parts": ""}).body
    assert (none["runs"], none["outstanding"]["incidents"]) == (None, 0)
    assert api.call("GET", "/api/dashboard", query={"parts": "runs,x"}).status == 422


def test_activity_counts_a_mail_in_the_day_of_the_readers_zone(api: AdminFunction) -> None:
    now = utc_now()
    evening = (now - timedelta(days=2)).replace(hour=23, minute=30, second=0, microsecond=0)
    mail_at(api.database, evening.isoformat())
    mail_at(api.database, evening.isoformat(), "suppressed")
    for zone, day in (("UTC", evening.date()), ("Europe/Athens", (evening + timedelta(hours=3)).date())):
        found = api.call("GET", "/api/activity", query={"days": "7", "zone": zone}).body
        place = found["buckets"].index(day.isoformat())
        assert (found["mails"]["delivered"][place], found["mails"]["left_out"][place]) == (1, 1), zone
        assert sum(found["mails"]["delivered"]) == 1
        assert len(found["buckets"]) == 7


def test_activity_of_a_day_is_by_the_hour_and_adds_up_to_the_table(api: AdminFunction) -> None:
    plant_board(api.database, utc_now())
    for days in ("1", "7", "30", "90"):
        found = api.call("GET", "/api/activity", query={"days": days, "zone": "America/New_York"}).body
        assert len(found["buckets"]) == {"1": 24}.get(days, int(days))
    mails = rows_of(api.database, "select status, count(*) as number from email_sends group by 1 order by 1")
    counted = {"bounced": sum(found["mails"]["bounced"]), "delivered": sum(found["mails"]["delivered"])}
    assert counted == {row["status"]: row["number"] for row in mails}
    opens = one(api.database, "select count(*) as n from email_logs where event_type = 'opened' and verdict = 'human'")
    assert sum(found["events"]["opened"]) == opens["n"] > 0


def test_a_zone_that_is_none_is_refused(api: AdminFunction) -> None:
    assert api.call("GET", "/api/activity", query={"zone": "Mars/Base"}).status == 422


def test_pages_of_a_campaigns_people_have_everybody_once(api: AdminFunction) -> None:
    plant_board(api.database, utc_now())
    campaign = one(api.database, "select id from campaigns where name = 'Spring launch'")["id"]
    seen: list[str] = []
    after: dict[str, str] = {}
    while page := api.call("GET", f"/api/campaigns/{campaign}/people", query={"limit": "7", **after}).body:
        seen += [each["id"] for each in page]
        after = {"after": page[-1]["id"]}
    wanted = rows_of(api.database, "select id from campaign_enrollments where campaign_id = :id", id=campaign)
    assert sorted(seen) == sorted(str(row["id"]) for row in wanted)
    replied = api.call("GET", f"/api/campaigns/{campaign}/people", query={"status": "replied", "limit": "50"}).body
    assert {each["status"] for each in replied} == {"replied"}
    assert len(replied) == 5


def test_people_are_found_by_the_beginning_of_an_address_or_a_name(api: AdminFunction) -> None:
    rows_of(
        api.database,
        """insert into contacts (email, first_name, last_name) values
           ('Ada.One@Example.com', 'Ada', 'Lovelace'), ('a%a@example.com', 'Per', 'Cent'),
           ('bob@example.com', 'Bob', 'Adams')""",
    )
    add_customer(api.database, "ada.one@example.com")

    def found(text: str) -> list[Any]:
        return [each["address"] for each in api.call("GET", "/api/people", query={"q": text}).body]

    assert found("ADA.") == ["ada.one@example.com"]
    assert found("ada") == ["ada.one@example.com", "bob@example.com"]
    assert found("a%") == ["a%a@example.com"], "a sign of a pattern is a letter like any other"
    assert found("lovelace") == ["ada.one@example.com"]
    (ada,) = api.call("GET", "/api/people", query={"q": "ada.one"}).body
    assert ada["kinds"] == ["contact", "customer"]


def test_a_preview_has_the_contacts_values_and_sends_nothing(api: AdminFunction) -> None:
    plant_board(api.database, utc_now())
    campaign = one(api.database, "select id from campaigns where name = 'Spring launch'")["id"]
    before = one(api.database, "select count(*) as n from email_sends")["n"]
    found = api.call("POST", f"/api/campaigns/{campaign}/preview", body={"who": "Reader7@example.com"}).body
    first, second = found["steps"]
    assert (first["step_number"], first["subject"], first["text"]) == (1, "A new season, Reader", "Hello")
    assert second["step_number"] == 3
    assert one(api.database, "select count(*) as n from email_sends")["n"] == before
    assert api.call("POST", f"/api/campaigns/{campaign}/preview", body={"who": "no@example.com"}).status == 404


def test_a_preview_knows_no_contact_of_another_organization(api: AdminFunction) -> None:
    plant_board(api.database, utc_now())
    campaign = one(api.database, "select id from campaigns where name = 'Spring launch'")["id"]
    rows_of(
        api.database,
        """with other as (insert into organizations (name) values ('Other') returning id)
           insert into contacts (email, first_name, org_id) select 'eve@example.com', 'Eve', id from other""",
    )
    assert api.call("POST", f"/api/campaigns/{campaign}/preview", body={"who": "eve@example.com"}).status == 404


def test_a_mail_is_shown_without_what_opens_its_links(api: AdminFunction) -> None:
    plant_board(api.database, utc_now())
    rows_of(
        api.database,
        """update email_sends set unsubscribe_token = 'secret-token-of-a-link', reply_token = 'replytoken',
               payload = '{"from": "a@example.com", "text": "leave: https://x/unsubscribe/secret-token-of-a-link"}'
           where id = (select min(id::text)::uuid from email_sends)""",
    )
    kept, gone = rows_of(api.database, "select id from email_sends order by id::text limit 2")
    shown = api.call("GET", f"/api/mails/{kept['id']}")
    assert "secret-token-of-a-link" not in shown.text
    assert shown.body["text"] == "leave: https://x/unsubscribe/…"
    other = api.call("GET", f"/api/mails/{gone['id']}").body
    assert (other["text"], other["text_now"]) == (None, "Hello")
    assert {each["kind"] for each in other["events"]} <= {"delivered", "bounced", "opened", "clicked"}
    assert other["events"]


def test_settings_in_force_are_shown_without_a_secret(api: AdminFunction, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = api.call("GET", "/api/settings")
    rows = {each["name"]: each for each in shown.body}
    assert ADMIN not in shown.text
    assert (rows["ADMIN_TOKEN"]["is_secret"], rows["ADMIN_TOKEN"]["is_set"], rows["ADMIN_TOKEN"]["value"]) == (
        True,
        True,
        None,
    )
    assert rows["EDGE_CACHE_TABLE"]["value"] == "edge"
    assert rows["DATABASE_URL"]["value"] is None
    assert (rows["SEND_MODE"]["value"], rows["SEND_MODE"]["is_default"]) == ("dry-run", True)
    assert api.call("GET", "/api/settings", token=api.token("reader", Role.READ)).status == 403


def incident(database: Database, kind: str = "sending_quota") -> int:
    return int(
        one(
            database,
            "insert into incidents (kind, subject, title, opened_at) values (:kind, 'x', 'No room', :now) returning id",
            kind=kind,
            now=NOW,
        )["id"]
    )


def test_an_incident_is_put_off_and_comes_back_by_itself(api: AdminFunction) -> None:
    number = incident(api.database)
    assert api.call("GET", "/api/dashboard", query={"parts": ""}).body["outstanding"]["incidents"] == 1
    done = api.call("POST", f"/api/incidents/{number}/snooze", token=api.token("ida", Role.OPERATE), body={"hours": 8})
    assert (done.body["changed"], done.body["snoozed_by"]) == (True, "ida")
    standing = api.call("GET", "/api/dashboard", query={"parts": ""}).body["outstanding"]
    assert (standing["incidents"], standing["snoozed"]) == (0, 1)
    until = datetime.fromisoformat(done.body["snoozed_until"])
    assert claimed(api.database, until - timedelta(seconds=1)) == []
    assert claimed(api.database, until) == [number]


def test_an_incident_counts_again_and_one_that_is_over_stays_over(api: AdminFunction) -> None:
    number = incident(api.database)
    api.call("POST", f"/api/incidents/{number}/snooze", body={"hours": 8})
    assert api.call("POST", f"/api/incidents/{number}/snooze", body={"hours": 0}).body["snoozed_until"] is None
    api.call("POST", f"/api/incidents/{number}/close")
    assert api.call("POST", f"/api/incidents/{number}/snooze", body={"hours": 8}).body["changed"] is False
    assert one(api.database, "select snoozed_until from incidents")["snoozed_until"] is None
    assert api.call("POST", "/api/incidents/999/snooze", body={"hours": 1}).status == 404
    assert api.call("POST", f"/api/incidents/{number}/snooze", body={"hours": 169}).status == 422


def test_incidents_are_paged_with_what_mends_them(api: AdminFunction) -> None:
    for place in range(5):
        incident(api.database, ["sending_quota", "email_unknown", "integrity_drift", "unheard_of", "sms_rest"][place])
    newest = api.call("GET", "/api/incidents", query={"limit": "2"}).body
    older = api.call("GET", "/api/incidents", query={"limit": "9", "before": str(newest[-1]["id"])}).body
    assert [each["id"] for each in [*newest, *older]] == sorted(
        (each["id"] for each in [*newest, *older]), reverse=True
    )
    assert len(newest) + len(older) == 5
    mends = {each["kind"]: each["mend"]["command"] for each in [*newest, *older]}
    assert mends["email_unknown"] == "crm-relay campaign unknown list"
    assert mends["integrity_drift"] == "crm-relay integrity check --fix"
    assert mends["unheard_of"] == "crm-relay doctor"


def claimed(database: Database, now: datetime) -> list[int]:
    """As the alerts of one run are claimed."""
    until, quiet = now + timedelta(minutes=1), now - timedelta(minutes=15)
    return [each.id for each in claim_alerts(database, now, claimed_until=until, quiet_since=quiet, limit=10)]


def test_a_link_signs_in_once_and_is_kept_as_a_hash(api: AdminFunction) -> None:
    link = make_link(api.database, Role.OPERATE, utc_now(), minutes=10, created_by="operator")
    assert link.address("https://relay.example/") == f"https://relay.example/dashboard#/sign-in/{link.code}"
    made = api.call("POST", "/api/session", token=None, body={"code": link.code})
    assert (made.status, made.body["role"]) == (201, "operate")
    assert api.call("GET", "/api/runs", token=made.body["token"]).status == 200
    assert api.call("GET", "/api/tokens", token=made.body["token"]).status == 403
    again = api.call("POST", "/api/session", token=None, body={"code": link.code})
    assert (again.status, again.body["error"]) == (401, "this link was used before, or is too old: ask for another one")
    stored = json.dumps(
        [rows_of(api.database, "select * from sign_in_links"), rows_of(api.database, "select * from api_tokens")],
        default=str,
    )
    assert link.code not in stored
    assert made.body["token"] not in stored


def test_of_many_who_come_with_one_link_one_gets_in(database: Database, database_url: str) -> None:
    link = make_link(database, Role.READ, NOW, minutes=10, created_by="operator")
    names: list[str] = []
    refused: list[int] = []
    begin = threading.Barrier(8)

    def come() -> None:
        own = Database(database_url)
        begin.wait()
        try:
            names.append(SignIn(own).exchange(link.code, NOW).name)
        except RejectedInput as error:
            refused.append(error.status)
        own.close()

    threads = [threading.Thread(target=come) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert (len(names), refused) == (1, [401] * 7)
    assert len(rows_of(database, "select name from api_tokens")) == 1


def test_a_link_ends_after_its_minutes(database: Database) -> None:
    link = make_link(database, Role.READ, NOW, minutes=10, created_by="operator")
    with pytest.raises(RejectedInput, match="too old"):
        SignIn(database).exchange(link.code, NOW + timedelta(minutes=10))
    assert SignIn(database).exchange(link.code, NOW + timedelta(minutes=9, seconds=59)).role == "read"


def test_a_colleague_who_left_signs_in_by_no_link(database: Database) -> None:
    user = one(
        database,
        "insert into user_profiles (email, name, is_active) values ('ida@example.com', 'Ida', true) returning id",
    )["id"]
    link = make_link(database, Role.READ, NOW, minutes=10, created_by="operator", user="ida@example.com")
    rows_of(database, "update user_profiles set is_active = false where id = :id", id=user)
    with pytest.raises(RejectedInput, match="used before"):
        SignIn(database).exchange(link.code, NOW)


def test_what_a_colleague_who_left_was_given_opens_nothing(api: AdminFunction) -> None:
    user = one(
        api.database,
        "insert into user_profiles (email, name, is_active) values ('ida@example.com', 'Ida', true) returning id",
    )["id"]
    link = make_link(api.database, Role.OPERATE, utc_now(), minutes=10, created_by="operator", user="ida@example.com")
    session = SignIn(api.database).exchange(link.code, utc_now()).token
    given = [api.token("ida", Role.ADMIN, user="ida@example.com"), session]
    assert [api.call("GET", "/api/settings", token=token).status for token in given] == [200, 200]
    rows_of(api.database, "update user_profiles set is_active = false where id = :id", id=user)
    assert [api.call("GET", "/api/settings", token=token).status for token in given] == [401, 401]
    assert api.call("GET", "/api/settings", token=api.token("nobodys", Role.OPERATE)).status == 200


def test_wrong_links_use_up_a_budget_and_a_good_one_gives_its_share_back(database: Database) -> None:
    door = SignIn(database)
    for _ in range(MOST_REFUSALS * 2):
        link = make_link(database, Role.READ, NOW, minutes=10, created_by="operator")
        assert door.exchange(link.code, NOW).role == "read"
    for number in range(MOST_REFUSALS):
        with pytest.raises(RejectedInput, match="used before"):
            door.exchange(f"{number:043d}", NOW)
    with pytest.raises(RejectedInput, match="too many"):
        door.exchange("x" * 43, NOW)
    late = make_link(database, Role.READ, NOW, minutes=10, created_by="operator")
    assert door.exchange(late.code, NOW + timedelta(minutes=1)).role == "read"


def test_the_root_leads_to_the_page_and_the_description_can_be_read(api: AdminFunction) -> None:
    root = api.call("GET", "/", token=None)
    assert (root.status, root.headers["location"]) == (302, "/dashboard")
    page = api.call("GET", "/dashboard/api.html", token=None)
    assert page.status == 200
    assert "<script" not in page.text
    described = json.loads(api.call("GET", "/api/openapi.json", token=None).text)["paths"]
    for path, methods in described.items():
        for method in methods:
            assert f"<code>{method.upper()} {path}</code>" in page.text
