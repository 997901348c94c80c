"""Runs the command, and other programs in Python, to their end."""

import subprocess
import sys
from pathlib import Path

from tests.support import START_TIMEOUT_S, clean_environment


def run(tmp_path: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command with an empty stdin."""
    return run_python(tmp_path, "-m", "loopin_mcp", *arguments, **environment)


def run_python(
    tmp_path: Path, *arguments: str, redirected: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run Python with an empty stdin; a shell makes these redirections of its streams."""
    command = [sys.executable, *arguments]
    if redirected:
        command = ["sh", "-c", f'exec "$@" {redirected}', "sh", *command]
    return subprocess.run(
        command,
        env=clean_environment(
            **{"LOOPIN_DATA_DIR": str(tmp_path / "data"), "LOOPIN_PORT": "0"} | environment
        ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_S,
        check=False,
    )
