"""The counts that the product promises hold on every machine; times are for `make bench` to show."""

import pytest

from benchmarks.__main__ import SUBJECTS, main
from benchmarks.airtable_sync import measure_airtable
from benchmarks.cache_sync import CHANGED as REPLICATED
from benchmarks.cache_sync import measure_cost
from benchmarks.figures import GOALS, Figure
from benchmarks.gmail_sync import measure_idle_mailbox
from benchmarks.mailchimp_sync import measure_mailchimp
from benchmarks.mautic_sync import CHANGED, measure_costs
from benchmarks.mautic_webhook import count_round_trips
from benchmarks.servers import Login

NAMES = [name for subject in SUBJECTS for name in subject.names]


@pytest.fixture
def login(database_url: str) -> Login:
    return Login(database_url, database_url)


def test_a_delivery_of_ten_events_keeps_within_its_round_trips(login: Login) -> None:
    assert max(count_round_trips(login, deliveries=1)) <= GOALS["mautic_webhook.round_trips"]


def test_a_thousand_changes_and_none_keep_within_their_requests_and_statements(login: Login) -> None:
    costs = measure_costs(login, customers=CHANGED)
    assert costs.changed.requests <= GOALS["mautic_sync.requests_per_1000_changed"]
    assert costs.changed.statements <= GOALS["mautic_sync.statements_per_1000_changed"]
    assert costs.idle.requests == GOALS["mautic_sync.idle_requests"]


def test_replication_to_the_edge_keeps_within_its_calls_and_statements(login: Login) -> None:
    cost = measure_cost(login, rows=REPLICATED)
    assert cost.calls / REPLICATED <= GOALS["cache_sync.writes_per_changed_row"]
    assert cost.statements * 1000 / REPLICATED <= GOALS["cache_sync.statements_per_1000_rows"]


def test_a_thousand_contacts_and_none_keep_within_their_requests_to_airtable(login: Login) -> None:
    cost = measure_airtable(login)
    assert cost.first <= GOALS["connections.requests_per_1000.airtable"]
    assert cost.idle == GOALS["connections.idle_requests"]


def test_a_mailbox_in_which_nothing_came_keeps_within_its_requests(login: Login) -> None:
    assert measure_idle_mailbox(login) == GOALS["connections.requests_per_1000.gmail_idle"]


def test_a_thousand_contacts_keep_within_their_requests_to_mailchimp(login: Login) -> None:
    cost = measure_mailchimp(login)
    assert cost.new <= GOALS["connections.requests_per_1000.mailchimp_new"]
    assert cost.changed <= GOALS["connections.requests_per_1000.mailchimp_changed"]
    assert cost.idle == GOALS["connections.mailchimp_idle_requests"]


def test_every_goal_is_measured_and_no_figure_has_two_meanings() -> None:
    assert GOALS.keys() <= set(NAMES)
    assert len(NAMES) == len(set(NAMES))


@pytest.mark.parametrize(
    ("word", "first_words"),
    [
        ("notif", {"notifications", "notify"}),
        ("mautic_webhook", {"mautic_webhook"}),
        ("cold_start.notification_cron", {"build"}),
        ("bundle", {"build"}),
    ],
)
def test_the_word_of_a_function_asks_for_no_cold_start(word: str, first_words: set[str]) -> None:
    assert {subject.names[0].partition(".")[0] for subject in SUBJECTS if subject.is_wanted([word])} == first_words


def test_a_figure_is_kept_as_scripts_expect_it() -> None:
    assert Figure("x.y_ms", 12.34567, "ms", 5).as_json() == {"value": 12.35, "unit": "ms", "n": 5}


def test_a_word_that_is_in_no_name_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nonsense"]) == 2
    assert "mautic_webhook.round_trips" in capsys.readouterr().err
