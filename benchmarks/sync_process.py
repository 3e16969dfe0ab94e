"""What the sync costs in a process of its own: the nightly comparison of everybody, and the first sync's memory."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.customers import confirm_everybody, insert_customers, insert_opt_outs
from benchmarks.figures import Figure, Subject, median
from benchmarks.servers import ROOT, Login, Servers
from local.simulators.mautic import MauticSimulator

_CUSTOMERS = 100_000
_RUNS = 3
# More than one window of the dirty list; every customer has to be created.
_FIRST_SYNC = 5000


def _measure(servers: Servers) -> Iterator[Figure]:
    with servers.database() as login:
        runs = list(_full_compares(servers, login))
    yield median("mautic_sync.full_compare_seconds_100k", "s per 100,000 customers", [run["seconds"] for run in runs])
    with servers.database() as login, MauticSimulator() as simulator:
        peak = _first_sync(servers, login, simulator)["peak_mb"]
    yield Figure("mautic_sync.first_sync_peak_mb", peak, "MB resident at most, 5,000 new customers", 1)


def _full_compares(servers: Servers, login: Login) -> Iterator[Any]:
    """Mautic is at no address: where nobody differs it is not asked."""
    with login.as_owner() as owner:
        insert_customers(owner, _CUSTOMERS)
        insert_opt_outs(owner, _CUSTOMERS)
        confirm_everybody(owner)
    for _ in range(_RUNS):
        yield compare_everybody(servers, login)


def compare_everybody(servers: Servers, login: Login) -> Any:
    """Seconds and peak memory of the nightly comparison, in a process of its own, where nobody differs."""
    run = _invoke({"full": True}, _environment(servers, login, "http://127.0.0.1:9"))
    _expect(run, contacts_synced=0, requests=0)
    return run


def _first_sync(servers: Servers, login: Login, simulator: MauticSimulator) -> Any:
    with login.as_owner() as owner:
        insert_customers(owner, _FIRST_SYNC)
    run = _invoke({}, _environment(servers, login, simulator.url))
    _expect(run, contacts_synced=_FIRST_SYNC)
    return run


def _environment(servers: Servers, login: Login, mautic_url: str) -> Mapping[str, str]:
    settings = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": login.url,
        "MAUTIC_URL": mautic_url,
        "MAUTIC_CLIENT_ID": "crm-relay",
        "MAUTIC_CLIENT_SECRET": "simulator-secret",
        "MAUTIC_BATCH_PAUSE_SECONDS": "0",
        "LOG_LEVEL": "WARNING",
        "POWERTOOLS_METRICS_DISABLED": "true",
        "CRM_RELAY_SECRET_ID": "",
    }
    return servers.aws.environment | settings


def _invoke(event: Mapping[str, object], environment: Mapping[str, str]) -> Any:
    command = [sys.executable, "-m", "benchmarks.function_process", "mautic_sync", json.dumps(event)]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def _expect(run: Any, **counts: int) -> None:
    answer = run["answer"]
    if not answer["success"] or answer["unfinished"] or any(answer[name] != count for name, count in counts.items()):
        raise RuntimeError(f"the run did not do what is measured: {answer}")


SUBJECT = Subject(("mautic_sync.full_compare_seconds_100k", "mautic_sync.first_sync_peak_mb"), _measure)
