"""The example that receives callbacks, run as its reader would run it."""

import base64
import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from standardwebhooks import Webhook

from loopin_mcp import Decision, LoopinClient
from tests.support import KEY, PATIENCE_S, clean_environment, new_interrupt, web

pytestmark = pytest.mark.subprocess

EXAMPLE = Path(__file__).parents[1] / "examples" / "receive_callbacks.py"
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
BODY = '{"interruptId":"int-1","status":"rejected"}'


class Receiving:
    """The example as a process that listens at `url`."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", str(EXAMPLE), "0"],
            env=clean_environment(CALLBACK_SECRET=SECRET),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.url = self.line().split()[-1]

    def line(self) -> str:
        """The next line that it prints."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip()

    def status(self, *, late_s: int = 0, secret: str = SECRET, body: str = BODY) -> int:
        """Its status for a callback with this signature."""
        moment = datetime.now(UTC) - timedelta(seconds=late_s)
        headers = {
            "webhook-id": "msg-1",
            "webhook-timestamp": str(int(moment.timestamp())),
            "webhook-signature": f"v1,AAAA {Webhook(secret).sign('msg-1', moment, BODY)}",
        }
        return web.post(self.url, content=body, headers=headers).status_code

    def status_of_length(self, length: str) -> int:
        """Its status for the headers of such a body."""
        connection = HTTPConnection(urlsplit(self.url).netloc)
        connection.request("POST", "/", headers={"Content-Length": length})
        with contextlib.closing(connection):
            return connection.getresponse().status

    def rest(self) -> str:
        """End it; returns the rest of its output."""
        self.process.terminate()
        return self.process.communicate(timeout=PATIENCE_S)[0]


@pytest.fixture
def receiver() -> Iterator[Receiving]:
    receiver = Receiving()
    yield receiver
    receiver.rest()


async def test_receiver_prints_what_was_decided(
    receiver: Receiving, serve: Callable[..., str]
) -> None:
    api_url = serve(API_KEY_SECRET=KEY, CALLBACK_SECRET=SECRET, CALLBACK_ALLOW="127.0.0.0/8")
    decision = Decision(decision="approved", modified_params={"amount": 400})

    async with LoopinClient(api_url, KEY) as agent:
        question = new_interrupt(callback_url=receiver.url)
        interrupt_id = (await agent.create_interrupt(question)).interrupt_id
        await agent.decide_interrupt(interrupt_id, decision)

    assert receiver.line() == f'{interrupt_id} is approved, with {{"amount": 400}}'


def test_receiver_acts_once_on_what_comes_twice(receiver: Receiving) -> None:
    assert [receiver.status() for _ in range(2)] == [204, 204]

    assert receiver.rest() == "int-1 is rejected\n"


def test_receiver_refuses_what_is_old_forged_or_too_large(receiver: Receiving) -> None:
    stranger = "whsec_" + base64.b64encode(bytes(32)).decode()

    assert [
        receiver.status(late_s=301),
        receiver.status(late_s=-360),
        receiver.status(secret=stranger),
        receiver.status(body=BODY.replace("rejected", "approved")),
        web.post(receiver.url, content=BODY).status_code,
        receiver.status_of_length("1000000"),
        receiver.status_of_length("-1"),
    ] == [401, 401, 401, 401, 401, 413, 413]
    assert receiver.rest() == ""


@pytest.mark.parametrize("settings", [{}, {"CALLBACK_SECRET": "whsec_no base64"}])
def test_receiver_needs_its_secret(settings: dict[str, str]) -> None:
    ended = subprocess.run(
        [sys.executable, str(EXAMPLE), "0"],
        env=clean_environment(**settings),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )

    assert ended.returncode == 1
    assert ended.stderr.startswith("A receiver of callbacks")
