"""What a deployment takes of AWS: while nothing happens, and for each webhook, mail and workflow run.

What is not known is assumed on the dear side, and named: `ASSUMED` is shown beside the result.
"""

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from crm_relay.platform.settings import PARAMETER_PREFIX, SECRET_ID
from local.cost.prices import Quantities, together
from local.stack_file import ROOT
from local.template.intrinsics import load_template
from local.template.nested import alarms
from local.template.schedules import next_firing
from local.template.template import EVERY_ROOM, FunctionDefinition, SamTemplate, Schedule

_MINUTES = 30 * 24 * 60
_FULL_CORE_MB = 1769
"""So much memory has one core, less its share. https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html"""

_KEPT = Path(__file__).with_name("measured.toml")

_POLLS_A_MINUTE = 15
_WAIT_MS = 60.0
_COLD_MS = 500.0
_COLD_AFTER_MINUTES = 5.0
_LOG_BYTES_A_ROUND, _LOG_BYTES_A_REQUEST = 2_000, 1_600
_METRICS_AT_REST = 5

ASSUMED: tuple[str, ...] = (
    f"Lambda asks each queue {_POLLS_A_MINUTE} times a minute (five long polls of 20 seconds, as idle queues show)",
    f"a run takes the processor time of one core, times {_FULL_CORE_MB} MB by its memory, and waits {_WAIT_MS:.0f} ms",
    f"a schedule slower than {_COLD_AFTER_MINUTES:.0f} minutes starts cold ({_COLD_MS:.0f} ms) and reads its secrets",
    f"a round of a schedule writes {_LOG_BYTES_A_ROUND:,} bytes of log and is traced by X-Ray",
    f"a webhook takes a read of DynamoDB, a trace of X-Ray and {_LOG_BYTES_A_REQUEST:,} bytes of log",
    "storage and traffic out are left out: cents for a gigabyte",
)


@dataclass(frozen=True)
class IdleRound:
    """Of a schedule, in a warm environment: milliseconds of one core, and requests to DynamoDB and SQS."""

    ms: float
    writes: int
    reads: int
    queue_requests: int


@dataclass(frozen=True)
class Measured:
    """`unit_ms`: milliseconds of one core for each webhook, mail and run; `idle` by function and schedule."""

    unit_ms: Mapping[str, float]
    idle: Mapping[str, IdleRound]


def read_measured(bench: Path | None = None) -> Measured:
    """The kept values, and those of a benchmark's result where there is one."""
    content = tomllib.loads(_KEPT.read_text(encoding="utf-8"))
    found = json.loads(bench.read_text(encoding="utf-8")) if bench and bench.is_file() else {}
    units = {name: _unit_ms(entry, found) for name, entry in content["unit_ms"].items()}
    return Measured(units, {name: IdleRound(**entry) for name, entry in content["idle"].items()})


def _unit_ms(entry: Mapping[str, object], found: Mapping[str, Mapping[str, float]]) -> float:
    name = str(entry["bench"])
    if name not in found:
        return float(str(entry["value"]))
    value = found[name]["value"]
    return 1000.0 / value if name.endswith("_per_s") else value


def stage_parameters(stage: str) -> dict[str, str]:
    """What samconfig.toml gives the template, every room that it does not name left out as the template does.

    Raises KeyError for a stage that it does not have.
    """
    stages = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))
    given = dict(each.split("=", 1) for each in stages[stage]["deploy"]["parameters"]["parameter_overrides"])
    declared = load_template(ROOT / "template.yaml")["Parameters"]
    return {
        name: given.get(name, entry.get("Default", "")) for name, entry in declared.items() if name in EVERY_ROOM
    } | given


def idle_parts(template: SamTemplate, measured: Measured, architecture: str) -> dict[str, Quantities]:
    """Part of the installation -> what it takes in a month of 30 days without a single event."""
    functions = [each for each in template.functions.values() if each.schedules]
    queues = sum(len(each.queues) for each in template.functions.values())
    return {
        "secrets": {"secrets": _secrets(template)},
        "key of connections": {"kms_keys": len(template.resources("AWS::KMS::Key"))},
        "queues, which Lambda polls": {"sqs_requests": queues * _POLLS_A_MINUTE * _MINUTES},
        "schedules": together(*(_rounds(each, measured, architecture) for each in functions)),
        "alarms": {"alarms": len(alarms(template))},
        "metrics": {"metrics": _METRICS_AT_REST},
    }


def unit_parts(measured: Measured, architecture: str, memory: int = 512) -> dict[str, Quantities]:
    """What one webhook, one mail (without the webhooks about it) and one workflow run take."""
    request = {
        "http_requests": 1.0,
        "lambda_requests": 1.0,
        "dynamodb_reads": 1.0,
        "traces": 1.0,
        "log_gigabytes": _LOG_BYTES_A_REQUEST / 1e9,
    }
    return {
        name: {
            **(request if name == "webhook" else {}),
            **_computing(milliseconds, memory, architecture, name),
        }
        for name, milliseconds in measured.unit_ms.items()
    }


def _computing(milliseconds: float, memory: int, architecture: str, unit: str) -> dict[str, float]:
    """Mails and runs share their waiting with a hundred others."""
    billed = milliseconds * max(1.0, _FULL_CORE_MB / memory) + (_WAIT_MS if unit == "webhook" else 0.0)
    return {f"lambda_gb_seconds_{architecture}": billed / 1000 * memory / 1024}


def _rounds(function: FunctionDefinition, measured: Measured, architecture: str) -> Quantities:
    return together(*_of_schedules(function, measured, architecture))


def _of_schedules(function: FunctionDefinition, measured: Measured, architecture: str) -> Iterator[Quantities]:
    for schedule in function.schedules:
        rounds = rounds_a_month(schedule)
        is_cold = _MINUTES / rounds > _COLD_AFTER_MINUTES
        idle = measured.idle[f"{function.name}.{schedule.name}"]
        billed = idle.ms * max(1.0, _FULL_CORE_MB / function.memory) + _WAIT_MS + (_COLD_MS if is_cold else 0.0)
        yield {
            "schedule_invocations": rounds,
            "lambda_requests": rounds,
            f"lambda_gb_seconds_{architecture}": rounds * billed / 1000 * function.memory / 1024,
            "dynamodb_writes": rounds * idle.writes,
            "dynamodb_reads": rounds * idle.reads,
            "sqs_requests": rounds * idle.queue_requests,
            "log_gigabytes": rounds * _LOG_BYTES_A_ROUND / 1e9,
            "traces": rounds,
            "secret_reads": rounds * len(_secrets_of(function)) if is_cold else 0.0,
        }


def rounds_a_month(schedule: Schedule) -> float:
    """How often it fires in 30 days."""
    begin = datetime(2027, 1, 1, tzinfo=UTC)
    first = next_firing(schedule.expression, "UTC", begin)
    second = first and next_firing(schedule.expression, "UTC", first)
    return _MINUTES * 60 / (second - first).total_seconds() if first and second else 0.0


def _secrets(template: SamTemplate) -> float:
    names = {name for each in template.functions.values() for name in _secrets_of(each)}
    return float(len(names))


def _secrets_of(function: FunctionDefinition) -> list[str]:
    """Those of Secrets Manager: parameters of Parameter Store cost nothing, nor does reading them."""
    value = function.environment.get(SECRET_ID)
    names = value.split(",") if isinstance(value, str) else []
    return [name for name in names if not name.startswith(PARAMETER_PREFIX)]
