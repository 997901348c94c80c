"""A call of a tool that a host is about to make, and what the gate says about it."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from loopin_mcp.settings.settings import GATE_TOOLS, TOOLS
from loopin_mcp.wire.strict_json import canonical

if TYPE_CHECKING:
    from pydantic import JsonValue

Agent = Literal["Claude Code", "Codex", "Copilot", "Cursor", "Gemini CLI"]
JSONObject = dict[str, "JsonValue"]

# How each host names the tools of a server called loopin.
_OWN_PREFIX: Mapping[Agent, str] = {
    "Claude Code": "mcp__(?:plugin_loopin_)?loopin__",
    "Codex": "mcp__loopin__",
    "Copilot": "(?:mcp__loopin__|mcp_loopin_|loopin-)",
    "Cursor": "loopin/",
    "Gemini CLI": "mcp_loopin_",
}
_OWN_NAMES = "|".join((*TOOLS, *GATE_TOOLS))


@dataclass(frozen=True)
class ToolCall:
    """A call of `tool` with `input`, in a session of an agent that works in the directory `cwd`."""

    agent: Agent
    session: str
    tool: str
    input: JSONObject
    cwd: str = ""

    @property
    def digest(self) -> str:
        """The SHA-256 of the call, which every try of it in one session has."""
        return hashlib.sha256(
            canonical([self.session, self.tool, self.input, self.cwd]).encode()
        ).hexdigest()

    @property
    def is_own(self) -> bool:
        """Whether the tool is LoopIn's, so that asking about it would never end."""
        return re.fullmatch(_OWN_PREFIX[self.agent] + f"(?:{_OWN_NAMES})", self.tool) is not None


@dataclass(frozen=True)
class Verdict:
    """What the host may do, with the input that the human edited, if any."""

    kind: Literal["allow", "deny", "defer", "none"]
    reason: str = ""
    edited: JSONObject | None = None
