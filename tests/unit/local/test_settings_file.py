"""Files of settings: what counts, and that junk in them is named by its line and never shown."""

from pathlib import Path

import pytest

from crm_relay.platform.errors import RejectedInput
from local.settings_file import read_env_file, write_env_file


def test_names_and_values_are_read(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("\ufeff# a comment\n\nA=1\nexport B = 'two words' \nC=\nD=x=y # no comment\n", encoding="utf-8")
    assert read_env_file(file) == {"A": "1", "B": "two words", "C": "", "D": "x=y # no comment"}


def test_every_line_of_junk_is_named_and_none_is_shown(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("A=1\nsecret words\n1B=2\n=3\n")
    with pytest.raises(RejectedInput) as raised:
        read_env_file(file)
    assert raised.value.details == ("line 2 is not NAME=value", "line 3 is not NAME=value", "line 4 is not NAME=value")


@pytest.mark.parametrize("name", ["missing", "folder", "binary"])
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00=1")
    with pytest.raises(RejectedInput, match=name):
        read_env_file(tmp_path / name)


def test_settings_are_written_beside_what_the_file_has_and_read_back(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("# mine\nA=1\n#B=old\nexport C=3\n")
    settings = {"A": "2", "B": "'quoted'", "C": " padded", "D": '{"Workspace": "12|x"}'}
    write_env_file(file, settings)
    write_env_file(file, settings)
    assert file.read_text().splitlines()[:3] == ["# mine", "A=2", "#B=old"]
    assert read_env_file(file) == settings
    assert file.stat().st_mode & 0o077 == 0


def test_a_value_of_several_lines_is_refused_and_leaves_the_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("A=1\n")
    with pytest.raises(RejectedInput, match="one line"):
        write_env_file(file, {"A": "2\nB=3"})
    assert file.read_text() == "A=1\n"
