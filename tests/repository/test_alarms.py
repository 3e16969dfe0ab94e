"""The alarms in both levels: how many there are, and that the few notice what the many would."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local.template.intrinsics import Unresolved
from local.template.nested import alarms
from local.template.schedules import next_firing
from local.template.template import FunctionDefinition, SamTemplate
from tests.support.local.combinations import COMBINATIONS, LEFT_OUT
from watchdog.settings import Settings

ROOT = Path(__file__).parents[2]
TEMPLATE = SamTemplate.read(ROOT / "template.yaml")
ESSENTIAL = alarms(TEMPLATE)
FULL = alarms(SamTemplate.read(ROOT / "template.yaml", {"AlarmLevel": "full"}))
NAMES = sorted(TEMPLATE.functions)
QUEUES = TEMPLATE.resources("AWS::SQS::Queue")
ALARMS_FOR_NOTHING = 10
"""Alarm metrics in CloudWatch's free tier: https://aws.amazon.com/cloudwatch/pricing/"""


def properties(function: FunctionDefinition) -> dict[str, Any]:
    found: dict[str, Any] = TEMPLATE.evaluate(TEMPLATE.resources("AWS::Serverless::Function")[function.logical_id])
    return found


def watchdog(template: SamTemplate = TEMPLATE) -> Settings:
    """What the watchdog is given; a queue's address is its logical id here."""
    references: dict[tuple[str, str | None], str] = {(name, None): name for name in QUEUES}
    return Settings.model_validate(
        {name.lower(): value for name, value in template.environment("watchdog", references).items()}
        | {"coordination_table": "table"}
    )


def test_the_essential_alarms_are_within_the_free_tier() -> None:
    assert len(ESSENTIAL) <= ALARMS_FOR_NOTHING
    # A query is not in the free tier, and an expression counts once for each of its metrics.
    assert [name for name, one in ESSENTIAL.items() if "Metrics" in one or one["Period"] < 60] == []


@pytest.mark.parametrize("left_out", COMBINATIONS, ids=lambda rooms: "+".join(rooms) or "nothing")
def test_alarms_are_on_what_is_installed(left_out: tuple[str, ...]) -> None:
    values = {name: LEFT_OUT[name] for name in left_out} | {"AlarmLevel": "full"}
    template = SamTemplate.read(ROOT / "template.yaml", values)
    found = alarms(template)
    watched = {one["Dimensions"][0]["Value"] for one in found.values()}
    functions = {each.logical_id for each in template.functions.values()}
    assert "" not in watched
    assert functions <= {each.logical_id for each in watched if isinstance(each, Unresolved)}
    tables = template.resources("AWS::DynamoDB::Table")
    assert tables.keys() <= {each.logical_id for each in watched if isinstance(each, Unresolved)}
    queues = watchdog(template).dead_letter_queue_urls
    assert len(found) == 3 * len(functions) + len(queues) + 3 * len(tables) + single_alarms(left_out)


def single_alarms(left_out: tuple[str, ...]) -> int:
    """Those that are neither a function's, a table's nor a dead-letter queue's."""
    always = ["OverdueSchedules", "HttpApiServerErrors", "DeferredQueueAge", "FailedTasks", "AlertChannelBroken"]
    mautic = [] if "MauticUrl" in left_out else ["MauticWebhookOff", "MauticSyncStopped"]
    edge = [] if "EdgeReplication" in left_out else ["CacheDigestIteratorAge"]
    return len(always + mautic + edge)


@pytest.mark.parametrize("level", [ESSENTIAL, FULL], ids=["essential", "full"])
def test_every_alarm_reaches_the_operator_and_has_a_reason(level: dict[str, dict[str, Any]]) -> None:
    assert all(one["AlarmActions"] == [Unresolved("AlertTopic", None)] for one in level.values())
    assert all(one["AlarmDescription"] for one in level.values())


@pytest.mark.parametrize("name", NAMES)
def test_the_duration_alarm_rings_before_the_time_out(name: str) -> None:
    function = TEMPLATE.functions[name]
    assert FULL[f"{function.logical_id}Duration"]["Threshold"] < function.timeout * 1000


def test_the_watchdog_is_missed() -> None:
    """Whatever became of it: without a look for a quarter of an hour both alarms ring, unless schedules are held."""
    held = alarms(SamTemplate.read(ROOT / "template.yaml", {"ScheduleState": "DISABLED"}))
    for name in ("OverdueSchedules", "DeadLetters"):
        assert (ESSENTIAL[name]["TreatMissingData"], ESSENTIAL[name]["Period"]) == ("breaching", 900)
        assert held[name]["TreatMissingData"] == "notBreaching"


@pytest.mark.parametrize("left_out", COMBINATIONS, ids=lambda rooms: "+".join(rooms) or "nothing")
def test_the_watchdog_knows_every_schedule_and_every_last_queue(left_out: tuple[str, ...]) -> None:
    template = SamTemplate.read(ROOT / "template.yaml", {name: LEFT_OUT[name] for name in left_out})
    schedules = {
        each.input["schedule"]: f"{name}.{each.name}"
        for name, one in template.functions.items()
        for each in one.schedules
        if name != "watchdog"
    }
    assert all(given == expected for given, expected in schedules.items())
    queues = template.resources("AWS::SQS::Queue")
    settings = watchdog(template)
    assert set(settings.watched_schedules) == set(schedules)
    assert set(settings.dead_letter_queue_urls) == {name for name, one in queues.items() if "RedrivePolicy" not in one}


def test_a_schedule_may_miss_one_round_and_no_more_than_a_few() -> None:
    limits = watchdog().watched_schedules
    now = datetime(2026, 11, 20, 12, 1, tzinfo=UTC)
    for name, function in TEMPLATE.functions.items():
        for each in function.schedules:
            if name == "watchdog":
                continue
            first = next_firing(each.expression, each.timezone, now)
            second = first and next_firing(each.expression, each.timezone, first)
            assert first
            assert second
            longest = second - first + timedelta(seconds=function.timeout)
            assert longest < limits[each.input["schedule"]] <= 2.1 * (second - first) + timedelta(minutes=40)


def noticed_by(function: FunctionDefinition) -> set[str]:
    """Essential alarms that ring when every run of the function fails, as the template wires its triggers."""
    settings, found = watchdog(), set()
    if function.routes:
        found.add("HttpApiServerErrors")
    if any(each.input["schedule"] in settings.watched_schedules for each in function.schedules):
        found.add("OverdueSchedules")
        given_up = properties(function)["EventInvokeConfig"]["DestinationConfig"]["OnFailure"]["Destination"]
        assert given_up.logical_id in settings.dead_letter_queue_urls
        found.add("DeadLetters")
    for source in function.queues:
        redrive = QUEUES[source.queue_logical_id].get("RedrivePolicy")
        end = redrive["deadLetterTargetArn"]["Fn::GetAtt"][0] if redrive else source.queue_logical_id
        assert end in settings.dead_letter_queue_urls
        found.add("DeadLetters")
    for stream in function.streams:
        assert stream.dead_letters in settings.dead_letter_queue_urls
        found |= {"DeadLetters", "CacheDigestIteratorAge"}
    if function.name == "watchdog":
        found |= {name for name, one in ESSENTIAL.items() if one["TreatMissingData"] == "breaching"}
    return found


CALLED_BY_HAND = {"migrate"}
"""Whoever invokes it has the error in the answer; nothing waits for it and nothing is lost."""


@pytest.mark.parametrize("name", sorted(FULL))
def test_what_an_alarm_of_the_full_level_notices_rings_at_the_essential_level(name: str) -> None:
    if name in ESSENTIAL:
        return
    if name.removesuffix("Depth") in QUEUES:
        assert name.removesuffix("Depth") in watchdog().dead_letter_queue_urls
        assert "DeadLetters" in ESSENTIAL
        return
    if table := next((each for each in TEMPLATE.resources("AWS::DynamoDB::Table") if name.startswith(each)), None):
        # What DynamoDB refuses fails the runs that ask it.
        users = [each for each in TEMPLATE.functions.values() if Unresolved(table, None) in each.environment.values()]
        assert "OverdueSchedules" in set[str]().union(*(noticed_by(each) for each in users))
        return
    (function,) = [each for each in TEMPLATE.functions.values() if name.startswith(each.logical_id)]
    # A run that is held back or that its time-out ends fails for its caller like one that raises.
    assert name.removeprefix(function.logical_id) in {"Errors", "Throttles", "Duration"}
    rings = noticed_by(function)
    assert rings <= ESSENTIAL.keys()
    assert rings or function.name in CALLED_BY_HAND


def test_the_full_level_lacks_only_the_sum_of_dead_letters() -> None:
    assert ESSENTIAL.keys() - FULL.keys() == {"DeadLetters"}
    assert {f"{name}Depth" for name in watchdog().dead_letter_queue_urls} <= FULL.keys()


def test_metrics_of_ours_are_counted_as_the_alarms_name_them() -> None:
    """Without a further dimension: an alarm on one metric does not see the same metric by source."""
    source = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in ("shared/crm_relay", "functions")
        for path in (ROOT / folder).rglob("*.py")
    )
    counted = set(re.findall(r'count_metric\("(\w+)"(?:, [^=\n]+)?\)\n|count_metric\("(\w+)"\)  #', source))
    ours = {
        one["MetricName"] for level in (ESSENTIAL, FULL) for one in level.values() if one["Namespace"] == "CrmRelay"
    }
    assert ours - {name for pair in counted for name in pair} == set()
