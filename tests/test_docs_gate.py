"""docs/gate.md and docs/hosts.md against the installer."""

import re
import shlex
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from loopin_mcp.cli import main
from loopin_mcp.gate.dialects import read_event
from loopin_mcp.install.hosts import HOSTS, Hooks
from loopin_mcp.install.reading import read_entry, read_gate_hooks
from tests.support.installing import HOOKS, machine
from tests.test_docs import PAGES, snippets, table

WITH_HOOKS = {host.title: host.hooks for host in HOSTS.values() if host.hooks}
WITHOUT_HOOKS = {host.title for host in HOSTS.values() if not host.hooks}


def events(hooks: Hooks) -> list[list[str]]:
    return [[event for event, _ in hooks.calls], [hooks.prompts] if hooks.prompts else []]


def test_gate_page_names_the_events_of_each_host() -> None:
    rows = table(PAGES["docs/gate.md"], "Host")
    documented = {
        host: [re.findall(r"`(\w+)`", cell) for cell in cells] for host, *cells, _ in rows
    }

    assert documented == {title: events(hooks) for title, hooks in WITH_HOOKS.items()}


def test_hosts_page_names_the_gates_and_files_of_each_host() -> None:
    [*rows, without] = table(PAGES["docs/hosts.md"].partition("## Command")[0], "Host")

    assert {host: re.findall("`(prompts|calls)`", gates) for host, _, _, gates in rows} == {
        title: ["prompts", "calls"] if hooks.prompts else ["calls"]
        for title, hooks in WITH_HOOKS.items()
    }
    titles = {host.title: host.id for host in HOSTS.values()}
    assert {titles[host]: file.strip("`~/") for host, _, file, _ in rows} == HOOKS
    assert set(without[0].split(", ")) == WITHOUT_HOOKS


def test_event_to_try_the_gate_with_is_one() -> None:
    [text] = [text for text in snippets(PAGES["docs/gate.md"], "sh") if "echo" in text]
    words = shlex.split(text)

    call = read_event(words[1]).call

    assert (words[0], words[2:]) == ("echo", ["|", "loopin-mcp", "gate"])
    assert (call.agent, call.tool, call.input) == ("Claude Code", "Bash", {"command": "ls"})


def test_ci_job_installs_the_gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [text] = snippets(PAGES["docs/gate.md"], "yaml")
    [job] = yaml.safe_load(text)["jobs"].values()
    [step] = [step for step in job["steps"] if "--key" in step.get("run", "")]
    assert step["env"].keys() == {"LOOPIN_API_URL", "LOOPIN_API_KEY"}
    pipe, _, command = step["run"].partition(" | ")
    words = shlex.split(command.replace("$LOOPIN_API_URL", "https://loopin.example.com"))
    monkeypatch.setenv("HOME", str(tmp_path))

    done = CliRunner().invoke(main, words[1:], input="the-key-of-the-agents\n")

    assert (pipe, words[0], done.exit_code) == ("printenv LOOPIN_API_KEY", "loopin-mcp", 0)
    [hook] = read_gate_hooks(HOSTS["claude-code"], machine(tmp_path))
    assert (hook.event, hook.fails_closed) == ("PreToolUse", True)
    assert (read_entry(HOSTS["claude-code"], machine(tmp_path)) or {})["env"] == {
        "LOOPIN_API_URL": "https://loopin.example.com",
        "LOOPIN_API_KEY": "the-key-of-the-agents",
        "LOOPIN_USER_ID": "release-team",
    }
