"""Runs the programs of suites, keeps what they print, and refuses what cannot be read."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.hosts.home import LOOPBACK, NOWHERE
from tests.scores.target import Target
from tests.support import clean_environment

TIMEOUT_S = 300


class SuiteError(Exception):
    """A suite did not run to its end, or says something that cannot be read."""


@dataclass(frozen=True)
class Output:
    """What a program printed, and its exit code."""

    code: int
    stdout: str
    stderr: str

    def json(self) -> Any:  # noqa: ANN401 - the JSON edge
        """What it printed on stdout.

        Raises:
            SuiteError: This is not JSON.
        """
        try:
            return json.loads(self.stdout)
        except ValueError:
            said = (self.stderr or self.stdout).strip()[-200:]
            raise SuiteError(f"ended with code {self.code} and no JSON: {said}") from None


@dataclass(frozen=True)
class Runs:
    """The servers that suites run against, the cache of their programs, and where outputs go."""

    target: Target
    cache: Path
    outputs: Path

    def run(self, name: str, *command: str, **variables: str) -> Output:
        """Run a command to its end, and add what it prints to the output of this name.

        It gets a home directory of its own, and reaches nothing outside of this machine.
        """
        home = self.outputs / "home"
        home.mkdir(exist_ok=True)
        proxies = {"HTTP_PROXY": NOWHERE, "HTTPS_PROXY": NOWHERE, "NO_PROXY": LOOPBACK}
        environment = clean_environment(HOME=str(home), **proxies) | variables
        run = subprocess.run(
            command,
            env=environment,
            cwd=self.outputs,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        with (self.outputs / f"{name}.txt").open("a", encoding="utf-8") as kept:
            kept.write(f"$ {' '.join(command)}\n{run.stdout}{run.stderr}(code {run.returncode})\n")
        return Output(run.returncode, run.stdout, run.stderr)
