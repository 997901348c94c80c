"""What can happen to a call that a host holds, as docs/security.md has it, with the real gate."""

import json
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from urllib.parse import urljoin

import httpx
import pytest

from loopin_mcp.gate.calls import ToolCall
from loopin_mcp.gate.questions import question_about
from loopin_mcp.install.hook_lines import posix
from loopin_mcp.settings.settings import Settings
from tests.support.threats import GATE, Held, fresh_key, held
from tests.support.web import browse
from tests.test_docs import SECURITY, table

pytestmark = pytest.mark.subprocess

ANSWERS = dict(table(SECURITY, "What happens"))
DEAD = "http://127.0.0.1:9"
SOON = ("--timeout", "3")
# The gate does not wait.
NOW = "--defer"
TOOL_FOR_AN_HOUR = {"decision": "approved", "standing": "tool 3600"}
# With a shell that survives what it starts.
DYING = posix(["sh", "-c", "kill -9 $$", *GATE])


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    """A host that all tests share."""
    with held(tmp_path_factory.mktemp("held") / "data") as host:
        yield host


@pytest.fixture
def setup(host: Held) -> Held:
    """The host in a session of its own, for which a human has been asked once."""
    setup = replace(host, session=fresh_key())
    setup.ask_human()
    return setup


def ran(*ended: subprocess.CompletedProcess[str]) -> bool:
    """Whether a host runs a call after its hook has ended so, of several ones exactly once."""
    said = [json.loads(each.stdout) for each in ended if each.returncode == 0]
    decisions = [each["hookSpecificOutput"]["permissionDecision"] for each in said]
    assert decisions.count("allow") <= 1
    return "allow" in decisions


def send(setup: Held, method: str, path: str, body: object = None) -> httpx.Response:
    """A call of the API with the agents' key."""
    _, link = setup.newest()
    url, headers = urljoin(link, f"../{path}"), {"X-API-Key": setup.agents_key}
    with browse() as web:
        return web.request(method, url, json=body, headers=headers)


def decided(setup: Held, command: str, **decision: object) -> None:
    """Hold a command, and decide about it."""
    setup.hold(command, NOW)
    assert answer_to_decision(setup, **decision).status_code == 200


def answer_to_decision(setup: Held, **decision: object) -> httpx.Response:
    path = f"interrupts/{setup.newest()[0]}/decide"
    return send(setup, "POST", path, {"decision": "approved", **decision})


def nobody_decides(setup: Held) -> bool:
    return ran(setup.hold(f"echo {fresh_key()}", *SOON))


def the_api_is_away(setup: Held) -> bool:
    return ran(setup.hold("ls", LOOPIN_API_URL=DEAD))


def the_gate_is_killed(setup: Held) -> bool:
    gone = setup.hold("ls", hook=("sh", "-c", DYING))
    missing = setup.hold("ls", hook=("sh", "-c", posix(["/nowhere/loopin-mcp", "gate"])))
    assert (gone.returncode, missing.returncode) == (2, 2)
    return ran(gone, missing)


def it_is_repeated(setup: Held) -> bool:
    command = f"echo {fresh_key()}"
    decided(setup, command)
    assert ran(setup.hold(command, NOW))
    return ran(setup.hold(command, NOW))


def two_use_it(setup: Held) -> bool:
    command = f"echo {fresh_key()}"
    decided(setup, command)
    with ThreadPoolExecutor() as both:
        return ran(*both.map(lambda _: setup.hold(command, NOW), range(2)))


def its_digest_is_planted(setup: Held) -> bool:
    call = ToolCall("Claude Code", setup.session, "Bash", {"command": "./deploy"}, "/project")
    asked = question_about(call, Settings(user_id="u")).request
    planted = send(setup, "POST", "interrupts", asked | {"context": {"command": "ls"}}).json()
    path = f"interrupts/{planted['interruptId']}/decide"
    assert send(setup, "POST", path, {"decision": "approved"}).status_code == 200
    return ran(setup.hold("./deploy", NOW))


def it_is_edited(setup: Held) -> bool:
    command = f"echo {fresh_key()}"
    decided(setup, command, modifiedParams={"command": "echo edited"})
    ended = setup.hold(command, NOW)
    answer = json.loads(ended.stdout)["hookSpecificOutput"]
    assert answer["updatedInput"] == {"command": "echo edited"}
    return ran(ended)


def it_is_edited_in_vain(setup: Held) -> bool:
    command = f"echo {fresh_key()}"
    setup.hold(command, NOW)
    asked = setup.newest()
    refused = answer_to_decision(setup, modifiedParams={"comand": "echo edited"})
    assert refused.status_code == 400
    again = setup.hold(command, NOW)
    assert setup.newest() == asked
    return ran(again)


def its_tool_stands_but_is_urgent(setup: Held) -> bool:
    the_link_makes_its_tool_stand(setup)
    assert ran(setup.hold(f"echo {fresh_key()}", NOW))
    return ran(setup.hold(f"rm -rf /tmp/{fresh_key()}", NOW))


def the_key_makes_its_tool_stand(setup: Held) -> bool:
    interrupt_id, _ = setup.ask_human()
    refused = [
        send(setup, "POST", f"interrupts/{interrupt_id}/decide", TOOL_FOR_AN_HOUR),
        send(setup, "GET", "standing-approvals"),
        send(setup, "DELETE", f"standing-approvals/{interrupt_id}"),
    ]
    assert [answer.status_code for answer in refused] == [400, 403, 403]
    return ran(setup.hold(f"echo {fresh_key()}", NOW))


def the_link_makes_its_tool_stand(setup: Held) -> bool:
    _, link = setup.ask_human()
    with browse() as web:
        web.post(link, data=TOOL_FOR_AN_HOUR)
    return ran(setup.hold(f"echo {fresh_key()}", NOW))


TRIED: dict[str, Callable[[Held], bool]] = {
    "Nobody decides in time": nobody_decides,
    "The API cannot be reached": the_api_is_away,
    "The gate is killed, crashes or is missing": the_gate_is_killed,
    "The call is repeated after its approval was used": it_is_repeated,
    "Two copies of the gate use one approval at the same time": two_use_it,
    "Somebody with the API key plants a harmless request with the digest of the call, "
    "and it is approved": its_digest_is_planted,
    "A human approves it with other values": it_is_edited,
    "A human tries to approve it with a value that would be lost": it_is_edited_in_vain,
    "An agent asks for a standing approval through the API": the_key_makes_its_tool_stand,
    "An agent opens the review link, and makes a standing approval": the_link_makes_its_tool_stand,
    "A standing approval covers its tool, but its urgency is high": its_tool_stands_but_is_urgent,
}


def test_table_names_everything_that_is_tried() -> None:
    elsewhere = {"The host ends the hook, or does not run it"}

    assert set(ANSWERS) == TRIED.keys() | elsewhere


@pytest.mark.parametrize("event", TRIED)
def test_held_call_runs_only_when_the_docs_say_so(setup: Held, event: str) -> None:
    is_run = TRIED[event](setup)

    assert is_run is not ANSWERS[event].startswith("no")
