"""An API in its own process, with its memory, files and processor time."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

from loopin_mcp.settings.settings import Settings

API = "from loopin_mcp.cli import main; main(['api'])"
# Ignores `Prefer: wait` like LoopIn 1.0, so that it has to be polled.
PLAIN_API = (
    "import loopin_mcp.api.rest.interrupts as i; i.preferred_wait_s = lambda _: None; " + API
)


# Unsets the settings of the shell; an empty one counts as unset.
OF_SHELL = [setting.metadata["variable"] for setting in fields(Settings)]
ENVIRONMENT = os.environ | dict.fromkeys(OF_SHELL, "")


@dataclass(frozen=True)
class Served:
    """A running API."""

    url: str
    pid: int

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.url.rpartition(":")[2])

    @property
    def memory_kb(self) -> int:
        """Its resident memory, in KiB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+)", status)
        assert found is not None
        return int(found[1])

    @property
    def files(self) -> int:
        """How many files and connections it has open."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    @property
    def cpu_s(self) -> float:
        """The processor time it has used, in seconds."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def serving(program: str = API, **more: str) -> Iterator[Served]:
    """An API on a free port, with an empty SQLite database unless `more` settings name another."""
    with tempfile.TemporaryDirectory() as data_dir:
        settings = {
            "PORT": "0",
            "LOOPIN_DATA_DIR": data_dir,
            "LOOPIN_OPEN_REVIEW": "off",
            "RATE_LIMIT": "999999999",
        }
        process = subprocess.Popen(
            [sys.executable, "-c", program],
            env=ENVIRONMENT | settings | more,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stderr is not None
            found = re.search(r"http://\S+", process.stderr.readline())
            assert found is not None
            yield Served(found[0], process.pid)
        finally:
            process.terminate()
            process.communicate()


def share(values: list[float], part: float) -> float:
    """The value at this share of the sorted samples (nearest rank)."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(part * len(ranked)))]
