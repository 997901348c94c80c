"""The live test, with an API that disappoints."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import respx

from loopin_mcp.client.addresses import Locate, fixed_address
from loopin_mcp.client.client import LoopinClient
from loopin_mcp.commands.doctor.checks import Finding
from loopin_mcp.commands.doctor.live import Human, ask
from loopin_mcp.embedded import embedded_api
from loopin_mcp.settings.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", port=0, user_id="u")


@pytest.fixture
async def locate(settings: Settings, anyio_backend: str) -> AsyncIterator[Locate]:
    async with embedded_api(settings) as locate:
        yield locate


async def test_request_that_nobody_decides_is_cancelled(settings: Settings, locate: Locate) -> None:
    said: list[str] = []
    opened: list[str] = []

    [found] = await ask(settings, locate, Human(said.append, opened.append), wait_s=0)

    assert (found.status, found.found) == ("warning", "nobody decided in time")
    assert said[0] == f"Decide on the test request at {opened[0]}"
    async with LoopinClient(locate=locate) as client:
        page = await client.list_pending_interrupts("u")
        status = await client.get_interrupt_status(opened[0].rpartition("/")[2].partition("?")[0])
    assert (page.count, status.status) == (0, "cancelled")


async def decided(route: respx.Route, settings: Settings, decision: str, uses: int) -> Finding:
    """What is found if this is the decision, and an approval can be used so often."""
    interrupt = {"interruptId": "int-1", "action": "Test", "reviewUrl": "https://loopin.test/r"}
    used: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/use"):
            used.append(request.url.path)
            is_good = len(used) <= uses
            body = {"interruptId": "int-1", "status": "used"} if is_good else {"error": "No"}
            return httpx.Response(200 if is_good else 409, json=body)
        if request.method == "POST":
            created = {"status": "pending", "expiresAt": "2026-01-01T00:00:00Z"}
            return httpx.Response(201, json=interrupt | created)
        outcome = {"status": decision, "decision": decision, "decidedBy": "alice"}
        return httpx.Response(200, json=interrupt | outcome)

    route.mock(side_effect=answer)
    locate = fixed_address("https://loopin.test", None)
    [found] = await ask(settings, locate, Human(lambda _: None))
    return found


@pytest.mark.parametrize(
    ("decision", "uses", "status", "said"),
    [
        ("approved", 1, "pass", "approved by alice, and the answer arrived here, used once"),
        ("approved", 2, "failure", "approved by alice, and the answer arrived here, used twice"),
        ("approved", 0, "failure", "No (HTTP 409"),
        ("rejected", 0, "pass", "rejected by alice, and the answer arrived here"),
    ],
)
async def test_decision_arrives_and_an_approval_is_used_once(
    route: respx.Route, settings: Settings, decision: str, uses: int, status: str, said: str
) -> None:
    found = await decided(route, settings, decision, uses)

    assert found.status == status
    assert found.found.replace("where it could be ", "").startswith(said)


async def test_browser_that_does_not_start_is_named(settings: Settings, locate: Locate) -> None:
    said: list[str] = []

    def start_browser(url: str) -> None:
        raise PermissionError(13, "Permission denied", url)

    [found] = await ask(settings, locate, Human(said.append, start_browser), wait_s=0)

    assert found.status == "warning"
    assert said[-1] == "Cannot start the browser: Permission denied. Open the link yourself."


async def test_api_that_is_gone_is_a_failure(settings: Settings) -> None:
    locate = fixed_address("http://127.0.0.1:1", None)

    [found] = await ask(settings, locate, Human(print))

    assert found.status == "failure"
    assert found.found.startswith("No connection to the LoopIn API")
