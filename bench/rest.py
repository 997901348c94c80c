"""How many creates, reads and decisions the API answers per second, beside the floor.

All servers are measured in turn, at each number of connections, several times. Needs wrk.

    python bench/rest.py [--rounds 3] [--seconds 3] [--beside 'COMMAND'] [--postgresql]
"""

import argparse
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from processes import API, ENVIRONMENT
from servers import postgresql

HERE = Path(__file__).parent
KEY = "a-key-for-the-benchmark-of-32-characters"
CONNECTIONS = (1, 16, 64)
CALLS = ("create", "get", "decide")
FLOOR, OURS = "floor", "loopin-mcp api"
API_COMMAND = [sys.executable, "-c", API]


@dataclass(frozen=True)
class Sample:
    """What wrk measured: answers per second, microseconds, and refused requests."""

    rate: float
    p50_us: float
    p99_us: float
    failed: float


Servers = dict[str, list[str]]
Samples = dict[tuple[str, str, int], list[Sample]]


@contextmanager
def served(command: list[str], settings: dict[str, str]) -> Iterator[str]:
    """The URL of a server, which it says in the first lines of its standard error."""
    process = subprocess.Popen(
        command, env=ENVIRONMENT | settings, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        found = next(filter(None, (re.search(r"http://\S+", line) for line in process.stderr)))
        yield found[0]
    finally:
        process.terminate()
        process.communicate()


def load(urls: list[str], call: str, ids: Path, connections: int, seconds: float) -> Sample:
    """Call a server as fast as it answers; its copies share the connections."""
    script = str(HERE / "wrk.lua")
    bounds = ["-t1", f"-c{max(1, connections // len(urls))}", f"-d{seconds:.0f}s", "-s", script]
    running = [
        subprocess.Popen(
            ["wrk", *bounds, url, "--", call, f"{ids}.{copy}", KEY],  # noqa: S607 - wherever it is
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for copy, url in enumerate(urls)
    ]
    said = [process.communicate()[1].split()[-4:] for process in running]
    rates, p50, p99, failed = (list(map(float, figures)) for figures in zip(*said, strict=True))
    return Sample(sum(rates), max(p50), max(p99), sum(failed))


def measure(servers: Servers, rounds: int, seconds: float) -> Samples:
    """The samples by server, call and number of connections."""
    samples: Samples = defaultdict(list)
    for _ in range(rounds):
        for connections in CONNECTIONS:
            with tempfile.TemporaryDirectory() as home:
                for call in CALLS:
                    for place, (name, urls) in enumerate(servers.items()):
                        sample = load(urls, call, Path(home) / str(place), connections, seconds)
                        samples[name, call, connections].append(sample)
    return samples


def report(names: list[str], samples: Samples) -> None:
    """Print the medians, and each rate beside the floor's in the same round."""
    print(f"{'':26} {'conn.':>5} {'per second (least to most)':>28}", end="")
    print(f" {'p50 ms':>8} {'p99 ms':>8} {'p99/p50':>8} {'of the floor':>13} {'failed':>7}")
    for call in CALLS:
        for connections in CONNECTIONS:
            for name in names:
                found = samples[name, call, connections]
                # The floor does less to decide than to create.
                beside = samples[FLOOR, "get" if call == "get" else "create", connections]
                print(f"{call:7}{name:19} {connections:5}", *_figures(found, beside))


def _figures(found: list[Sample], beside: list[Sample]) -> Iterator[str]:
    rates = [each.rate for each in found]
    p50_ms, p99_ms = (
        median(us) / 1000
        for us in ([each.p50_us for each in found], [each.p99_us for each in found])
    )
    spread = f"{median(rates):,.0f} ({min(rates):,.0f} to {max(rates):,.0f})"
    ratio = median(ours.rate / floor.rate for ours, floor in zip(found, beside, strict=True))
    yield f"{spread:>28} {p50_ms:8.2f} {p99_ms:8.2f} {p99_ms / p50_ms:8.1f}"
    yield f"{ratio:13.2f} {sum(each.failed for each in found):7.0f}"


def main() -> None:
    """Start all servers, measure them in turn, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--beside", action="append", default=[], metavar="COMMAND")
    parser.add_argument("--postgresql", action="store_true", help="also one and two copies on it")
    given = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("This benchmark needs wrk. On Debian: apt-get install wrk")
    with ExitStack() as stack:
        settings = {
            "PORT": "0",
            "LOOPIN_DATA_DIR": stack.enter_context(tempfile.TemporaryDirectory()),
            "LOOPIN_OPEN_REVIEW": "off",
            "RATE_LIMIT": "999999999",
            "API_KEY_SECRET": KEY,
        }

        def start(command: list[str], **more: str) -> str:
            return stack.enter_context(served(command, settings | more))

        servers = {
            FLOOR: [start([sys.executable, str(HERE / "floor.py")])],
            OURS: [start(API_COMMAND)],
        }
        servers |= {command: [start(shlex.split(command))] for command in given.beside}
        if given.postgresql:
            url = stack.enter_context(postgresql()).url
            copies = [start(API_COMMAND, DATABASE_URL=url) for _ in range(2)]
            servers |= {"PostgreSQL": copies[:1], "PostgreSQL, 2 copies": copies}
        report(list(servers), measure(servers, given.rounds, given.seconds))


if __name__ == "__main__":
    main()
