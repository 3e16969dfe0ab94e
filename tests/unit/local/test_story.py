"""What the demo prints."""

import io
import json

import pytest
from rich.console import Console

from local.demo.story import NEXT, Story


def story() -> tuple[Story, io.StringIO]:
    written = io.StringIO()
    return Story(Console(file=written, width=80)), written


def test_an_act_is_one_line_with_the_number_of_its_expectations() -> None:
    printed, written = story()
    printed.announce("people open, click and unsubscribe; an administrator deletes contacts in Mautic, and more")
    printed.expect("opens", 2, 2)
    printed.expect("seconds", "at most 10", 3)
    printed.announce("the night passes")
    assert printed.finish(as_json=False, whole=False)
    first, second, last, *following = written.getvalue().splitlines()
    assert first.startswith("· people open")
    assert "✓ 2  " in first
    assert second.startswith("· the night passes  ")
    assert "✓" not in second
    assert last.endswith("all held: 2 expectations")
    assert following == NEXT.splitlines()


def test_what_does_not_hold_is_printed_with_both_values_and_fails_the_whole() -> None:
    printed, written = story()
    printed.announce("opens come back")
    printed.expect("opens [of all]", 2, 3)
    printed.expect("clicks", 1, 1)
    assert not printed.finish(as_json=False, whole=False)
    lines = written.getvalue().splitlines()
    assert "✓" not in lines[0]
    assert lines[1] == "  ✗ opens [of all]: expected 2, found 3"
    assert "1 of 2 expectations failed" in lines[2]


def test_all_of_it_is_printed_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    printed, written = story()
    printed.announce("opens come back")
    printed.expect("opens", 2, 2)
    printed.finish(as_json=False, whole=True)
    assert [cell.strip() for cell in written.getvalue().splitlines()[4].split("│")[1:4]] == ["opens", "2", "2"]
    printed.finish(as_json=True, whole=False)
    assert json.loads(capsys.readouterr().out)["lines"] == [{"what": "opens", "expected": 2, "found": 2, "holds": True}]
