"""A home directory in which one host is set up, and runs."""

import getpass
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from tests.hosts.hosts import HOSTS, JSON, Written
from tests.hosts.human import Human
from tests.hosts.model import Call, Input, Model, serving
from tests.support import PATIENCE_S, START_TIMEOUT_S

LAUNCHER = str(Path(sys.executable).with_name("loopin-mcp"))
# A program that looks for anything outside of this machine finds nobody there.
NOWHERE = "http://127.0.0.1:9"
LOOPBACK = "127.0.0.1,localhost"
Arguments = tuple[str, ...] | None


class Home:
    """The home of a user of one host, with a project in it."""

    def __init__(self, place: Path, name: str, program: list[str]) -> None:
        self.place = place
        self.name = name
        self.host = HOSTS[name]
        self.project = place / "project"
        self.project.mkdir(parents=True)
        # Added to the environment of the host.
        self.environment: dict[str, str] = {}
        self._program = program
        for written in self.host.files.items():
            self.write(written)

    def write(self, written: Written) -> None:
        """Add to a file of the host's settings."""
        name, added = written
        path = self.place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        if isinstance(added, dict):
            before, added = "", json.dumps(merged(json.loads(before or "{}"), added))
        path.write_text(before + added, encoding="utf-8")

    def hook(self, command: str, timeout_s: int = 600) -> None:
        """Let the host run a command before it uses its shell."""
        self.write(self.host.hook(command, timeout_s))

    def guard(self, human: Human, options: str = "--timeout 60") -> None:
        """Let the gate ask this human before the host uses its shell."""
        self.environment |= human.variables
        self.hook(f"{shlex.quote(LAUNCHER)} gate {options} || exit 2")

    def install(self, *options: str) -> None:
        """Install server and gate as a user does."""
        self._run(LAUNCHER, "install", self.name, "--yes", *options)

    def provide(self, name: str) -> None:
        """Let our command be found under another name too, whatever it is given."""
        place = self.place / "bin" / name
        place.parent.mkdir()
        place.write_text(f"#!/bin/sh\nexec {shlex.quote(LAUNCHER)}\n", encoding="utf-8")
        place.chmod(0o755)
        (place.parent / "loopin-mcp").symlink_to(LAUNCHER)
        self.environment["PATH"] = os.pathsep.join([str(place.parent), os.defpath])

    def serve(self, human: Human, name: str = "loopin", **variables: str) -> None:
        """Add our server to the host under a name, for questions to this human."""
        self.write(self.host.server(name, LAUNCHER, human.variables | variables))

    def connect(self, url: str, token: str) -> None:
        """Add the server at a URL to the host."""
        self.write(self.host.at_url(f"{url}/mcp"))
        self.environment["LOOPIN_MCP_TOKEN"] = token

    def tool(self, name: str, given: Input, server: str = "loopin") -> Call:
        """The model's call of a tool of ours."""
        return self.host.tool.format(server=server, name=name), given

    def shell(self, command: str) -> Call:
        """The model's call that runs a command in the host's shell."""
        tool, argument = self.host.terminal
        return tool, {argument: command}

    @contextmanager
    def running(
        self, *calls: Call, delegated: Sequence[Call] = (), arguments: Arguments = None
    ) -> Iterator[Model]:
        """Run the host with a model that makes these calls, until the host ends by itself.

        Unless it gets other `arguments`, it asks its user nothing.
        """
        said = self._said.open("w", encoding="utf-8")
        with serving(*calls, delegated=delegated) as model, said:
            process = subprocess.Popen(
                self._command(model.url, arguments),
                env=self._environment(model.url),
                cwd=self.project,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
            )
            try:
                yield model
                process.wait(START_TIMEOUT_S)
            finally:
                self.end()
                process.wait(PATIENCE_S)

    def runs(self, *calls: Call, arguments: Arguments = None) -> Model:
        """Run the host to its end."""
        with self.running(*calls, arguments=arguments) as model:
            return model

    def window(self, url: str) -> tuple[list[str], dict[str, str]]:
        """How Codex is started in a terminal, where it asks its user, and with which variables."""
        without = {"exec", "--skip-git-repo-check"}
        asking = ("--config=approval_policy=on-request", "--dangerously-bypass-hook-trust", "Go")
        command = [word for word in self._command(url, asking) if word not in without]
        return command, self._environment(url)

    def starts(self, *arguments: str) -> None:
        """Run another command of the host's program, which must succeed."""
        self._run(*self._program, *arguments)

    def owner_approves(self) -> bool:
        """Approve what this home's own API asks its user, if it asks and can be reached."""
        data = self.place / ".local" / "share" / "loopin-mcp"
        # Another process may just take the API over, at another port.
        with suppress(FileNotFoundError, httpx.TransportError):
            port, key = [(data / name).read_text(encoding="utf-8") for name in ("port", "api-key")]
            owner = Human(f"http://127.0.0.1:{port.strip()}", getpass.getuser(), key.strip())
            return bool(owner.questions and owner.decides_on_the_page("approved"))
        return False

    @property
    def said(self) -> str:
        """What the program of the last run printed."""
        return self._said.read_text(encoding="utf-8")

    def did(self, name: str = "ran") -> bool:
        """Whether a command made this file in the project."""
        return (self.project / name).exists()

    def processes(self, argument: str = "") -> list[int]:
        """Those that this home's host started, if they have this argument."""
        return [
            int(process.name)
            for process in Path("/proc").glob("[0-9]*")
            if self._started(process, argument)
        ]

    def end(self, argument: str = "") -> None:
        """Kill the host and what it started, or those that have this argument."""
        for process in self.processes(argument):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def end_with_shell(self, argument: str) -> None:
        """Kill a process that has this argument, and the shell that started it."""
        [process] = self.processes(argument)
        stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
        parent = stat.rpartition(")")[2].split()[1]
        for number in (int(parent), process):
            os.kill(number, signal.SIGKILL)

    @property
    def program(self) -> str:
        """The path of the host's program."""
        return self._program[-1]

    @property
    def _said(self) -> Path:
        return self.place / "said"

    def _run(self, *command: str) -> None:
        subprocess.run(
            command,
            env=self._environment(""),
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )

    def _command(self, url: str, arguments: Arguments) -> list[str]:
        usual = [self._filled(argument, url) for argument in self.host.arguments]
        return [*self._program, *usual, *(self.host.careless if arguments is None else arguments)]

    def _filled(self, text: str, url: str) -> str:
        return text.replace("{url}", url).replace("{program}", self.program)

    def _environment(self, url: str) -> dict[str, str]:
        own = {name: self._filled(text, url) for name, text in self.host.environment.items()}
        proxies = {"HTTP_PROXY": NOWHERE, "HTTPS_PROXY": NOWHERE, "NO_PROXY": LOOPBACK}
        return {
            "HOME": str(self.place),
            "PATH": os.defpath,
            **proxies,
            **{name.lower(): value for name, value in proxies.items()},
            **own,
            **self.environment,
        }

    def _started(self, process: Path, argument: str) -> bool:
        try:
            variables = (process / "environ").read_bytes().split(b"\0")
            arguments = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        return f"HOME={self.place}".encode() in variables and argument.encode() in arguments


def merged(before: JSON, added: JSON) -> JSON:
    """Two JSON objects as one, and the objects in them."""
    both = {
        key: merged(before[key], added[key])
        for key in before.keys() & added.keys()
        if isinstance(added[key], dict)
    }
    return before | added | both
