"""Servers that the crash bench kills: APIs on one database, and PostgreSQL."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from processes import API, ENVIRONMENT


class KillableAPI:
    """`loopin-mcp api` in its own process, which can be killed and restarted."""

    def __init__(self, settings: dict[str, str], log: Path) -> None:
        self.url = ""
        self._settings = settings | {"PORT": "0", "LOOPIN_OPEN_REVIEW": "off"}
        self._log = log
        self.start()

    def start(self) -> None:
        """Start to serve, on a free port."""
        before = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", API], env=ENVIRONMENT | self._settings, stderr=log
            )
        while (found := re.search(r"LoopIn API on (http://\S+)", self._said(before))) is None:
            if self.is_dead:
                raise RuntimeError(self._said(before))
            time.sleep(0.02)
        self.url = found[1]

    def _said(self, since: int) -> str:
        return self._log.read_bytes()[since:].decode()

    @property
    def is_dead(self) -> bool:
        """Whether it has been killed."""
        return self._process.poll() is not None

    def kill(self) -> None:
        """Kill it, as `kill -9` does."""
        self._process.kill()
        self._process.wait()


class PostgreSQLServer:
    """A PostgreSQL server on a socket in a directory, which can be stopped at once."""

    def __init__(self, home: Path) -> None:
        self.url = f"postgresql://loopin@/postgres?host={home}"
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
        self._path = os.pathsep.join([os.environ["PATH"], *map(str, found[-1:])])
        # PostgreSQL refuses to run as root; its package made a user for it.
        self._user = "postgres" if os.getuid() == 0 else None
        self._home = home
        if self._user:
            shutil.chown(home, self._user)
        self._run("initdb", "-D", f"{home}/data", "-U", "loopin", "-A", "trust")
        self.start()

    def start(self) -> None:
        """Start to serve, after its recovery."""
        options = f"-k {self._home} -c listen_addresses=''"
        self._control("-w", "-o", options, "-l", f"{self._home}/log", "start")

    def stop_at_once(self) -> None:
        """Stop it at once, without a clean shutdown."""
        self._control("-m", "immediate", "stop")

    def _control(self, *what: str) -> None:
        self._run("pg_ctl", "-D", f"{self._home}/data", *what)

    def _run(self, program: str, *arguments: str) -> None:
        command = [shutil.which(program, path=self._path) or program, *arguments]
        subprocess.run(
            command, check=True, stdout=subprocess.DEVNULL, user=self._user, cwd=self._home
        )


@contextmanager
def postgresql() -> Iterator[PostgreSQLServer]:
    """A server that runs until the block ends."""
    with tempfile.TemporaryDirectory() as home:
        server = PostgreSQLServer(Path(home))
        try:
            yield server
        finally:
            server.stop_at_once()
