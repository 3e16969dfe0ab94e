"""Whatever a statement meets in one person's or one campaign's rows stops nobody else, and ends by the repair."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest

import crm_relay.campaigns
import crm_relay.incidents
import crm_relay.mail
from crm_relay.campaigns.engine import claim, make_steps, settle, stop
from crm_relay.campaigns.queued import still_wanted
from crm_relay.campaigns.unsettled import settle_again
from crm_relay.mail.models import id_of_send
from crm_relay.mail.senders.watch_senders import watch_senders
from crm_relay.mail.sending import begin_batch, gate
from crm_relay.mail.sending import store as sending_store
from crm_relay.mail.texts import send_texts
from crm_relay.platform.errors import FatalError, RejectedInput
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.platform.sql import Query
from crm_relay.providers.twilio.client import Twilio
from local.simulators.resend import MovableClock, ResendSimulator
from local.simulators.twilio import TwilioSimulator
from tests.conftest import fresh_database
from tests.support.campaigns.campaign_harness import BEGIN, CampaignHarness, email, step
from tests.support.campaigns.planted_faults import FaultyDatabase, PlantedFault
from tests.support.platform.rows import rows_of

PEOPLE = 3
STEPS = (
    email(1),
    step("sms", 2, body_text="Hi {{contact.first_name}}", delay_minutes=30),
    step("task", 3, delay_minutes=30),
    email(4, delay_minutes=30),
)
ALL, FIRST = [1, 2, 3, 4], [1]
REFUSE = "create function refuse() returns trigger language plpgsql as $$ begin raise exception 'planted'; end $$"


def named_queries() -> dict[str, Query]:
    """Every one of the rooms that a run comes by."""
    found: dict[str, Query] = {}
    for room in (crm_relay.campaigns, crm_relay.mail, crm_relay.incidents):
        for module in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
            for queries in vars(importlib.import_module(module.name)).values():
                if isinstance(queries, dict) and all(isinstance(each, Query) for each in queries.values()):
                    found |= queries
    return found


QUERIES = named_queries()


@contextmanager
def stage(postgres_url: str, fault: PlantedFault) -> Iterator[CampaignHarness]:
    """A CRM, a Resend and a Twilio of their own."""
    time = [BEGIN]
    with (
        fresh_database(postgres_url) as url,
        ResendSimulator(clock=MovableClock(lambda: time[0]), requests_per_second=None) as resend,
        TwilioSimulator(now=lambda: time[0]) as twilio,
    ):
        campaigns = CampaignHarness(FaultyDatabase(url, fault), resend, url, time)
        http = HttpClient(twilio.url, timeout=(2, 5), repeats=0)
        campaigns.texts = Twilio(http, twilio.account_sid, twilio.auth_token, twilio.number)
        yield campaigns
        campaigns.db.close()


class TwoCampaigns:
    """Two campaigns with the same steps; in one of them somebody's rows, or all, are such that a statement fails."""

    def __init__(self, campaigns: CampaignHarness) -> None:
        self.campaigns = campaigns
        window: dict[str, Any] = {"send_window_start": "00:00", "send_window_end": "23:59"}
        self.mine = campaigns.campaign(*STEPS, name="Mine", **window)
        self.other = campaigns.campaign(*STEPS, name="Other", **window)
        phones = (f"+1555010{number:04}" for number in range(100))
        self.people: dict[UUID, list[UUID]] = {
            campaign: [campaigns.enroll(campaign, campaigns.contact(phone=next(phones))) for _ in range(PEOPLE)]
            for campaign in (self.mine, self.other)
        }
        # Somebody in each who answers the first mail.
        self.answering = {campaign: people[1] for campaign, people in self.people.items()}

    def ids_of(self, whose: str) -> list[str]:
        """What a statement names that concerns the person, or the campaign with everybody in it."""
        people = {
            "person": self.people[self.mine][:1],
            "answering": [self.answering[self.mine]],
            "campaign": self.people[self.mine],
        }[whose]
        known = [str(each) for each in people]
        known += [str(self.mine)] if whose == "campaign" else []
        ids = [UUID(each) for each in known]
        rows = rows_of(
            self.campaigns.db,
            """select id from email_sends where enrollment_id = any (cast(:ids as uuid[]))
               union all select id from sms_sends where enrollment_id = any (cast(:ids as uuid[]))""",
            ids=ids,
        )
        sql = "select address from campaign_enrollments where id = any (cast(:ids as uuid[]))"
        addresses = rows_of(self.campaigns.db, sql, ids=people)
        # A mail's id is known before the mail is there.
        steps = rows_of(self.campaigns.db, "select id from campaign_sequences")
        keys = [f"enrollment:{person}:step:{row['id']}" for person in people for row in steps]
        return [*known, *(str(row["id"]) for row in rows), *(row["address"] for row in addresses)] + [
            str(id_of_send(key)) for key in keys
        ]

    def answer(self) -> None:
        sql = (
            "select recipient_email, reply_token from email_sends where enrollment_id = :id order by queued_at limit 1"
        )
        for person in self.answering.values():
            for row in rows_of(self.campaigns.db, sql, id=person)[:1]:
                sent = [mail for mail in self.campaigns.sim.mails if mail.recipients[0] == row["recipient_email"]]
                if sent:
                    to = [f"reply+{row['reply_token']}@in.example.com"]
                    self.campaigns.reply(sent[0], in_reply_to=None, to_addresses=to)

    def undone(self, campaign: UUID) -> dict[int, list[int]]:
        """By their number, what was sent to those who did not get all steps, or more than the first after an answer."""
        sql = """select item.id from inbox_items item join campaign_enrollments mine on mine.address = item.from_address
                 where mine.id = :id"""
        found = {}
        for place, person in enumerate(self.people[campaign]):
            sent = [number for number, status, _ in self.campaigns.lines(person) if status == "sent"]
            if sent != (FIRST if rows_of(self.campaigns.db, sql, id=person) else ALL):
                found[place] = sent
        return found

    def incidents(self) -> list[str]:
        rows = rows_of(self.campaigns.db, "select kind from incidents where closed_at is null order by kind")
        return [row["kind"] for row in rows]


def run_of(campaigns: CampaignHarness, history: TwoCampaigns, fault: PlantedFault, whose: str) -> None:
    """All steps, an answer in between; whose ids are new by then are named as well."""
    for round_ in range(6):
        with fault.suspended():
            fault.ids = history.ids_of(whose)
            if round_ == 1:
                history.answer()
        campaigns.tick()
        campaigns.wait(minutes=35)


def peaceful(postgres_url: str, whose: str) -> set[str]:
    """The statements of a run in which nothing fails, as far as they concern these rows."""
    fault = PlantedFault(QUERIES.values())
    with stage(postgres_url, fault) as campaigns:
        history = TwoCampaigns(campaigns)
        run_of(campaigns, history, fault, whose)
        assert history.undone(history.other) == {}
        assert history.incidents() == []
        return set(fault.seen)


def trouble_with(postgres_url: str, name: str, whose: str, code: str) -> str | None:
    """What is wrong after all; None: nothing."""
    fault = PlantedFault(QUERIES.values(), code=code)
    with stage(postgres_url, fault) as campaigns:
        history = TwoCampaigns(campaigns)
        fault.query = QUERIES[name]
        try:
            run_of(campaigns, history, fault, whose)
        except (RejectedInput, FatalError) as error:
            return f"the run raised {error}"
        fault.query = None
        return trouble_in(history, fired=fault.fired > 0)


def trouble_in(history: TwoCampaigns, *, fired: bool, repair: Callable[[], None] = lambda: None) -> str | None:
    campaigns = history.campaigns
    if undone := history.undone(history.other):
        return f"others wait: {undone}"
    if fired and history.undone(history.mine) and not history.incidents():
        return "nobody was told"
    repair()
    for _ in range(8):
        campaigns.wait(minutes=40)
        watch_senders(campaigns.db, campaigns.now)
        campaigns.tick()
    watch_senders(campaigns.db, campaigns.now)
    if (undone := history.undone(history.mine)) or history.incidents():
        return f"not mended: {undone} {history.incidents()}"
    campaigns.assert_accounts()
    return None


@pytest.mark.parametrize("whose", ["person", "answering", "campaign"])
def test_a_statement_that_fails_for_one_stops_nobody_else(postgres_url: str, whose: str) -> None:
    # A number that is too large, and a trigger that raises.
    codes = ("22003", "P0001")
    names = sorted(peaceful(postgres_url, whose))
    found = {name: trouble_with(postgres_url, name, whose, codes[place % 2]) for place, name in enumerate(names)}
    assert {name: what for name, what in found.items() if what is not None} == {}


# Where a run decides, without the database: what fails there, by the first argument that names the victim.
SEAMS = (
    (claim, "_enrolled"),
    (make_steps, "decide"),
    (make_steps, "outcome_of"),
    (make_steps, "compose"),
    (make_steps, "text_of"),
    (begin_batch, "_marked"),
    (gate, "refusal"),
    (settle, "line_of"),
    (settle, "_place"),
    (sending_store, "_waiting"),
    (still_wanted, "_queued"),
    (send_texts, "_carry"),
    (stop, "after_replies"),
)


@pytest.mark.parametrize("error", [ValueError, OverflowError, KeyError])
@pytest.mark.parametrize(("module", "name"), SEAMS, ids=[name for _, name in SEAMS])
def test_a_decision_that_fails_for_one_stops_nobody_else(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, error: type[Exception]
) -> None:
    fault, fired = PlantedFault(()), []
    with stage(postgres_url, fault) as campaigns:
        history = TwoCampaigns(campaigns)
        decided = getattr(module, name)

        def fails(*given: Any, **named: Any) -> Any:
            if fault.concerns(repr(given)):
                fired.append(name)
                raise error("planted")
            return decided(*given, **named)

        monkeypatch.setattr(module, name, fails)
        run_of(campaigns, history, fault, "answering" if module is stop else "person")
        assert fired
        trouble = trouble_in(history, fired=True, repair=lambda: monkeypatch.setattr(module, name, decided))
        assert trouble is None


def test_people_whose_steps_cannot_be_settled_keep_no_others_waiting(
    campaigns: CampaignHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are, and however long they wait already."""
    monkeypatch.setattr(settle_again, "_AT_ONCE", 2)
    steps = (email(1), email(2, delay_minutes=10))
    mine, other = campaigns.campaign(*steps, name="Mine"), campaigns.campaign(*steps, name="Other")
    stuck, late = [campaigns.enroll(mine) for _ in range(5)], [campaigns.enroll(other) for _ in range(2)]
    campaigns.sim.fault("429", retry_after=60)
    campaigns.tick()
    refuse = (
        """create function refuse() returns trigger language plpgsql as $$ begin raise exception 'planted'; end $$"""
    )
    rows_of(campaigns.db, refuse)
    on = "before update on campaign_enrollments for each row"
    rows_of(campaigns.db, f"create trigger mine {on} when (new.campaign_id = '{mine}') execute function refuse()")
    rows_of(campaigns.db, f"create trigger late {on} when (new.campaign_id = '{other}') execute function refuse()")
    campaigns.wait(minutes=2)
    campaigns.tick()
    rows_of(campaigns.db, "drop trigger late on campaign_enrollments")
    # Nobody of them was set aside yet, and the others have waited longer.
    rows_of(campaigns.db, "delete from incidents")
    older = "update campaign_unsettled set since = since - interval '1 hour' where enrollment_id = any (:ids::uuid[])"
    rows_of(campaigns.db, older, ids=stuck)
    for _ in range(6):
        campaigns.wait(minutes=12)
        campaigns.tick()
    assert [campaigns.lines(person) for person in late] == [[(1, "sent", None), (2, "sent", None)]] * 2
    assert [campaigns.lines(person) for person in stuck] == [[(1, "pending", None)]] * 5
    rows_of(campaigns.db, "drop trigger mine on campaign_enrollments")
    for _ in range(4):
        campaigns.wait(minutes=12)
        campaigns.tick()
    assert [campaigns.lines(person) for person in stuck] == [[(1, "sent", None), (2, "sent", None)]] * 5
    assert rows_of(campaigns.db, "select kind from incidents where closed_at is null") == []


@pytest.mark.parametrize("is_closed_by_hand", [False, True])
def test_who_wrote_a_reply_that_cannot_be_followed_gets_no_more_however_long_that_lasts(
    campaigns: CampaignHarness, is_closed_by_hand: bool
) -> None:
    """The next step is due a day later: until then there is nothing that fails for the person."""
    person = campaigns.enroll(campaigns.campaign(email(1), email(2, delay_days=1)))
    campaigns.tick()
    campaigns.wait(minutes=5)
    token = rows_of(campaigns.db, "select reply_token from email_sends")[0]["reply_token"]
    campaigns.reply(campaigns.sim.mails[0], in_reply_to=None, to_addresses=[f"reply+{token}@in.example.com"])
    rows_of(campaigns.db, REFUSE)
    on = "before update on inbox_items for each row"
    rows_of(campaigns.db, f"create trigger refuse {on} execute function refuse()")
    for _ in range(3):
        campaigns.tick()
        campaigns.wait(minutes=5)
    if is_closed_by_hand:
        rows_of(campaigns.db, "update incidents set closed_at = now()")
    campaigns.wait(days=1)
    for _ in range(3):
        campaigns.tick()
        campaigns.wait(minutes=5)
    assert len(campaigns.sim.mails) == 1
    assert rows_of(campaigns.db, "select from incidents where kind = 'reply_refused' and closed_at is null") != []
    rows_of(campaigns.db, "drop trigger refuse on inbox_items")
    for _ in range(3):
        campaigns.wait(minutes=5)
        campaigns.tick()
    assert (len(campaigns.sim.mails), campaigns.enrollment(person)["status"]) == (1, "replied")
    assert rows_of(campaigns.db, "select kind from incidents where closed_at is null") == []


def test_a_queued_mail_waits_while_a_reply_of_its_reader_cannot_be_followed(campaigns: CampaignHarness) -> None:
    person = campaigns.enroll(campaigns.campaign(email(1), email(2, delay_days=1)))
    campaigns.tick()
    campaigns.wait(days=1)
    campaigns.sim.fault("429", retry_after=600)
    campaigns.tick()
    token = rows_of(campaigns.db, "select reply_token from email_sends order by queued_at limit 1")[0]["reply_token"]
    campaigns.reply(campaigns.sim.mails[0], in_reply_to=None, to_addresses=[f"reply+{token}@in.example.com"])
    rows_of(campaigns.db, REFUSE)
    on = "before update on inbox_items for each row"
    rows_of(campaigns.db, f"create trigger refuse {on} execute function refuse()")
    for _ in range(4):
        campaigns.wait(minutes=15)
        campaigns.tick()
    assert len(campaigns.sim.mails) == 1
    held = rows_of(campaigns.db, "select status, held_for from email_sends where status <> 'sent'")
    assert held == [{"status": "queued", "held_for": "reply_unread"}]
    rows_of(campaigns.db, "drop trigger refuse on inbox_items")
    for _ in range(4):
        campaigns.wait(minutes=15)
        campaigns.tick()
    assert (len(campaigns.sim.mails), campaigns.enrollment(person)["status"]) == (1, "replied")
