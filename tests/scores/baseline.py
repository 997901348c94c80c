"""What suites are expected to complain about: `baseline.toml`, each entry with its reason."""

import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path

_FILE = Path(__file__).with_name("baseline.toml")


def expected(suite: str) -> Mapping[str, str]:
    """What this suite is expected to complain about, and why."""
    entries: dict[str, str] = tomllib.loads(_FILE.read_text(encoding="utf-8"))[suite]
    return entries


def unexpected(found: Collection[str], entries: Collection[str]) -> list[str]:
    """Complaints that are not in the baseline, and entries of it that no complaint needs."""
    new = [f"complains about {name}" for name in sorted(found) if name not in entries]
    stale = [f"no longer complains about {name}" for name in entries if name not in found]
    return new + stale
