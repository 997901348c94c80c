"""The programs of the hosts, in pinned versions from npm, kept in a cache.

`python -m tests.hosts.programs` downloads those that are missing and prints where they are.
"""

import base64
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.support import missing

DOWNLOAD_TIMEOUT_S = 240
TYPESCRIPT = Path(__file__).parent / "typescript"


@dataclass(frozen=True)
class Program:
    """What to download, which files to keep of it, and which one to start."""

    package: str
    sha512: str
    kept: str
    started: str
    # Install the packages that it depends on, none of them newer than this day.
    dependencies: str = ""

    def place(self, cache: Path) -> Path:
        """Where it is in a cache; another version or hash has another place."""
        name = self.package.strip("@").replace("/", "-")
        pinned = self.sha512 + self.dependencies
        return cache / f"{name}-{hashlib.sha256(pinned.encode()).hexdigest()[:12]}"

    def command(self, cache: Path) -> list[str]:
        """How to start it, once it is there."""
        program = str(self.place(cache) / self.started)
        return [program] if not program.endswith(".js") else [which("node"), program]

    def fetch(self, cache: Path) -> None:
        """Download it unless it is there; what is there is complete and was checked."""
        if self.place(cache).exists():
            return
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as place:
            archive = Path(place) / self._pack(place)
            self._check(archive)
            with tarfile.open(archive) as package:
                kept = [item for item in package if fnmatch(item.name, f"package/{self.kept}")]
                package.extractall(place, kept, filter="data")
            unpacked = Path(place) / "package"
            if self.dependencies:
                self._install(unpacked)
            try:
                unpacked.rename(self.place(cache))
            except OSError:
                # Another process was faster.
                assert self.place(cache).exists()

    def _pack(self, place: str) -> str:
        command = [which("npm"), "pack", "--silent", "--pack-destination", place, self.package]
        packed = subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=DOWNLOAD_TIMEOUT_S
        )
        return packed.stdout.strip()

    def _install(self, unpacked: Path) -> None:
        """Install what it depends on, without running any scripts of those packages."""
        command = [which("npm"), "install", "--silent", "--omit=dev", "--ignore-scripts"]
        command += ["--no-package-lock", "--before", self.dependencies]
        subprocess.run(command, check=True, cwd=unpacked, timeout=DOWNLOAD_TIMEOUT_S)

    def _check(self, archive: Path) -> None:
        with archive.open("rb") as data:
            digest = hashlib.file_digest(data, "sha512").digest()
        if base64.b64encode(digest).decode() != self.sha512:
            raise ValueError(f"{self.package} is not what was pinned")


PROGRAMS = {
    "claude-code": Program(
        "@anthropic-ai/claude-code-linux-x64@2.1.332",
        "f4JWhzwYutJIHScC7/dYOPX6s28tt7ZADhsOi8zwOHq5fFPEuUeChh2NMfinSg0GrUckYxaeebC4h0DqiKzLcw==",
        kept="claude",
        started="claude",
    ),
    "codex": Program(
        "@openai/codex@0.171.0-linux-x64",
        "l66NZkQgdk2C3pbcfULDz42yEUB581MVA6I+Y43Wp4OIqEy73HCdmZ0GTjeAHY2ycuH4N00d9VsLrwT1jxshTw==",
        kept="vendor/x86_64-unknown-linux-musl/bin/codex",
        started="vendor/x86_64-unknown-linux-musl/bin/codex",
    ),
    "copilot": Program(
        "@github/copilot-linux-x64@1.0.102",
        "eGHPbsP0p2QgfVZCjtbGBFZPBOJQ0DN7xIbBRAo7oG8b1zfLirQIdfI4h8Iy68Dv2cKJGJZg2/EO7W7KpIMJOw==",
        kept="copilot",
        started="copilot",
    ),
    "gemini": Program(
        "@google/gemini-cli@0.61.0",
        "dbQ9A0qBtFJNi6XBkHvfZ6Azpn6PNgH/P8h2MZ67RLlX8hSAVjup39CRWqdRxZv7YXIuhrFaytr8y0jKnkoxnQ==",
        kept="*",
        started="bundle/gemini.js",
    ),
}


def which(name: str) -> str:
    """A program of this machine; skips the test if it is missing."""
    return shutil.which(name) or missing(f"{name} of Node.js 20 or newer")


def cache_of(environment: os._Environ[str]) -> Path:
    """The directory of the programs."""
    return Path(environment.get("HOSTS_CACHE") or Path.home() / ".cache" / "loopin-mcp-hosts")


def fetched(name: str, cache: Path) -> list[str]:
    """How to start a host's program, which is downloaded if it is missing."""
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        missing("A program for this kind of machine")
    PROGRAMS[name].fetch(cache)
    return PROGRAMS[name].command(cache)


def typescript_client(cache: Path) -> list[str]:
    """How to start the client of the TypeScript SDKs, which are installed if they are missing."""
    npm, node = which("npm"), which("node")
    lock = (TYPESCRIPT / "package-lock.json").read_bytes()
    place = cache / f"typescript-{hashlib.sha256(lock).hexdigest()[:12]}"
    if not place.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as draft:
            shutil.copytree(TYPESCRIPT, draft, dirs_exist_ok=True)
            command = [npm, "ci", "--silent", "--ignore-scripts", "--no-audit", "--prefix", draft]
            subprocess.run(command, check=True, timeout=DOWNLOAD_TIMEOUT_S)
            shutil.copytree(draft, place)
    # The program is that of this checkout, and finds the SDKs beside it.
    shutil.copy(TYPESCRIPT / "client.mjs", place)
    return [node, str(place / "client.mjs")]


def main() -> None:
    """Download what is missing; if this machine cannot run it, the tests say so."""
    with suppress(pytest.skip.Exception):
        for name in PROGRAMS:
            sys.stdout.write(" ".join(fetched(name, cache_of(os.environ))) + "\n")
        sys.stdout.write(" ".join(typescript_client(cache_of(os.environ))) + "\n")


if __name__ == "__main__":
    main()
