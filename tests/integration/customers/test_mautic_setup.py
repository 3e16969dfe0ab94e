"""crm-relay mautic setup as an operator calls it, against a simulated Mautic and a webhook behind real HTTP."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import app
from cli.mautic import setup as mautic_setup
from crm_relay.customers.field_map import CUSTOM_FIELDS, SEGMENT_NAMES
from crm_relay.platform.database import Database
from crm_relay.providers.mautic.configuration import HOOK_NAME
from crm_relay.providers.mautic.vocabulary import HOOK_EVENTS
from local.aws.edge import Edge
from local.demo.agreement import disagreements
from local.demo.sample_data import insert_customers
from local.simulators.mautic import MauticSimulator
from local.simulators.mautic.contacts.fields import create_field
from local.simulators.mautic.webhooks import hooks
from local.template.template import SamTemplate
from tests.conftest import ROOT
from tests.support.customers.mautic_harness import CLIENT, MauticHarness
from tests.support.customers.mautic_webhook_function import configure

SECRET = "first-secret-of-16"
PROOF_TABLES = ("customer_email_engagement", "consent_events", "mautic_former_contacts", "mautic_dirty")


@dataclass
class Operator:
    """Somebody with a terminal: `mautic` is what they set up, `base_url` where the functions answer."""

    mautic: MauticSimulator
    database: Database
    base_url: str

    @property
    def hook_url(self) -> str:
        return f"{self.base_url}/webhooks/mautic"

    def run(self, *options: str, typed: str = "") -> tuple[int, str]:
        done = CliRunner().invoke(app, ["mautic", "setup", *options], input=typed, env={"COLUMNS": "250"})
        assert SECRET not in done.output
        return done.exit_code, done.output

    def json(self, *options: str, code: int = 0) -> dict[str, Any]:
        found, output = self.run("--json", *options)
        answer = result_in(output)
        assert (found, answer["good"]) == (code, code == 0), answer
        return answer

    def writes(self) -> list[str]:
        made = [each for each in self.mautic.requests if each.method != "GET" and "/oauth/" not in each.path]
        return [f"{each.method} {each.path}" for each in made]

    def hook(self) -> Any:
        (hook,) = self.mautic.mautic.hooks.values()
        return hook


@pytest.fixture
def operator(monkeypatch: pytest.MonkeyPatch, database: Database, database_url: str) -> Iterator[Operator]:
    """An empty Mautic, an empty CRM, and the webhook function listening."""
    configure(monkeypatch, database_url, MAUTIC_WEBHOOK_SECRET=f"{SECRET},older-secret-of-16")
    edge = Edge(SamTemplate.read(ROOT / "template.yaml"))
    edge.start()
    with MauticSimulator(client_id=CLIENT[0], client_secret=CLIENT[1], prepared=False) as mautic:
        given = {"MAUTIC_URL": mautic.url, "MAUTIC_CLIENT_ID": CLIENT[0], "MAUTIC_CLIENT_SECRET": CLIENT[1]}
        for name, value in (given | {"PUBLIC_URL": edge.base_url}).items():
            monkeypatch.setenv(name, value)
        yield Operator(mautic, database, edge.base_url)
    edge.stop()


def result_in(output: str) -> dict[str, Any]:
    """The command's own JSON, which alone has lines: the webhook's log comes out of the same process here."""
    answer: dict[str, Any] = json.JSONDecoder().raw_decode(output[output.index("{\n") :])[0]
    return answer


def rows(database: Database, table: str) -> int:
    return int(MauticHarness(database, MauticSimulator()).sql(f"select count(*) as found from {table}")[0]["found"])


def whats(steps: list[dict[str, str]]) -> set[str]:
    return {step["what"] for step in steps}


def test_an_empty_mautic_is_set_up_and_a_test_event_arrives(operator: Operator) -> None:
    answer = operator.json()

    assert len(answer["done"]) == len(CUSTOM_FIELDS) + len(SEGMENT_NAMES) + 1
    assert answer["to_do"] == []
    assert answer["test_event"]["arrived"]
    custom = {each.alias: each for each in operator.mautic.mautic.fields.values() if each.by_api}
    assert {alias: each.type for alias, each in custom.items()} == {each.alias: each.kind for each in CUSTOM_FIELDS}
    assert [alias for alias, each in custom.items() if each.unique] == ["supabase_id"]
    assert custom["total_spent"].scale == 2
    assert {each.name for each in operator.mautic.mautic.segments.values()} == set(SEGMENT_NAMES.values())
    hook = operator.hook()
    assert (hook.url, hook.secret, hook.triggers, hook.published) == (
        operator.hook_url,
        SECRET,
        list(HOOK_EVENTS),
        True,
    )
    assert hook.modified is not None, "one that was never edited is switched off at its first failure"


def test_the_test_event_leaves_no_contact_and_no_trace_but_the_raw_delivery(operator: Operator) -> None:
    operator.json()

    assert operator.mautic.contacts == {}
    assert {table: rows(operator.database, table) for table in PROOF_TABLES} == dict.fromkeys(PROOF_TABLES, 0)
    assert rows(operator.database, "webhook_inbox") == 2, "the opt-out and the deletion"


def test_a_second_run_writes_nothing(operator: Operator) -> None:
    operator.json("--no-test")
    operator.mautic.forget_requests()

    answer = operator.json("--no-test")

    assert operator.writes() == []
    assert (answer["done"], answer["to_do"]) == ([], [])


def test_a_dry_run_writes_nothing_and_says_what_it_would_do(operator: Operator) -> None:
    answer = operator.json("--dry-run", code=1)

    assert operator.writes() == []
    assert len(answer["to_do"]) == len(CUSTOM_FIELDS) + len(SEGMENT_NAMES) + 1
    assert (answer["done"], answer["test_event"]) == ([], None)
    operator.json("--no-test")
    assert operator.json("--dry-run")["to_do"] == []


def test_a_sync_after_setup_ends_in_agreement(operator: Operator) -> None:
    operator.json("--no-test")
    insert_customers(operator.database, 300)
    harness = MauticHarness(operator.database, operator.mautic)

    harness.sync()

    assert disagreements(operator.database, operator.mautic) == []
    assert len(operator.mautic.contacts) > 200


def test_half_a_setup_is_completed_without_touching_what_is_there(operator: Operator) -> None:
    create_field(operator.mautic.mautic, {"label": "Id", "alias": "supabase_id", "type": "text"})
    choices = [{"label": "Top", "value": "vip"}, {"label": "At risk", "value": "at_risk"}]
    segment = {"label": "Kind", "alias": "customer_segment", "type": "select", "properties": {"list": choices}}
    create_field(operator.mautic.mautic, segment)
    create_field(operator.mautic.mautic, {"label": "Spent", "alias": "total_spent", "type": "number"})
    kept = operator.mautic.segment("VIP Customers", published=False)

    answer = operator.json()

    fields = operator.mautic.mautic.fields
    assert fields["supabase_id"].unique
    assert fields["customer_segment"].properties["list"][:2] == choices
    assert fields["customer_segment"].choices.keys() == {"vip", "at_risk", "regular", "new", "inactive"}
    assert (fields["customer_segment"].label, fields["total_spent"].scale) == ("Kind", 2)
    assert kept.published
    assert len(answer["done"]) == len(CUSTOM_FIELDS) + len(SEGMENT_NAMES) + 1


def test_a_field_of_another_type_stays_and_is_named(operator: Operator) -> None:
    create_field(operator.mautic.mautic, {"label": "Since", "alias": "customer_since", "type": "text"})

    answer = operator.json(code=1)

    assert whats(answer["to_do"]) == {"field customer_since"}
    assert operator.mautic.mautic.fields["customer_since"].type == "text"
    assert answer["test_event"]["arrived"]


def test_a_text_that_is_too_short_is_found_by_writing_one(operator: Operator) -> None:
    for alias in ("supabase_id", "last_event_name"):
        field = {"label": alias, "alias": alias, "type": "text", "charLengthLimit": 20}
        create_field(operator.mautic.mautic, field)

    answer = operator.json(code=1)

    assert whats(answer["to_do"]) == {"field supabase_id", "field last_event_name"}
    assert answer["test_event"]["arrived"], "the rest works all the same"
    assert operator.mautic.contacts == {}


def test_two_segments_of_one_name_are_named(operator: Operator) -> None:
    operator.mautic.segment("New Customers")
    operator.mautic.segment("New Customers")

    answer = operator.json("--no-test", code=1)

    assert whats(answer["to_do"]) == {"segment New Customers, used twice"}
    assert len(operator.mautic.mautic.segments) == 5


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "http://127.0.0.1:9/old"},
        {"triggers": ["mautic.email_on_click", "mautic.email_on_unsubscribe", "mautic.email_on_bounce"]},
        {"triggers": [*HOOK_EVENTS, "mautic.lead_post_save_update"]},
        {"published": False},
        {"secret": "older-secret-of-16", "modified": None},
    ],
)
def test_a_wrong_webhook_is_put_right_and_delivers(operator: Operator, wrong: dict[str, Any]) -> None:
    hook = operator.mautic.hook(operator.hook_url, SECRET, HOOK_EVENTS)
    hook.description, hook.order = "ours since 2024", "DESC"
    for name, value in wrong.items():
        setattr(hook, name, value)

    answer = operator.json()

    assert hook is operator.hook()
    assert (hook.url, hook.secret, set(hook.triggers), hook.published, hook.modified is None) == (
        operator.hook_url,
        SECRET,
        set(HOOK_EVENTS),
        True,
        False,
    )
    assert (hook.name, hook.order) == (HOOK_NAME, "DESC")
    assert answer["test_event"]["arrived"]
    assert answer["notes"] == [], "a user made it"


def test_a_webhook_made_by_api_without_our_secret_is_signed_anew(operator: Operator) -> None:
    made = {"name": "Somebody's", "webhookUrl": operator.hook_url, "triggers": ["mautic.email_on_open"]}
    hook = hooks.create(operator.mautic.mautic, made)

    answer = operator.json()

    assert (hook.secret, hook.name, hook.modified is None) == (SECRET, "Somebody's", False)
    assert whats(answer["notes"]) == {f"webhook {hook.id}, owner"}


def test_nothing_arrives_where_the_address_is_wrong_and_no_contact_is_left(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mautic_setup, "_TEST_SECONDS", 0.5)

    answer = operator.json("--url", f"{operator.base_url}/webhooks/nobody", code=1)

    assert whats(answer["to_do"]) == {"test event"}
    assert not answer["test_event"]["arrived"]
    assert operator.mautic.contacts == {}


@pytest.mark.parametrize("match", ["/batch/new", "/dnc/email/add", "/batch/delete"])
@pytest.mark.parametrize("kind", ["500_before", "500_after_partial", "drop"])
def test_no_contact_is_left_where_mautic_fails_on_the_way(operator: Operator, match: str, kind: str) -> None:
    operator.json("--no-test")
    operator.mautic.fault(match, kind, times=1)

    code, output = operator.run("--json")

    answer = result_in(output)
    assert operator.mautic.contacts == {}
    assert answer["test_event"]["left_behind"] is None
    assert code == (0 if match == "/batch/delete" else 1), "a removal that failed was made again"


def test_queue_mode_without_cron_is_told(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mautic_setup, "_TEST_SECONDS", 0.5)
    operator.mautic.switch(queue_mode=True)

    answer = operator.json(code=1)

    assert "mautic:webhooks:process" in answer["to_do"][0]["why"]


def test_a_mautic_whose_api_is_off_is_told_in_so_many_words(operator: Operator) -> None:
    operator.mautic.switch(api_enabled=False)

    answer = operator.json(code=1)

    assert "API is switched off" in answer["to_do"][0]["why"]
    assert operator.writes() == []


def test_wrong_credentials_are_told_by_the_names_of_the_settings(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAUTIC_CLIENT_SECRET", "wrong")
    assert "MAUTIC_CLIENT_SECRET" in operator.json(code=1)["to_do"][0]["why"]


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        *((name, name) for name in ("PUBLIC_URL", "MAUTIC_WEBHOOK_SECRET", "MAUTIC_URL")),
        ("DATABASE_URL", "run `make up`"),
    ],
)
def test_a_missing_setting_is_wrong_use(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, missing: str, said: str
) -> None:
    if missing == "DATABASE_URL":
        monkeypatch.setattr("cli.console.running_stack", lambda: None)
    monkeypatch.delenv(missing)
    code, output = operator.run("--yes")
    assert code == 2
    assert said in output
    assert operator.mautic.requests == []


@pytest.mark.parametrize(
    "url", ["crm.example.com/webhooks/mautic", "https://crm.example.com", "ftp://x/y", "https:///x"]
)
def test_an_address_that_no_webhook_can_have_is_wrong_use(operator: Operator, url: str) -> None:
    assert operator.run("--yes", "--url", url)[0] == 2


def test_nothing_is_written_before_the_operator_agrees(operator: Operator) -> None:
    code, output = operator.run(typed="n\n")
    assert (code, operator.writes()) == (1, [])
    assert "field supabase_id" in output

    code, output = operator.run(typed="y\n")
    assert code == 0
    assert "test event: the delivery was in the inbox" in output


def test_a_setup_that_was_cut_short_is_finished_by_the_next_run(operator: Operator) -> None:
    operator.mautic.fault("POST /api/segments/new", "429")
    assert operator.run("--yes")[0] == 1

    answer = operator.json()

    assert len(answer["done"]) == 4 + 1, "the fields are there already"


@pytest.mark.parametrize(
    ("area", "rights"), [("/api/fields", "Custom Fields"), ("/api/segments", "Segments"), ("/api/hooks", "Webhooks")]
)
def test_a_role_without_rights_is_told_what_to_give_it(operator: Operator, area: str, rights: str) -> None:
    operator.mautic.mautic.forbidden = (area,)

    (todo,) = operator.json(code=1)["to_do"]

    assert todo["what"] == "access"
    assert "Settings > Roles" in todo["why"]
    assert rights in todo["why"]


def test_a_mautic_that_is_down_is_told_with_what_to_do(operator: Operator) -> None:
    operator.mautic.switch(database_down=True)

    (todo,) = operator.json(code=1)["to_do"]

    assert "MAUTIC_URL" in todo["why"]
    assert "repeat" in todo["why"]


def test_a_mautic_that_fails_on_the_way_names_what_is_left(operator: Operator) -> None:
    operator.mautic.fault("segments/new", "500_before", times=99)

    answer = operator.json("--no-test", code=1)

    assert "segment VIP Customers" in whats(answer["to_do"])
    operator.mautic.faults.clear()
    assert operator.json("--no-test")["to_do"] == []
