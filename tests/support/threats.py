"""The set-ups in the table of docs/security.md, each with an attacker."""

import contextlib
import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import ServedAPI
from tests.support.host import Host, initialize

SETUPS = (
    "Embedded",
    "… without `decide_interrupt`",
    "… with `LOOPIN_REVIEWER_KEYS`",
    "API elsewhere",
    "… with `LOOPIN_REVIEWER_KEYS`",
)
_WITHOUT_DECIDING = {
    "LOOPIN_TOOLS": "create_interrupt,get_interrupt_status,list_pending_interrupts,"
    "cancel_interrupt,get_interrupt_analytics"
}


@dataclass
class Setup:
    """A set-up with an agent in it. Its human signs in with `humans_key`.

    `found_here` are the keys that a shell on the agent's account finds.
    """

    host: Host
    agents_key: str
    humans_key: str
    found_here: list[str]

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
        """The result of a tool."""
        result = self.host.ask("tools/call", {"name": tool, "arguments": arguments})
        answer: dict[str, Any] = result.get("result") or result["error"]
        return answer

    def ask_human(self) -> tuple[str, str]:
        """Create an interrupt; returns its id and its review link."""
        arguments = {"action": "Pay", "context": {"amount": 1}, "userId": "u"}
        created = self.call("create_interrupt", **arguments)["structuredContent"]
        return created["interruptId"], created["reviewUrl"]

    def status_of(self, interrupt_id: str) -> dict[str, Any]:
        """The interrupt as its agent sees it."""
        read = self.call("get_interrupt_status", interruptId=interrupt_id, waitSeconds=0)
        status: dict[str, Any] = read["structuredContent"]
        return status


def fresh_key() -> str:
    """A key that no other program on this machine has."""
    return secrets.token_hex(16)


@contextlib.contextmanager
def embedded(data_dir: Path, **settings: str) -> Iterator[Setup]:
    """A host on the human's machine."""
    host = Host(LOOPIN_DATA_DIR=str(data_dir), LOOPIN_PORT="0", **settings)
    initialize(host)
    # The API starts with the first call.
    host.ask("tools/call", {"name": "list_pending_interrupts", "arguments": {"userId": "u"}})
    key = (data_dir / "api-key").read_text().strip()
    reviewers = re.findall("=(.+)", settings.get("LOOPIN_REVIEWER_KEYS", ""))
    yield Setup(host, key, [*reviewers, key][0], [*reviewers, key])
    host.close()


@contextlib.contextmanager
def elsewhere(data_dir: Path, **settings: str) -> Iterator[Setup]:
    """A host that uses an API on another machine, which has `settings`."""
    key = fresh_key()
    served = ServedAPI(data_dir, {"API_KEY_SECRET": key, **settings})
    host = Host(LOOPIN_API_URL=served.url, LOOPIN_API_KEY=key)
    initialize(host)
    reviewers = re.findall("=(.+)", settings.get("LOOPIN_REVIEWER_KEYS", ""))
    yield Setup(host, key, [*reviewers, key][0], [key])
    host.close()
    served.stop()


def running(column: int, data_dir: Path) -> contextlib.AbstractContextManager[Setup]:
    """The set-up of one column of the table."""
    reviewers = {"LOOPIN_REVIEWER_KEYS": f"alice={fresh_key()}"}
    return (
        embedded(data_dir),
        embedded(data_dir, **_WITHOUT_DECIDING),
        embedded(data_dir, **reviewers),
        elsewhere(data_dir),
        elsewhere(data_dir, **reviewers),
    )[column]


def is_root() -> bool:
    """Whether programs can be run as another user."""
    return hasattr(os, "getuid") and os.getuid() == 0
