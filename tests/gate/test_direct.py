"""A decision that stands already is found and used without the whole client."""

import json
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from loopin_mcp import Decision, LoopinClient, NewInterrupt
from loopin_mcp.client.addresses import Locate
from loopin_mcp.embedded import embedded_api
from loopin_mcp.gate.calls import ToolCall, Verdict
from loopin_mcp.gate.direct import decided_already
from loopin_mcp.gate.questions import Question, question_about
from loopin_mcp.settings.embedded_files import load_api_key
from loopin_mcp.settings.settings import Settings
from loopin_mcp.wire.siblings import proof_of_key, sibling_key

CALL = ToolCall("Claude Code", "0123456789", "Bash", {"command": "ls"}, "/project")
ALLOWED = Verdict("allow", "A human approved this in LoopIn.")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(user_id="alice", data_dir=tmp_path / "data", port=0)


@pytest.fixture
async def locate(settings: Settings, anyio_backend: str) -> AsyncIterator[Locate]:
    """The embedded API of another copy."""
    async with embedded_api(settings) as locate:
        await locate()
        yield locate


@pytest.fixture
async def human(locate: Locate) -> AsyncIterator[LoopinClient]:
    async with LoopinClient(locate=locate) as human:
        yield human


@pytest.fixture
def question(settings: Settings) -> Question:
    return question_about(CALL, settings)


async def look(question: Question, settings: Settings) -> Verdict | None:
    return await anyio.to_thread.run_sync(decided_already, question, settings)


async def decide(human: LoopinClient, question: Question, decision: Decision) -> str:
    created = await human.create_interrupt(NewInterrupt.model_validate(question.request))
    await human.decide_interrupt(created.interrupt_id, decision)
    return created.interrupt_id


async def test_approval_is_used_once(
    human: LoopinClient, question: Question, settings: Settings
) -> None:
    interrupt_id = await decide(human, question, Decision(decision="approved"))

    found = [await look(question, settings) for _ in range(2)]

    assert found == [ALLOWED, None]
    assert (await human.get_interrupt_status(interrupt_id)).used_at is not None


async def test_changed_values_are_passed_on(
    human: LoopinClient, question: Question, settings: Settings
) -> None:
    decision = Decision(decision="approved", modified_params={"command": "pwd"})
    await decide(human, question, decision)

    found = await look(question, settings)

    assert found is not None
    assert (found.kind, found.edited) == ("allow", {"command": "pwd"})


async def test_rejection_denies_again(
    human: LoopinClient, question: Question, settings: Settings
) -> None:
    await decide(human, question, Decision(decision="rejected", reason="No"))

    found = [await look(question, settings) for _ in range(2)]

    assert found == [Verdict("deny", "A human rejected this in LoopIn: No")] * 2


async def test_question_is_asked_and_left_to_the_client(
    human: LoopinClient, question: Question, settings: Settings
) -> None:
    assert await look(question, settings) is None
    assert await look(question, settings) is None
    assert (await human.list_pending_interrupts("alice")).count == 1


async def test_api_of_the_settings_on_this_machine_is_asked_too(
    human: LoopinClient, locate: Locate, question: Question
) -> None:
    address = await locate()
    await decide(human, question, Decision(decision="approved"))
    here = Settings(api_url=address.base_url, api_key=address.api_key, user_id="alice")

    assert await look(question, replace(here, api_key="wrong")) is None
    assert await look(question, replace(here, api_url=f"{address.base_url}/elsewhere")) is None
    assert await look(question, here) == ALLOWED


@pytest.mark.parametrize("url", ["https://127.0.0.1:9", "http://example.org", "http://127.0.0.1:9"])
def test_other_apis_are_left_to_the_client(question: Question, url: str) -> None:
    assert decided_already(question, Settings(api_url=url, user_id="alice")) is None


async def test_copies_with_other_reviewers_are_not_asked(
    human: LoopinClient, question: Question, settings: Settings
) -> None:
    await decide(human, question, Decision(decision="approved"))
    others = replace(settings, reviewer_keys={"bob": "b" * 32})

    assert await look(question, others) is None
    assert await look(question, settings) == ALLOWED


def test_nothing_starts_if_no_copy_has_served(question: Question, settings: Settings) -> None:
    assert decided_already(question, settings) is None
    assert not settings.data_dir.exists()


@pytest.fixture
def stranger(settings: Settings) -> Iterator[tuple[list[str], dict[str, Any]]]:
    """Another program on the port that a copy had; yields what it got, and what it answers."""
    got: list[str] = []
    answer: dict[str, Any] = {"status": 200, "body": "{}", "connection": "keep-alive"}

    class Stranger(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            got.extend([self.path, *filter(None, [self.headers.get("X-API-Key")])])
            found = answer["body"]
            body = (found(self.path) if callable(found) else found).encode()
            self.send_response(answer["status"])
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Connection", answer["connection"])
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - this is its name

        def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002

    with ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        settings.data_dir.mkdir(mode=0o700)
        (settings.data_dir / "port").write_text(str(server.server_port))
        (settings.data_dir / "port").chmod(0o600)
        yield got, answer
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, '{"proof": "x"}'), (200, "{}"), (200, "[]"), (200, "<html>"), (404, "{}")],
)
def test_stranger_on_the_port_gets_no_key(
    question: Question,
    settings: Settings,
    stranger: tuple[list[str], dict[str, Any]],
    status: int,
    body: str,
) -> None:
    got, answer = stranger
    answer |= {"status": status, "body": body}

    assert decided_already(question, settings) is None
    assert [path.partition("?")[0] for path in got] == ["/health"]


def test_key_goes_to_the_connection_only_that_has_proved_itself(
    question: Question, settings: Settings, stranger: tuple[list[str], dict[str, Any]]
) -> None:
    got, answer = stranger
    key = sibling_key(load_api_key(settings.data_dir), {})
    port = int((settings.data_dir / "port").read_text())

    def prove(path: str) -> str:
        return json.dumps({"proof": proof_of_key(key, path.partition("=")[2], port)})

    answer |= {"body": prove, "connection": "close"}

    assert decided_already(question, settings) is None
    assert [path.partition("?")[0] for path in got] == ["/health"]


@pytest.mark.parametrize("body", ["{}", '{"interruptId": 1}', '{"interruptId": "../x"}'])
def test_answer_of_another_kind_allows_nothing(
    question: Question,
    settings: Settings,
    stranger: tuple[list[str], dict[str, Any]],
    body: str,
) -> None:
    got, answer = stranger
    answer["body"] = body
    port = (settings.data_dir / "port").read_text()

    found = decided_already(question, Settings(api_url=f"http://127.0.0.1:{port}", user_id="alice"))

    assert found is None
    assert not any(path.endswith("/use") for path in got)


def test_answer_about_another_interrupt_uses_nothing(
    question: Question, settings: Settings, stranger: tuple[list[str], dict[str, Any]]
) -> None:
    got, answer = stranger
    shown = {**question.request, "status": "approved"}
    answer["body"] = lambda path: json.dumps(shown | {"interruptId": path})
    port = (settings.data_dir / "port").read_text()

    found = decided_already(question, Settings(api_url=f"http://127.0.0.1:{port}", user_id="alice"))

    assert (found, got) == (None, ["/interrupts", "/interrupts/%2Finterrupts"])
