"""What the demo prints: a line an act as it plays, what did not hold, and how it ended."""

import json
import time
from dataclasses import asdict, dataclass, field

from rich.console import Console
from rich.markup import escape
from rich.table import Table

NEXT = """Next
  make up                    the same stack without sample data, for your own .env
  crm-relay demo --all       every expectation beside what was found
  docs/first-campaign.md     people of yours in a campaign, in ten minutes"""


@dataclass(frozen=True)
class Line:
    """One expectation."""

    what: str
    expected: object
    found: object

    @property
    def holds(self) -> bool:
        """Equal, or within the bound where the expectation is one (`at most 10`)."""
        text = str(self.expected)
        if text.startswith("at most "):
            return float(str(self.found)) <= float(text.removeprefix("at most "))
        return self.expected == self.found


@dataclass
class Story:
    """Acts and their expectations, printed as they come."""

    console: Console
    lines: list[Line] = field(default_factory=list)
    _begun: float = field(default_factory=time.monotonic)
    _act_begun: float | None = None
    _first: int = 0

    def announce(self, text: str) -> None:
        """Another act begins."""
        self.end_act()
        self._act_begun, self._first = time.monotonic(), len(self.lines)
        self.console.print(f"· {text}", end="", soft_wrap=True, highlight=False)

    def expect(self, what: str, expected: object, found: object) -> None:
        """Add one expectation to the act."""
        self.lines.append(Line(what, expected, found))

    def end_act(self) -> None:
        """End the act's line with the number of its expectations and its seconds; list those that do not hold."""
        if self._act_begun is None:
            return
        own = self.lines[self._first :]
        failed = [line for line in own if not line.holds]
        held = f"  [green]✓ {len(own)}[/]" if own and not failed else ""
        seconds = time.monotonic() - self._act_begun
        self.console.print(f"{held}  [dim]{seconds:.0f} s[/]", soft_wrap=True, highlight=False)
        for line in failed:
            self.console.print(f"  [bold red]✗ {escape(_difference(line))}[/]", soft_wrap=True, highlight=False)
        self._act_begun = None

    def finish(self, *, as_json: bool, whole: bool) -> bool:
        """Whether everything held. `whole`: a table of all expectations."""
        self.end_act()
        seconds = time.monotonic() - self._begun
        good = all(line.holds for line in self.lines)
        if as_json:
            rows = [{**asdict(line), "holds": line.holds} for line in self.lines]
            print(json.dumps({"good": good, "seconds": round(seconds, 1), "lines": rows}, default=str))  # noqa: T201
            return good
        if whole:
            self.console.print(self._table())
        failed = sum(not line.holds for line in self.lines)
        verdict = f"[bold red]{failed} of {len(self.lines)} expectations failed" if failed else "[bold green]all held"
        counted = "" if failed else f": {len(self.lines)} expectations"
        self.console.print(f"CRM Relay demo, {seconds:.0f} s, {verdict}[/]{counted}", highlight=False, soft_wrap=True)
        self.console.print(NEXT, highlight=False, soft_wrap=True)
        return good

    def _table(self) -> Table:
        table = Table("", "expected", "found", "")
        for line in self.lines:
            table.add_row(line.what, str(line.expected), str(line.found), "[green]✓" if line.holds else "[bold red]✗")
        return table


def _difference(line: Line) -> str:
    return f"{line.what}: expected {line.expected}, found {line.found}"
