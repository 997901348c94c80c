"""`loopin-mcp install` and `uninstall`, as processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import clean_environment
from tests.support.commands import run
from tests.support.installing import FILES, SECRET

pytestmark = pytest.mark.subprocess


def test_install_and_uninstall_are_commands(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}
    overview = run(tmp_path, "--help")
    installed = run(tmp_path, "install", "cursor", "--yes", "--key", SECRET, **home)
    refused = run(tmp_path, "uninstall", "cursor", **home)
    unknown = run(tmp_path, "install", "emacs", **home)

    assert "install" in overview.stdout
    assert "uninstall" in overview.stdout
    assert (installed.returncode, installed.stderr) == (0, "")
    assert SECRET not in installed.stdout
    assert str(Path(sys.executable).with_name("loopin-mcp")) in installed.stdout
    assert refused.returncode == 1
    assert "Use --yes to write without a question." in refused.stderr
    assert unknown.returncode == 2


def test_settings_of_a_file_count_before_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "a.env"
    file.write_text("LOOPIN_API_URL=http://localhost:1\n")
    file.chmod(0o600)

    done = run(tmp_path, "--env-file", str(file), "inbox", LOOPIN_API_URL="https://a.example")

    assert done.returncode == 1
    assert "LOOPIN_API_URL has the host localhost" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such terminals")
@pytest.mark.parametrize(
    ("answer", "said", "code"),
    [
        ("y\n", "Next: ", 0),
        ("n\n", "Zed: nothing was written.", 0),
        # The end of the input, as with Ctrl+C.
        ("\x04", "Stopped.", 130),
    ],
)
def test_a_person_at_a_terminal_is_asked(tmp_path: Path, answer: str, said: str, code: int) -> None:
    ours, theirs = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "loopin_mcp", "install", "zed", "--key", "-"],
        env=clean_environment(HOME=str(tmp_path)),
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # Without a terminal of its own, the program reads the key from stdin.
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        output = ""
        for question, reply in (("API key: ", f"{SECRET}\n"), ("[y/N]: ", answer)):
            while not output.endswith(question):
                output += os.read(process.stdout.fileno(), 1).decode("latin-1") or pytest.fail(
                    output
                )
            os.write(ours, reply.encode())
        output += process.stdout.read().decode()
    os.close(ours)
    os.close(theirs)

    assert process.returncode == code
    assert "Zed: write this? [y/N]" in output
    assert (tmp_path / FILES["zed"]).exists() == (said == "Next: ")
    assert said in output
    assert "report" not in output
