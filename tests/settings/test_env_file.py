"""Files of variables for programs that a host starts without an environment."""

import sys
from pathlib import Path

import pytest

from loopin_mcp.errors import ConfigurationError
from loopin_mcp.settings.env_file import env_file_text, read_env_file


def test_file_gives_the_variables_that_were_written(tmp_path: Path) -> None:
    values = {
        "LOOPIN_USER_ID": "ana = # x\u2028\x0b\x85y",
        "LOOPIN_API_URL": "https://a.example/=?",
    }
    file = tmp_path / "a.env"
    file.write_text("\n" + env_file_text(values), encoding="utf-8")
    file.chmod(0o600)

    assert read_env_file(file) == values


@pytest.mark.parametrize("end", ["\n", "\r"])
def test_value_of_several_lines_is_refused(end: str) -> None:
    with pytest.raises(ConfigurationError, match="LOOPIN_USER_ID must be one line"):
        env_file_text({"LOOPIN_USER_ID": f"ana{end}LOOPIN_API_URL=https://evil.example"})


def test_file_that_is_missing_or_wrong_is_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.env"
    wrong.write_text("A=b\nC\n")
    wrong.chmod(0o600)

    with pytest.raises(ConfigurationError, match="wrong.env, line 2: write NAME=value"):
        read_env_file(wrong)
    with pytest.raises(ConfigurationError, match="cannot be read: run `loopin-mcp install`"):
        read_env_file(tmp_path / "missing.env")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_file_that_others_can_write_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.env"
    file.write_text("LOOPIN_API_URL=https://evil.example\n")
    file.chmod(0o622)

    with pytest.raises(ConfigurationError, match="run chmod go-w"):
        read_env_file(file)
