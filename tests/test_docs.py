"""The documentation against the code: tables, links, snippets and commands."""

import base64
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio
import pytest
from click.testing import CliRunner
from mcp import Client, StdioServerParameters

from loopin_mcp import Decision, Interrupt
from loopin_mcp.api.rest.openapi import openapi_document
from loopin_mcp.cli import main
from loopin_mcp.mcp_server.prompts import prompts_for
from loopin_mcp.mcp_server.tools import TOOLS
from loopin_mcp.settings.settings import TOOLS as TOOL_NAMES
from loopin_mcp.settings.settings import Settings
from tests.support import KEY, START_TIMEOUT_S, clean_environment, missing, run_agent
from tests.test_architecture import MAY_IMPORT

PROJECT = Path(__file__).parents[1]
DOCUMENTS = ("*.md", "docs/*.md", "bench/*.md")
PAGES = {
    str(path.relative_to(PROJECT)): path.read_text(encoding="utf-8")
    for path in sorted(p for pattern in DOCUMENTS for p in PROJECT.glob(pattern))
}
SECURITY, SETTINGS, TOOL_PAGE = (
    PAGES[f"docs/{name}.md"] for name in ("security", "settings", "tools")
)
EXAMPLE_CONFIG = json.loads((PROJECT / "claude_desktop_config.example.json").read_text("utf-8"))

VARIABLES = {setting.metadata["variable"] for setting in fields(Settings)}
HOME = "git+https://github.com/loopin-mcp/loopin-mcp"
COMMANDS = (
    ["uvx", "--from", HOME, "loopin-mcp"],
    ["uvx", "--from", f"loopin-mcp[notify] @ {HOME}", "loopin-mcp"],
)
HOST_KEYS = {"mcpServers", "servers", "context_servers"}

every_page = pytest.mark.parametrize("name", PAGES)


def table(page: str, first_column: str) -> list[list[str]]:
    """The rows of all tables whose first heading is this."""
    found = re.findall(rf"^\| {first_column} \|.*\n\|[-|]+\n((?:\|.*\n)+)", page, re.MULTILINE)
    assert found, f"no table of {first_column}"
    return [line.strip("| ").split(" | ") for line in "".join(found).splitlines()]


SETTINGS_TABLE = table(SETTINGS, "Variable")


def snippets(page: str, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.DOTALL | re.MULTILINE)


def code(page: str) -> str:
    """The shell blocks, and the code spans outside of blocks, one per line."""
    prose = re.sub(r"^```.*?^```", "", page, flags=re.DOTALL | re.MULTILINE)
    return "\n".join([*snippets(page, "sh"), *re.findall(r"`([^`\n]+)`", prose)])


def anchors(page: str) -> set[str]:
    """The fragments that lead to a page's headings."""
    headings = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_tool_table_lists_every_tool_with_its_arguments() -> None:
    documented = {
        name.strip("`"): re.findall(r"`(\w+)`(\*?)", arguments)
        for name, _, arguments in table(TOOL_PAGE, "Tool")
    }

    assert documented == {
        name: [
            (argument, "*" if argument in tool.parameters.get("required", []) else "")
            for argument in tool.parameters["properties"]
        ]
        for name, tool in TOOLS.items()
    }


def test_prompt_table_lists_every_prompt_with_its_arguments() -> None:
    documented = {
        name.strip("`"): re.findall(r"`(\w+)`(\*?)", arguments)
        for name, _, arguments in table(TOOL_PAGE, "Prompt")
    }

    assert documented == {
        prompt.name: [
            (argument.name, "*" if argument.required else "") for argument in prompt.arguments or []
        ]
        for prompt in prompts_for(TOOL_NAMES)
    }


def test_every_setting_is_documented_once_with_its_default() -> None:
    rows = [(re.findall(r"`(\w+)`", names), default) for names, default, _ in SETTINGS_TABLE]
    documented = [(name, default) for (name, *_), default in rows]
    # The table shows the defaults on a desktop.
    settings = Settings.load({"DISPLAY": ":0"})
    plain = {
        setting.metadata["variable"]: f"`{value:g}`" if isinstance(value, float) else f"`{value}`"
        for setting in fields(Settings)
        if isinstance(value := getattr(settings, setting.name), str | int | float)
    }

    assert sorted(name for name, _ in documented) == sorted(VARIABLES)
    assert {name: default for name, default in documented if name in plain} == plain
    assert all(default for _, default in documented)
    assert sorted(name for names, _ in rows for name in names) == sorted(Settings.all_variables())


def test_settings_are_documented_on_one_page() -> None:
    pages = [
        name for name, page in PAGES.items() if re.search(r"^\| Variable \|", page, re.MULTILINE)
    ]

    assert pages == ["docs/settings.md"]


def test_table_of_calls_is_what_the_api_serves() -> None:
    documented = {row[0].strip("`") for row in table(PAGES["docs/api.md"], "Call")}

    assert documented == {
        f"{method.upper()} {path}"
        for path, calls in openapi_document(keyed=True)["paths"].items()
        for method in calls
    }


def test_contributing_names_every_folder() -> None:
    rows = "".join(row[0] for row in table(PAGES["CONTRIBUTING.md"], "Folder"))
    named = {name.removesuffix(".py").strip("/") for name in re.findall(r"`([^`]+)`", rows)}

    assert named == {name.replace(".", "/") for name in MAY_IMPORT} - {"__main__"}


@every_page
def test_variables_that_are_mentioned_exist(name: str) -> None:
    mentioned = set(re.findall(r"\b(?:LOOPIN_[A-Z_]+|API_KEY\w+|DATABASE_\w+)", PAGES[name]))

    assert mentioned <= {*Settings.all_variables()}


@every_page
def test_links_within_the_project_lead_somewhere(name: str) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", PAGES[name])

    lost = []
    for path, _, anchor in (target.partition("#") for target in targets if ":" not in target):
        file = (PROJECT / name).parent / path if path else PROJECT / name
        if not file.exists() or (anchor and anchor not in anchors(file.read_text("utf-8"))):
            lost.append(f"{path}#{anchor}")
    assert lost == []


def configurations(page: str) -> list[tuple[str, Any]]:
    """The configurations of hosts that a page shows, each with its key."""
    shown = [json.loads(snippet) for snippet in snippets(page, "json")]
    return [(key, each[key]) for each in shown for key in HOST_KEYS & each.keys()]


@pytest.mark.parametrize("name", ["docs/hosts.md", "docs/notifications.md"])
def test_json_snippets_configure_a_command_that_exists(name: str) -> None:
    found = configurations(PAGES[name])

    assert found
    for entry in (servers["loopin"] for _, servers in found if "url" not in servers["loopin"]):
        assert [entry["command"].rpartition("/")[2], *entry["args"]] in COMMANDS
        Settings.load({k: v for k, v in entry.get("env", {}).items() if "${" not in v})


def test_entries_with_a_url_name_the_server_and_a_token_that_is_filled_in() -> None:
    page = PAGES["docs/hosts.md"]
    shown = [servers["loopin"] for _, servers in configurations(page)]
    shown += [
        json.loads(f"{{{entry}}}")["loopin"] for entry in re.findall(r'`("loopin": .+?)`', page)
    ]
    with_url = [entry for entry in shown if "command" not in entry]

    assert len(with_url) == 4
    for entry in with_url:
        assert entry.get("url", entry.get("httpUrl")) == "http://127.0.0.1:3003/mcp"
        assert entry["headers"]["Authorization"].startswith("Bearer ")


def test_toml_snippets_configure_a_command_that_exists() -> None:
    shown = [tomllib.loads(snippet) for snippet in snippets(PAGES["docs/hosts.md"], "toml")]
    codex, vibe = (each["mcp_servers"] for each in shown)

    for entry in (codex["loopin"], *vibe):
        assert [entry["command"], *entry["args"]] == COMMANDS[0]
    allowed = {name for name, tool in codex["loopin"]["tools"].items() if tool["approval_mode"]}
    assert allowed < set(TOOLS)
    assert "decide_interrupt" not in allowed


def test_json_snippets_are_configurations_or_permissions() -> None:
    others = [
        shown
        for snippet in snippets(PAGES["docs/hosts.md"], "json")
        if not HOST_KEYS & (shown := json.loads(snippet)).keys()
    ]

    [permissions] = [each["permissions"] for each in others]
    named = [rule.removeprefix("mcp__loopin__") for rules in permissions.values() for rule in rules]
    assert set(named) <= TOOLS.keys()
    assert "decide_interrupt" not in "".join(permissions["allow"])


@every_page
def test_files_that_are_named_exist(name: str) -> None:
    folders = "tests|bench|examples|packaging"
    named = re.findall(rf"(?<![\w./-])((?:{folders})/[\w/.-]*\w)", code(PAGES[name]))

    assert [path for path in named if not (PROJECT / path).exists()] == []


@every_page
def test_shell_blocks_set_the_variables_they_use(name: str) -> None:
    given: set[str] = set()
    missing_ones = []
    for snippet in snippets(PAGES[name], "sh"):
        given |= set(re.findall(r"(?:^|\s)([A-Z_]+)=", snippet))
        used = re.findall(r"\$\{?([A-Z_]+)", snippet)
        missing_ones += [variable for variable in used if variable not in given]
    assert missing_ones == []


@pytest.mark.subprocess
def test_settings_file_of_a_team_is_accepted(tmp_path: Path) -> None:
    if shutil.which("openssl") is None or shutil.which("bash") is None:
        missing("openssl")
    [snippet] = [each for each in snippets(PAGES["docs/team.md"], "sh") if "new_key()" in each]
    # Only root can give files to another user.
    here = re.sub(r"^install .*\n", "", snippet.replace("/etc/loopin", str(tmp_path)), flags=re.M)

    subprocess.run(["bash", "-e", "-c", here], timeout=START_TIMEOUT_S, check=True)  # noqa: S607

    lines = (tmp_path / "loopin.env").read_text("utf-8").splitlines()
    settings = Settings.load(dict(line.split("=", 1) for line in lines), "api")
    assert settings.api_key_secret is not None
    assert [*(settings.reviewer_keys or {})] == ["alice", "bob"]
    assert settings.callback_secret is not None


def test_callback_snippet_is_a_decided_interrupt() -> None:
    [snippet] = snippets(PAGES["docs/api.md"], "json")
    body = json.loads(snippet)

    interrupt = Interrupt.model_validate({"action": "", **body})

    assert interrupt.model_dump(mode="json", by_alias=True) == {"action": "", **body}


@pytest.mark.parametrize("name", ["README.md", "docs/hosts.md"])
def test_install_links_carry_the_example_configuration(name: str) -> None:
    links = re.findall(r"\((https://\S+?/install-mcp\S+|https://\S+?/install\?\S+)\)", PAGES[name])

    configurations = [parse_qs(urlsplit(link).query)["config"][0] for link in links]

    cursor, code = configurations
    expected = EXAMPLE_CONFIG["mcpServers"]["loopin"]
    assert [json.loads(base64.b64decode(cursor)), json.loads(code)] == [expected, expected]


def test_every_command_is_documented_with_options_it_has() -> None:
    everything = "\n".join(code(page) for page in PAGES.values())
    calls = {
        tuple(words.split())
        for words in re.findall(r"(?<![\w/])loopin[-_]mcp((?: +[a-z-][\w-]*)*)", everything)
    }

    # Click reads the whole line before it shows the help, and refuses what it does not know.
    refused = [call for call in calls if CliRunner().invoke(main, [*call, "--help"]).exit_code]

    assert refused == []
    assert {call[0] for call in calls if call} >= main.commands.keys()


@every_page
def test_make_targets_exist(name: str) -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")

    mentioned = set(re.findall(r"\bmake ([a-z-]+)", code(PAGES[name])))

    assert mentioned <= set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))


AGENTS = [
    snippet
    for page in PAGES.values()
    for snippet in snippets(page, "python")
    if "LoopinClient" in snippet
]


@pytest.mark.parametrize("snippet", AGENTS)
async def test_python_snippet_does_what_a_human_approved(
    snippet: str, serve: Callable[..., str]
) -> None:
    api_url = serve(API_KEY_SECRET=KEY)

    changed = Decision(decision="approved", modified_params={"servers": 5})
    printed = await run_agent(["-c", snippet], api_url, changed)

    assert printed.endswith("\nDeploying {'build': 118, 'servers': 5}\n")


@pytest.mark.parametrize(
    ("name", "status"), [("docs/agents.md", "pending"), ("docs/api.md", "approved")]
)
def test_curl_snippet_gets_an_answer(
    name: str, status: str, serve: Callable[..., str], tmp_path: Path
) -> None:
    if shutil.which("curl") is None or shutil.which("sh") is None:
        missing("curl")
    [snippet] = [snippet for snippet in snippets(PAGES[name], "sh") if "curl" in snippet]
    address = {
        "LOOPIN_API_URL": serve(API_KEY_SECRET=KEY, CALLBACK_ALLOW="127.0.0.1"),
        "LOOPIN_API_KEY": KEY,
    }

    answer = subprocess.run(
        ["sh", "-e", "-c", snippet],  # noqa: S607 - the shell that a reader has
        env=clean_environment(**address, no_proxy="127.0.0.1"),
        cwd=tmp_path,
        capture_output=True,
        timeout=START_TIMEOUT_S,
        check=True,
    )

    assert json.loads(answer.stdout)["status"] == status


@pytest.mark.subprocess
async def test_example_configuration_offers_six_tools(tmp_path: Path) -> None:
    entry = EXAMPLE_CONFIG["mcpServers"]["loopin"]
    assert [entry["command"], *entry["args"]] == COMMANDS[0]
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "loopin_mcp"], env=clean_environment(HOME=str(tmp_path))
    )

    with anyio.fail_after(START_TIMEOUT_S):
        async with Client(server) as host:
            offered = await host.list_tools()

    assert [tool.name for tool in offered.tools] == list(TOOLS)
    assert len(TOOLS) == 6
