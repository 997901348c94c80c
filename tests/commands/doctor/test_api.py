"""What the doctor says about the API, whatever answers in its place."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
import respx

from loopin_mcp.client.addresses import Address, fixed_address
from loopin_mcp.commands.doctor.api import check_api, check_port
from loopin_mcp.settings.settings import Settings
from loopin_mcp.version import __version__
from tests.support import KEY

URL = "http://203.0.113.7"
SETTINGS = Settings(api_url=URL, api_key=KEY)


def answers(
    route: respx.Route,
    *,
    status: int = 200,
    body: object = (),
    apart_s: float | None = 0,
    version: str | None = __version__,
    ready: httpx.Response | None = None,
) -> None:
    """Let the mocked API answer like this, with a clock that is this far ahead."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/health":
            if version is None:
                return httpx.Response(404, json={"error": "Not found"})
            health = {"status": "ok", "service": "loopin-api", "version": version}
            return httpx.Response(200, json=health)
        if request.url.path == "/ready":
            return ready or httpx.Response(200, json={"status": "ready"})
        headers = {}
        if apart_s is not None:
            moment = datetime.now(UTC) + timedelta(seconds=apart_s)
            headers["date"] = format_datetime(moment, usegmt=True)
        return httpx.Response(status, json=body, headers=headers)

    route.mock(side_effect=answer)


async def found(settings: Settings = SETTINGS) -> dict[str, tuple[str, str]]:
    locate = fixed_address(settings.api_url or "", settings.api_key)
    return {each.name: (each.status, each.found) for each in await check_api(settings, locate)}


async def test_good_api_passes(route: respx.Route) -> None:
    answers(route)

    assert await found() == {
        "API": ("pass", f"reached at {URL} (LOOPIN_API_URL)"),
        "API key": ("pass", "accepted"),
        "API readiness": ("pass", "takes requests and decisions"),
        "API version": ("pass", f"{__version__}, as this command"),
        "API clock": ("pass", "the same as ours, within seconds"),
    }


async def test_api_without_a_key_needs_none(route: respx.Route) -> None:
    answers(route)

    assert (await found(Settings(api_url=URL)))["API key"] == ("pass", "none is needed")


async def test_api_that_cannot_store_is_a_failure(route: respx.Route) -> None:
    answers(route, ready=httpx.Response(503, json={"error": "Not ready: the disk"}))

    status, said = (await found())["API readiness"]
    assert (status, said.partition(" (")[0]) == ("failure", "Not ready: the disk")


async def test_readiness_of_an_api_that_does_not_say_is_not_judged(route: respx.Route) -> None:
    answers(route, ready=httpx.Response(404, json={"error": "Not Found"}))

    said = "not known: this API does not say"
    assert (await found())["API readiness"] == ("pass", said)


@pytest.mark.parametrize(("version", "said"), [("0.1.0", "0.1.0"), (None, "unknown")])
async def test_another_version_is_a_warning(
    route: respx.Route, version: str | None, said: str
) -> None:
    answers(route, version=version)

    expected = f"{said}, and this command is {__version__}"
    assert (await found())["API version"] == ("warning", expected)


@pytest.mark.parametrize(
    ("apart_s", "said"), [(100, "seconds ahead of ours"), (-100, "seconds behind ours")]
)
async def test_clock_that_differs_is_a_warning(
    route: respx.Route, apart_s: float, said: str
) -> None:
    answers(route, apart_s=apart_s)

    status, text = (await found())["API clock"]
    assert (status, text.split(" ", 1)[1]) == ("warning", said)
    assert 98 <= int(text.split()[0]) <= 101


async def test_api_without_a_clock_is_not_judged(route: respx.Route) -> None:
    answers(route, apart_s=None)

    assert (await found())["API clock"] == ("pass", "not known: its answers have no Date")


@pytest.mark.parametrize("status", [401, 403])
async def test_refused_key_is_a_failure(route: respx.Route, status: int) -> None:
    answers(route, status=status, body={"error": f"Wrong key {KEY}"})

    key = (await found())["API key"]

    assert key[0] == "failure"
    assert KEY not in key[1]


@pytest.mark.parametrize(("status", "body"), [(200, {"hello": 1}), (302, {}), (500, {})])
async def test_another_service_is_a_failure(route: respx.Route, status: int, body: object) -> None:
    answers(route, status=status, body=body)

    result = await found()

    assert [(name, each[0]) for name, each in result.items()] == [("API", "failure")]


async def test_dead_address_is_a_failure() -> None:
    result = await found(Settings(api_url="http://127.0.0.1:1"))

    said = "No connection to the LoopIn API at http://127.0.0.1:1: Connection refused"
    assert result == {"API": ("failure", said)}


async def test_address_that_cannot_be_used_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "nonsense://")

    result = await found(Settings(api_url=URL))

    assert [(name, each[0]) for name, each in result.items()] == [("API", "failure")]


def test_port_is_free_ours_or_of_another_program(free_port: int) -> None:
    def found(port: int, used: int, *, is_here: bool) -> list[tuple[str, str]]:
        address = Address(f"http://127.0.0.1:{used}", is_here=is_here)
        checked = check_port(Settings(port=port), address)
        return [(each.status, each.found) for each in checked]

    assert found(3002, 3002, is_here=True) == [("pass", "3002: was free")]
    assert found(3002, 3002, is_here=False) == [("pass", "3002: used by LoopIn")]
    assert found(0, 4, is_here=True) == [("pass", "any (LOOPIN_PORT is 0), now 4")]
    assert found(free_port, 4, is_here=False) == [("pass", f"{free_port}: free; LoopIn runs at 4")]


def test_port_of_another_program_is_a_warning(silent_url: str) -> None:
    port = int(silent_url.rpartition(":")[2])

    [found] = check_port(Settings(port=port), Address("http://127.0.0.1:4", is_here=True))

    assert (found.status, found.found) == (
        "warning",
        f"{port}: another program has it, so LoopIn uses 4",
    )
