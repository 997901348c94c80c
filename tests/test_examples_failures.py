"""What each example says when it does not get what it asked for: one line, and no exit code 0."""

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support import KEY, START_TIMEOUT_S, USER, clean_environment

pytestmark = pytest.mark.subprocess

EXAMPLES = Path(__file__).parents[1] / "examples"
PAYING = ["pay_with_approval.py", "pay_over_mcp.py"]
CREATED = {
    "interruptId": "int-1",
    "status": "pending",
    "expiresAt": "2030-01-01T00:00:00.000Z",
    "reviewUrl": "http://127.0.0.1/review/int-1",
}
ASKED = CREATED | {
    "agentId": "agent",
    "userId": USER,
    "action": "Pay",
    "context": {},
    "urgency": "high",
    "createdAt": "2029-12-31T23:00:00.000Z",
}
UNAUTHORIZED = {"error": "Unauthorized"}
Answers = dict[str, tuple[int, Any]]


class API(BaseHTTPRequestHandler):
    """An API that gives one answer to each kind of request."""

    answers: Answers

    def do_GET(self) -> None:
        self.answer("GET")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer("decide" if self.path.endswith("/decide") else "POST")

    def answer(self, kind: str) -> None:
        status, value = self.answers[kind]
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def api() -> Iterator[Callable[[Answers], str]]:
    """Serve an API with these answers; gives its URL."""
    servers: list[ThreadingHTTPServer] = []

    def serve(answers: Answers) -> str:
        server = ThreadingHTTPServer(
            ("127.0.0.1", 0), type("Answering", (API,), {"answers": answers})
        )
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def failure(example: str, *arguments: str, typed: str = "", **environment: str) -> str:
    """The one line on stderr of an example that fails."""
    ended = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / example), *arguments],
        env=clean_environment(LOOPIN_API_KEY=KEY, LOOPIN_USER_ID=USER, **environment),
        input=typed,
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_S,
        check=False,
    )
    assert ended.returncode == 1, ended
    assert "Paid" not in ended.stdout
    [line] = ended.stderr.splitlines()
    return line


@pytest.mark.parametrize("example", PAYING)
@pytest.mark.parametrize(
    ("settled", "outcome"),
    [
        (
            {"status": "rejected", "decision": "rejected", "reason": "Paid last week"},
            "Not paid, rejected: Paid last week",
        ),
        ({"status": "expired"}, "Not paid, expired: no reason given"),
        ({"status": "cancelled"}, "Not paid, cancelled: no reason given"),
    ],
    ids=["rejected", "expired", "cancelled"],
)
def test_agent_that_is_not_approved_says_why(
    example: str, settled: dict[str, str], outcome: str, api: Callable[[Answers], str]
) -> None:
    url = api({"POST": (201, CREATED), "GET": (200, ASKED | settled)})

    assert failure(example, LOOPIN_API_URL=url) == outcome


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to one process")
@pytest.mark.parametrize("example", PAYING)
def test_agent_that_is_stopped_while_it_waits_says_so(
    example: str, api: Callable[[Answers], str]
) -> None:
    url = api({"POST": (201, CREATED), "GET": (200, ASKED)})
    with subprocess.Popen(
        [sys.executable, "-u", "-W", "error", str(EXAMPLES / example)],
        env=clean_environment(LOOPIN_API_URL=url, LOOPIN_API_KEY=KEY, LOOPIN_USER_ID=USER),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as agent:
        assert agent.stdout is not None
        assert agent.stdout.readline().startswith("Decide at ")
        agent.send_signal(signal.SIGINT)
        said = agent.communicate(timeout=START_TIMEOUT_S)

    assert (agent.returncode, *said) == (1, "", "Not paid: stopped\n")


@pytest.mark.parametrize("example", PAYING)
def test_agent_whose_key_is_wrong_says_so(example: str, api: Callable[[Answers], str]) -> None:
    line = failure(example, LOOPIN_API_URL=api({"POST": (401, UNAUTHORIZED)}))

    assert line.startswith("Not paid: ")
    assert "Unauthorized" in line


@pytest.mark.parametrize("example", PAYING)
def test_agent_without_an_api_says_so(example: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"

    line = failure(example, LOOPIN_API_URL=url)

    assert line.startswith("Not paid: ")
    assert url in line


def test_agent_whose_server_does_not_start_says_so(tmp_path: Path) -> None:
    broken = tmp_path / "loopin_mcp"
    broken.mkdir()
    (broken / "__init__.py").write_text("raise SystemExit(3)")

    line = failure("pay_over_mcp.py", PYTHONPATH=str(tmp_path))

    assert line.startswith("Not paid: ")


def test_reviewer_whose_key_is_wrong_is_told_so(api: Callable[[Answers], str]) -> None:
    line = failure("review.py", USER, LOOPIN_API_URL=api({"GET": (401, UNAUTHORIZED)}))

    assert line.startswith("Unauthorized")


def test_reviewer_whose_input_ends_records_nothing(api: Callable[[Answers], str]) -> None:
    url = api({"GET": (200, [ASKED])})

    line = failure("review.py", USER, LOOPIN_API_URL=url)

    assert line == "The input ended. What is not recorded is still pending."


def test_reviewer_is_told_what_others_have_decided(api: Callable[[Answers], str]) -> None:
    decided = {"error": "Interrupt is already approved"}
    url = api({"GET": (200, [ASKED, ASKED]), "decide": (409, decided)})

    ended = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / "review.py"), USER],
        env=clean_environment(LOOPIN_API_URL=url),
        input="a\n\n",
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_S,
        check=True,
    )

    assert "already approved" in ended.stdout
    assert ended.stderr == ""


def test_receiver_whose_port_is_taken_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        line = failure("receive_callbacks.py", port, CALLBACK_SECRET="whsec_AAAA")

    assert line.startswith(f"Cannot listen on port {port}: ")
    too_large = failure("receive_callbacks.py", "70000", CALLBACK_SECRET="whsec_AAAA")
    assert too_large.startswith("Cannot listen on port 70000: ")
