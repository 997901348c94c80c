"""How the program of each host is started, and where it reads its settings."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.hosts.model import TASK, Call

JSON = dict[str, Any]
# A file below the home directory, and what to add to it.
Written = tuple[str, JSON | str]


@dataclass(frozen=True)
class Host:
    """One host. Texts may name the address of the model, `{url}`, and the `{program}`."""

    arguments: tuple[str, ...]
    # A prompt, and all that users can add so as not to be asked anything.
    careless: tuple[str, ...]
    environment: dict[str, str]
    # The tool that runs a command, as the model knows it, and its argument.
    terminal: tuple[str, str]
    # The tool that writes a file, and the arguments for its path and text, if it has one.
    writer: tuple[str, str, str] | None
    # The name of a server's tool.
    tool: str
    # The calls that let another agent do a task, and wait for it.
    delegation: tuple[Call, ...]
    # A command to run before that tool runs, with its time limit in seconds.
    hook: Callable[[str, int], Written]
    # A server with its name, command, and variables of its environment.
    server: Callable[[str, str, dict[str, str]], Written]
    # The server `loopin` at a URL, whose token is in LOOPIN_MCP_TOKEN.
    at_url: Callable[[str], Written]
    files: dict[str, JSON] = field(default_factory=dict)


def claude_hooks(command: str, timeout_s: int) -> JSON:
    """The hooks of Claude Code, which Codex has too, in their oldest form."""
    hook = {"type": "command", "command": command, "timeout": timeout_s}
    return {"hooks": {"PreToolUse": [{"matcher": "Bash", "hooks": [hook]}]}}


def copilot_hooks(command: str, timeout_s: int) -> JSON:
    """The hooks of Copilot CLI."""
    hook = {"type": "command", "matcher": "Bash", "bash": command, "timeoutSec": timeout_s}
    return {"version": 1, "hooks": {"PreToolUse": [hook]}}


def gemini_hooks(command: str, timeout_s: int) -> JSON:
    """The hooks of Gemini CLI."""
    hook = {"type": "command", "name": "loopin", "command": command, "timeout": timeout_s * 1000}
    return {"hooks": {"BeforeTool": [{"matcher": "run_shell_command", "hooks": [hook]}]}}


def servers(name: str, command: str, environment: dict[str, str], **more: object) -> JSON:
    """The servers of most hosts."""
    return {"mcpServers": {name: {"command": command, "env": environment, **more}}}


def at_url(url: str, key: str = "url", token: str = "$LOOPIN_MCP_TOKEN", **more: object) -> JSON:  # noqa: S107 - the name of one
    """The server at a URL, as most hosts have it."""
    entry = {key: url, "headers": {"Authorization": f"Bearer {token}"}, **more}
    return {"mcpServers": {"loopin": entry}}


def codex_at_url(url: str) -> str:
    """The server at a URL, as Codex has it."""
    return f'''
[mcp_servers.loopin]
url = "{url}"
bearer_token_env_var = "LOOPIN_MCP_TOKEN"
required = true
'''


def codex_servers(name: str, command: str, environment: dict[str, str]) -> str:
    """The servers of Codex."""
    variables = ", ".join(f'{key} = "{value}"' for key, value in environment.items())
    return f'''
[mcp_servers.{name}]
command = "{command}"
env = {{{variables}}}
required = true
'''


def _wait_for_agent(results: list[str]) -> JSON:
    """What Codex needs to wait for the agent that it has just started."""
    return {"targets": [json.loads(json.loads(results[0]))["agent_id"]]}


HOSTS = {
    "claude-code": Host(
        arguments=("-p", "--output-format=json"),
        careless=("Go", "--dangerously-skip-permissions"),
        environment={
            "ANTHROPIC_BASE_URL": "{url}",
            "ANTHROPIC_API_KEY": "made-up",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "ENABLE_TOOL_SEARCH": "false",
            # It refuses to skip permissions as root, except in a sandbox.
            "IS_SANDBOX": "1",
        },
        terminal=("Bash", "command"),
        writer=("Write", "file_path", "content"),
        tool="mcp__{server}__{name}",
        delegation=(
            ("Agent", {"description": "Help", "prompt": TASK, "subagent_type": "general-purpose"}),
        ),
        hook=lambda *hook: (".claude/settings.json", claude_hooks(*hook)),
        server=lambda *server: (".claude.json", servers(*server)),
        at_url=lambda url: (
            ".claude.json",
            at_url(url, token="${LOOPIN_MCP_TOKEN}", type="http"),
        ),
    ),
    "codex": Host(
        arguments=(
            "exec",
            "--skip-git-repo-check",
            "--config=model=stand-in",
            "--config=model_provider=stand-in",
            "--config=model_providers.stand-in.name=stand-in",
            "--config=model_providers.stand-in.base_url={url}",
            "--config=model_providers.stand-in.wire_api=responses",
            "--config=check_for_update_on_startup=false",
            "--config=analytics.enabled=false",
        ),
        careless=(
            "Go",
            "--dangerously-bypass-approvals-and-sandbox",
            # Its users trust a hook in the terminal.
            "--dangerously-bypass-hook-trust",
        ),
        environment={},
        terminal=("exec_command", "cmd"),
        writer=None,
        tool="mcp__{server}.{name}",
        delegation=(
            ("multi_agent_v1.spawn_agent", {"message": TASK}),
            ("multi_agent_v1.wait_agent", _wait_for_agent),
        ),
        hook=lambda *hook: (".codex/hooks.json", claude_hooks(*hook)),
        server=lambda *server: (".codex/config.toml", codex_servers(*server)),
        at_url=lambda url: (".codex/config.toml", codex_at_url(url)),
    ),
    "copilot": Host(
        arguments=(),
        careless=("-p", "Go", "--allow-all"),
        environment={
            "COPILOT_OFFLINE": "true",
            "COPILOT_AUTO_UPDATE": "false",
            # Otherwise it unpacks 235 MB into each home.
            "COPILOT_PKG_CACHE_HOME": "{program}.unpacked",
            "COPILOT_PROVIDER_BASE_URL": "{url}",
            "COPILOT_PROVIDER_TYPE": "anthropic",
            "COPILOT_PROVIDER_API_KEY": "made-up",
            "COPILOT_MODEL": "claude-sonnet-4",
        },
        terminal=("bash", "command"),
        writer=("create", "path", "file_text"),
        tool="{server}-{name}",
        delegation=(
            (
                "task",
                {
                    "agent_type": "general-purpose",
                    "name": "help",
                    "description": "Help",
                    "prompt": TASK,
                    "mode": "sync",
                },
            ),
        ),
        hook=lambda *hook: (".copilot/hooks/loopin.json", copilot_hooks(*hook)),
        server=lambda *server: (
            ".copilot/mcp-config.json",
            servers(*server, type="local", tools=["*"]),
        ),
        at_url=lambda url: (
            ".copilot/mcp-config.json",
            at_url(url, token="${LOOPIN_MCP_TOKEN}", type="http", tools=["*"]),
        ),
    ),
    "gemini": Host(
        arguments=("-m", "gemini-2.5-flash"),
        careless=("-p", "Go", "--yolo"),
        environment={
            "GOOGLE_GEMINI_BASE_URL": "{url}",
            "GEMINI_API_KEY": "made-up",
            "GEMINI_CLI_TRUST_WORKSPACE": "true",
        },
        terminal=("run_shell_command", "command"),
        writer=("write_file", "file_path", "content"),
        tool="mcp_{server}_{name}",
        delegation=(("invoke_agent", {"agent_name": "generalist", "prompt": TASK}),),
        hook=lambda *hook: (".gemini/settings.json", gemini_hooks(*hook)),
        server=lambda *server: (".gemini/settings.json", servers(*server)),
        at_url=lambda url: (".gemini/settings.json", at_url(url, "httpUrl")),
        files={
            ".gemini/settings.json": {
                "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False},
                "privacy": {"usageStatisticsEnabled": False},
                "security": {"auth": {"selectedType": "gemini-api-key"}},
            }
        },
    ),
}
