"""The set-ups in the table of docs/security.md, each with an attacker."""

import contextlib
import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import START_TIMEOUT_S, ServedAPI, clean_environment
from tests.support.host import Host, initialize

SETUPS = (
    "Embedded",
    "… without `decide_interrupt`",
    "… with `LOOPIN_REVIEWER_KEYS`",
    "API elsewhere",
    "… with `LOOPIN_REVIEWER_KEYS`",
    "Embedded, for a held call",
)
GATE = (sys.executable, "-m", "loopin_mcp", "gate")
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


@dataclass
class Held(Setup):
    """A set-up in which the human is asked about calls that a host holds, of one session."""

    data_dir: Path
    session: str = "0123456789"

    def hold(
        self,
        command: str,
        *options: str,
        hook: tuple[str, ...] = GATE,
        **settings: str,
    ) -> subprocess.CompletedProcess[str]:
        """Run the hook of a host that is about to run a command."""
        event = {
            "session_id": self.session,
            "cwd": "/project",
            "hook_event_name": "PreToolUse",
            "tool_name": "Bash",
            "tool_input": {"command": command},
        }
        usual = {
            "LOOPIN_DATA_DIR": str(self.data_dir),
            "LOOPIN_PORT": "0",
            "LOOPIN_USER_ID": "u",
        }
        return subprocess.run(
            [*hook, *options],
            env=clean_environment(**usual | settings),
            input=json.dumps(event),
            capture_output=True,
            text=True,
            timeout=START_TIMEOUT_S,
            check=False,
        )

    def ask_human(self) -> tuple[str, str]:
        """Let the host hold a call; returns the id and the review link of the request."""
        self.hold(f"echo {fresh_key()}", "--defer")
        return self.newest()

    def newest(self) -> tuple[str, str]:
        """The id and the review link of the latest request that waits."""
        listed = self.call("list_pending_interrupts", userId="u")["structuredContent"]
        return listed["interrupts"][0]["interruptId"], listed["interrupts"][0]["reviewUrl"]


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


@contextlib.contextmanager
def held(data_dir: Path) -> Iterator[Held]:
    """A host with the gate on the human's machine."""
    with embedded(data_dir) as setup:
        yield Held(**vars(setup), data_dir=data_dir)


def running(column: int, data_dir: Path) -> contextlib.AbstractContextManager[Setup]:
    """The set-up of one column of the table."""
    reviewers = {"LOOPIN_REVIEWER_KEYS": f"alice={fresh_key()}"}
    return (
        embedded(data_dir),
        embedded(data_dir, **_WITHOUT_DECIDING),
        embedded(data_dir, **reviewers),
        elsewhere(data_dir),
        elsewhere(data_dir, **reviewers),
        held(data_dir),
    )[column]


def is_root() -> bool:
    """Whether programs can be run as another user."""
    return hasattr(os, "getuid") and os.getuid() == 0
