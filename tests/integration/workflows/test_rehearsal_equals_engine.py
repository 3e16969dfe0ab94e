"""A rehearsal says what the engine then does with the same events under the same clock, whatever the definition."""

import pytest

from tests.support.workflows.rehearsal_trials import RehearsalTrial, of_engine, of_rehearsal
from tests.support.workflows.run_harness import RunHarness

_TABLES = "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r' order by relname"


def rows_by_table(runs: RunHarness) -> dict[str, int]:
    """How many there are."""
    counts = " union all ".join(
        f"select '{row['relname']}' as name, count(*)::integer as rows from \"{row['relname']}\""
        for row in runs.rows(_TABLES)
    )
    return {row["name"]: row["rows"] for row in runs.rows(counts)}


@pytest.mark.parametrize("seed", range(24))
def test_a_rehearsal_says_what_the_engine_does(runs: RunHarness, seed: int) -> None:
    trial = RehearsalTrial(runs, seed)
    before = rows_by_table(runs)
    said = of_rehearsal(trial.rehearse())
    assert rows_by_table(runs) == before, "a rehearsal writes nothing"
    trial.play()
    assert said == of_engine(runs)


def test_the_trials_reach_everything(runs: RunHarness) -> None:
    """What seeds above have in them: each gate, wait, branch and end."""
    reasons: set[str] = set()
    for seed in range(24):
        said = RehearsalTrial(runs, seed).rehearse()
        reasons |= {each.reason for each in said.starts.refused} | set(said.runs)
        reasons |= {step.kind for step in said.steps if step.completed}
        reasons |= {"paused" for day in said.days if day.paused} | ({"delayed"} if said.starts.delayed else set())
        reasons |= {"queue"} if said.starts.queued else set()
        reasons |= {"restart"} if said.starts.replaced else set()
        runs.rows("delete from entity_events returning id")
        runs.rows("delete from workflows returning id")
        runs.rows("delete from user_profiles returning id")
    assert reasons >= {
        "trigger", "origin", "depth", "record_gone", "conditions", "cool_down", "re_entry", "paused", "delayed",
        "queue", "restart", "completed", "cancelled", "running", "send_email", "create_task", "update_field", "wait",
        "condition", "webhook", "assign", "send_notification", "create_activity",
    }  # fmt: skip
