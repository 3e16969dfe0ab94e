"""What a local stack keeps, and that only one uses it."""

import json
from pathlib import Path

import pytest

from crm_relay.platform.errors import FatalError
from local.postgres import refuse_other_version
from local.stack_folder import StackFolder, one_at_a_time


def test_a_secret_stays_the_same_until_everything_is_removed(tmp_path: Path) -> None:
    folder = StackFolder(tmp_path / ".stack")
    first = folder.secret("ADMIN_TOKEN")
    assert len(first) >= 32
    assert folder.secret("UNSUBSCRIBE_LINK_KEY") != first
    assert StackFolder(tmp_path / ".stack").secret("ADMIN_TOKEN") == first
    assert [path.stat().st_mode & 0o077 for path in (folder.path, folder.path / "kept.json")] == [0, 0]
    folder.clear()
    folder.clear()
    assert folder.secret("ADMIN_TOKEN") != first


def test_starts_are_counted(tmp_path: Path) -> None:
    folder = StackFolder(tmp_path)
    assert [folder.next_start() for _ in range(3)] == [0, 1, 2]


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_damaged_file_is_an_error_with_a_way_out(tmp_path: Path, content: str) -> None:
    (tmp_path / "kept.json").write_text(content)
    with pytest.raises(FatalError, match="make reset"):
        StackFolder(tmp_path).secret("ADMIN_TOKEN")


def test_a_second_stack_is_refused_and_hears_where_the_first_one_is(tmp_path: Path) -> None:
    file = tmp_path / "build" / "stack.json"
    with one_at_a_time(file):
        with pytest.raises(FatalError, match="is starting or stopping"), one_at_a_time(file):
            pass
        file.write_text(json.dumps({"base_url": "http://127.0.0.1:8484", "pid": 7}))
        with (
            pytest.raises(FatalError, match=r"already, at http://127\.0\.0\.1:8484 \(process 7\)"),
            one_at_a_time(file),
        ):
            pass
    with one_at_a_time(file):
        assert not file.exists(), "of a stack that was killed"


def test_data_of_another_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "PG_VERSION").write_text("17\n")
    with pytest.raises(FatalError, match="written by PostgreSQL 17, and 18 is installed"):
        refuse_other_version(tmp_path)
