"""The one gate: every reason against every state of a message, and what leaves uses up room and cap."""

import itertools
import re
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_relay.campaigns.models import LatePolicy
from crm_relay.campaigns.settling import QueuedStep, standing_of
from crm_relay.mail.models import WANTED, Fate, Mode, SendPolicy, Standing
from crm_relay.mail.reasons import REASONS, Effect, line_for
from crm_relay.mail.sending.gate import CARRIED_OUT_BEFORE, FrequencyCap, Gate, GateVerdict, RecipientFacts, Room
from crm_relay.rules.send_windows import SendWindow
from tests.support.source_tree import ROOT

NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)
OPEN = SendWindow.of(["mon", "tue", "wed", "thu", "fri"], "09:00", "17:00", "UTC")
CLOSED = SendWindow.of(["sat"], "09:00", "17:00", "UTC")
LIVE = SendPolicy(Mode.LIVE)
ADDRESS = "ada@example.com"
STEP = UUID("5f0c1b53-7f6c-4b5e-9d0e-1c7f0f3f8a12")

SUPPRESSED = [None, "opt_out", "complaint", "hard_bounce", "erased"]
CAMPAIGNS = ["active", "paused", "draft", "archived", "completed", "cancelled", "something else"]
PEOPLE = ["active", "engaged", "paused", "completed", "replied", "bounced", "unsubscribed", "stopped"]

facts = st.builds(
    RecipientFacts,
    address=st.sampled_from([ADDRESS, ADDRESS, ADDRESS, None]),
    suppressed_by=st.sampled_from(SUPPRESSED),
    is_topic_opt_out=st.booleans(),
    is_sender_paused=st.booleans(),
    cap=st.sampled_from([None, FrequencyCap(1, 7), FrequencyCap(2, 7)]),
    left=st.lists(st.integers(0, 10).map(lambda days: NOON - timedelta(days=days)), max_size=3).map(tuple),
    step=st.sampled_from([None, STEP]),
    has_twin=st.booleans(),
    is_lost_request_seen=st.booleans(),
)
steps = st.one_of(
    st.none(),
    st.builds(
        QueuedStep,
        status=st.sampled_from(PEOPLE),
        campaign_status=st.sampled_from(CAMPAIGNS),
        is_step_active=st.booleans(),
        window=st.sampled_from([OPEN, CLOSED, None]),
        due_at=st.sampled_from([NOON, NOON - timedelta(hours=6), None]),
        stopped_reason=st.sampled_from([None, "company_replied"]),
        contact_deleted=st.booleans(),
        late_policy=st.sampled_from(list(LatePolicy)),
    ),
)
POLICIES = [LIVE, SendPolicy(), SendPolicy(Mode.ALLOW_LIST, frozenset({"bob@example.com"}))]
modes = st.sampled_from([*POLICIES, *(each.for_campaigns() for each in POLICIES)])
rooms = st.sampled_from([Room(), Room(1), Room(0, NOON + timedelta(seconds=20))])


@given(facts, steps, modes, rooms)
def test_every_reason_crossed_with_every_state_has_one_answer_and_its_word(
    known: RecipientFacts, step: QueuedStep | None, policy: SendPolicy, room: Room
) -> None:
    verdict = Gate(policy, NOON, room).judge(known, standing_of(step, NOON))
    if known.is_lost_request_seen and known.address is not None:
        # It was sent, most probably: nothing that came later says otherwise.
        assert (verdict.fate, verdict.reason) == (Fate.UNKNOWN, CARRIED_OUT_BEFORE)
        return
    if verdict.may_leave:
        assert not known.has_twin
        assert (known.address, known.suppressed_by, known.is_topic_opt_out, known.is_sender_paused) == (
            ADDRESS,
            None,
            False,
            False,
        )
        assert policy.mode is Mode.LIVE
        assert room.mails != 0
        assert step is not None
        assert (step.status in {"active", "engaged", "completed"}, step.campaign_status) == (True, "active")
        assert (step.is_step_active, step.window, step.contact_deleted) == (True, OPEN, False)
        assert known.cap is None or len([at for at in known.left if at > NOON - timedelta(days=7)]) < known.cap.emails
        assert step.late_policy is LatePolicy.SEND or step.due_at in {None, NOON}
        return
    reason = REASONS[verdict.reason or ""]
    if verdict.until is not None:
        # Who keeps their place waits for the mode, whatever else holds the message.
        is_kept = policy.keeps_places and policy.mode is not Mode.LIVE
        assert (reason.effect, verdict.until > NOON) == (Effect.KEEP if is_kept else Effect.HOLD, True)
    else:
        assert verdict.fate is not Fate.DRY_RUN or not policy.keeps_places
        expected = Effect.KEEP if verdict.fate is Fate.DRY_RUN else Effect.REFUSE
        assert reason.effect is expected
    if known.has_twin:
        assert verdict.fate is Fate.REFUSED
    # Whoever may never be written to is refused whatever else holds the message.
    if known.suppressed_by is not None or known.address is None:
        assert verdict.fate is Fate.REFUSED


@pytest.mark.parametrize(
    ("step", "word"),
    [
        ({"status": "paused"}, "person_paused"),
        ({"contact_deleted": True}, "contact_deleted"),
        ({"campaign_status": "archived"}, "campaign_archived"),
        ({"campaign_status": "completed"}, "campaign_completed"),
        ({"campaign_status": "draft"}, "campaign_paused"),
        ({"campaign_status": "cancelled"}, "campaign_cancelled"),
        ({"is_step_active": False}, "step_inactive"),
        ({"late_policy": LatePolicy.SKIP, "due_at": NOON - timedelta(hours=6)}, "late"),
        ({"window": CLOSED}, "window"),
        ({"has_unread_reply": True}, "reply_unread"),
        ({"window": None}, "campaign_unreadable"),
        ({"status": "replied"}, "replied"),
    ],
)
def test_each_change_while_a_message_waits_has_its_word(step: dict[str, object], word: str) -> None:
    usual: dict[str, object] = {
        "status": "active",
        "campaign_status": "active",
        "is_step_active": True,
        "window": OPEN,
        "due_at": NOON,
    }
    verdict = Gate(LIVE, NOON).judge(RecipientFacts(ADDRESS), standing_of(QueuedStep(**{**usual, **step}), NOON))  # type: ignore[arg-type]
    assert verdict.reason == word
    assert Gate(LIVE, NOON).judge(RecipientFacts(ADDRESS), standing_of(QueuedStep(**usual), NOON)).may_leave  # type: ignore[arg-type]


def test_what_leaves_uses_up_the_room_of_the_minute() -> None:
    gate = Gate(LIVE, NOON, Room(2, NOON + timedelta(seconds=30)))
    verdicts = [gate.judge(RecipientFacts(f"p{number}@example.com"), WANTED) for number in range(4)]
    assert [verdict.may_leave for verdict in verdicts] == [True, True, False, False]
    assert (verdicts[3].reason, verdicts[3].until) == ("rate_limit", NOON + timedelta(seconds=30))


def test_two_mails_to_one_person_in_one_batch_count_for_the_cap() -> None:
    gate = Gate(LIVE, NOON)
    one = RecipientFacts(ADDRESS, cap=FrequencyCap(1, 7))
    assert gate.judge(one).may_leave
    second = gate.judge(one)
    assert (second.reason, second.until) == ("frequency_cap", NOON + timedelta(days=7))


def test_of_two_mails_of_one_step_to_one_address_in_one_batch_the_first_that_may_leave_does() -> None:
    gate = Gate(LIVE, NOON)
    first, second, third = (RecipientFacts(ADDRESS, step=STEP) for _ in range(3))
    assert gate.judge(first, Standing(refused_for="replied")).reason == "replied"
    assert gate.judge(second).may_leave
    assert gate.judge(third) == GateVerdict(Fate.REFUSED, reason="duplicate_address")
    assert gate.judge(RecipientFacts(ADDRESS, step=uuid4())).may_leave
    assert gate.judge(RecipientFacts("bob@example.com", step=STEP)).may_leave


def test_an_owner_that_says_nothing_holds_nothing() -> None:
    assert Gate(LIVE, NOON).judge(RecipientFacts(ADDRESS), Standing()).may_leave


def test_the_table_of_the_documents_is_the_one_of_the_code() -> None:
    page = (ROOT / "docs" / "campaigns.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([a-z_]+)` \| (hold|refuse|keep) \| (\w+) \| (.+) \|$", page, re.MULTILINE)
    assert listed == [(each.word, each.effect.value, each.line, each.sentence) for each in REASONS.values()]


def test_every_word_settles_its_step_with_a_status_that_the_log_has() -> None:
    lines = {line_for(word) for word in itertools.chain(REASONS, ["anything else", None])}
    assert lines <= {"stopped", "skipped", "failed"}
