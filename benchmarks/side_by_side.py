"""What a delivery costs beside the version whose rules stood in SQL, event by event on one database.

On a busy machine the pairs keep the ratios: whatever slows one version slows the other, a moment earlier or later.

Mautic's catch-up cannot reach the five times of Resend: what each delivery of ten events costs for itself (its body and
payloads are stored, parsed and written) is more than half of all. docs/performance.md has the parts.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.compared_sources import AT, BISON, MAUTIC, RESEND, ComparedSource, Order
from benchmarks.figures import Figure, Subject
from benchmarks.servers import Servers
from tests.support.platform.counting_proxy import CountingProxy
from tests.support.upgrades.former_version import VersionWorker, is_in_history, unpack

_WARM, _EVENTS, _ROUNDS = 30, 60, 7
_TOGETHER = 50
_WORKERS = 4
_NOWHERE = "http://127.0.0.1:9"
_SECONDS_EACH_WAY = 0.002


@dataclass
class ComparedVersions:
    """A process of each version, and what makes the next delivery of a kind."""

    source: ComparedSource
    former: VersionWorker
    present: VersionWorker
    order: Callable[[str], Order]

    def both(self, kind: str) -> tuple[float, float]:
        """Seconds of the former version and of this one, for a delivery each."""
        return self.former.ask(now=AT, **self.order(kind)), self.present.ask(now=AT, **self.order(kind))

    def ratios(self, prefix: str) -> Iterator[Figure]:
        """Of each kind the median of several rounds, each the ratio of its medians."""
        for kind in self.source.kinds:
            for _ in range(_WARM):
                self.both(kind)
            rounds = [_ratio_of_medians([self.both(kind) for _ in range(_EVENTS)]) for _ in range(_ROUNDS)]
            unit = f"p50 to the former version's, rounds {_spread(rounds)}"
            yield Figure(f"{prefix}{self.source.name}_{kind}", statistics.median(rounds), unit, _EVENTS * _ROUNDS)

    def catch_up(self, prefix: str) -> Figure:
        """How much quicker 50 deliveries in one transaction are than the same number one by one."""
        self._catch_up()
        ratios = [self._catch_up() for _ in range(_ROUNDS)]
        unit = f"times as quick as one by one, rounds {_spread(ratios)}"
        return Figure(f"{prefix}{self.source.name}_catch_up", statistics.median(ratios), unit, _ROUNDS)

    def _catch_up(self) -> float:
        kinds = self.source.together
        first, second = [[self.order(kinds[number % len(kinds)]) for number in range(_TOGETHER)] for _ in range(2)]
        one_by_one = sum(self.present.ask(now=AT, **each) for each in first)
        return one_by_one / self.present.ask(now=AT, together=second)


@dataclass
class HotCounter:
    """Processes of each version whose deliveries all move one counter."""

    name: str
    former: Sequence[VersionWorker]
    present: Sequence[VersionWorker]
    order: Callable[[], Order]

    def figure(self) -> Figure:
        """How many deliveries a second, by the former version's."""
        for workers in (self.former, self.present):
            self._seconds(workers)
        ratios = [self._seconds(self.former) / self._seconds(self.present) for _ in range(_ROUNDS)]
        unit = f"times the former version's deliveries a second, {_WORKERS} workers, rounds {_spread(ratios)}"
        return Figure(self.name, statistics.median(ratios), unit, _ROUNDS)

    def _seconds(self, workers: Sequence[VersionWorker]) -> float:
        orders = [[self.order() for _ in range(_EVENTS)] for _ in workers]
        begin = time.perf_counter()
        with ThreadPoolExecutor(len(workers)) as pool:
            list(pool.map(_deliver, workers, orders))
        return time.perf_counter() - begin


def _deliver(worker: VersionWorker, orders: Sequence[Order]) -> None:
    for each in orders:
        worker.ask(now=AT, **each)


def _hot_counter(source: ComparedSource, kind: str, former: Path, servers: Servers) -> Figure:
    with servers.database() as login, ExitStack() as workers:
        arguments = (login.url, _NOWHERE, "key")
        order = source.fill(login)
        return HotCounter(
            f"side_by_side.{source.name}_hot_counter",
            [workers.enter_context(VersionWorker.start(former, *arguments)) for _ in range(_WORKERS)],
            [workers.enter_context(VersionWorker.of_this_version(*arguments)) for _ in range(_WORKERS)],
            lambda: order(kind),
        ).figure()


def _measure(source: ComparedSource, servers: Servers) -> Iterator[Figure]:
    if not is_in_history():
        return
    with tempfile.TemporaryDirectory() as folder:
        unpack(Path(folder))
        for delay, prefix in ((0.0, "side_by_side."), (_SECONDS_EACH_WAY, "side_by_side.at_2_ms.")):
            with servers.database() as login, CountingProxy(login.url, delay=delay) as proxy:
                url = proxy.url if delay else login.url
                former = VersionWorker.start(Path(folder), url, _NOWHERE, "key")
                with former, VersionWorker.of_this_version(url) as present:
                    versions = ComparedVersions(source, former, present, source.fill(login))
                    yield from versions.ratios(prefix)
                    yield versions.catch_up(prefix)
        if source.hot is not None:
            yield _hot_counter(source, source.hot, Path(folder), servers)


def _ratio_of_medians(pairs: Sequence[tuple[float, float]]) -> float:
    former, present = zip(*pairs, strict=True)
    return float(statistics.median(present) / statistics.median(former))


def _spread(rounds: Sequence[float]) -> str:
    return f"{min(rounds):.2f} to {max(rounds):.2f}"


def _subject(source: ComparedSource) -> Subject:
    names = [
        f"{prefix}{source.name}_{what}"
        for prefix in ("side_by_side.", "side_by_side.at_2_ms.")
        for what in (*source.kinds, "catch_up")
    ]
    if source.hot is not None:
        names.append(f"side_by_side.{source.name}_hot_counter")
    return Subject(tuple(names), lambda servers: _measure(source, servers))


SUBJECTS = tuple(map(_subject, (RESEND, BISON, MAUTIC)))
