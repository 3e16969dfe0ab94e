"""The local stack's log goes into a file at the level of its settings, and back where it was."""

import json
from pathlib import Path

import pytest

from crm_relay.platform.logging import logger
from local.log_file import log_to


@pytest.mark.parametrize(("level", "kept"), [("", ["known", "wrong"]), ("ERROR", ["wrong"])])
def test_the_level_of_the_settings_counts_although_the_logger_was_made_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], level: str, kept: list[str]
) -> None:
    before = logger().log_level
    with log_to(tmp_path / "stack" / "it.log", {"LOG_LEVEL": level}):
        logger().info("known")
        logger().error("wrong")
    assert [json.loads(line)["message"] for line in (tmp_path / "stack" / "it.log").read_text().splitlines()] == kept
    assert logger().log_level == before
    assert capsys.readouterr().out == ""
