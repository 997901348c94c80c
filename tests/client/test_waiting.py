"""Waiting for a decision: held by the API or polled, and bounded in time."""

from collections.abc import Callable

import anyio
import httpx
import pytest
import respx

from loopin_mcp import Interrupt, LoopinClient
from loopin_mcp.client.client import GRACE_S, HOLD_S
from tests.support.client import APPROVED, PENDING, URL, Naps, answer
from tests.support.loops import ON_VIRTUAL_TIME, Backend


@pytest.fixture
def anyio_backend() -> Backend:
    return ON_VIRTUAL_TIME


def held(body: object) -> httpx.Response:
    """An answer of an API that honours the wait."""
    return answer(body, Preference_Applied="wait=25")


def preferences(route: respx.Route) -> list[str | None]:
    """The wait that each request asked for."""
    return [call.request.headers.get("prefer") for call in route.calls]


async def test_one_look_asks_for_no_wait(client: LoopinClient, route: respx.Route) -> None:
    route.return_value = answer(PENDING)

    interrupt = await client.get_interrupt_status("int-1")

    assert interrupt == Interrupt.model_validate(PENDING)
    assert preferences(route) == [None]


async def test_api_that_holds_is_asked_again_without_a_pause(
    client: LoopinClient, route: respx.Route, naps: Naps
) -> None:
    answers = [held(PENDING), held(APPROVED)]

    async def hold(request: httpx.Request) -> httpx.Response:
        if "prefer" not in request.headers:
            return answer(PENDING)
        await anyio.sleep(HOLD_S)
        return answers.pop(0)

    route.side_effect = hold

    interrupt = await client.wait_for_decision("int-1", 300)

    assert interrupt == Interrupt.model_validate(APPROVED)
    assert preferences(route) == [None, "wait=25", "wait=25"]
    assert naps.taken == []


@pytest.mark.parametrize("respond", [answer, held], ids=["ignores it", "only says it holds"])
async def test_api_that_does_not_hold_is_polled(
    client: LoopinClient,
    route: respx.Route,
    naps: Naps,
    respond: Callable[[object], httpx.Response],
) -> None:
    route.side_effect = [respond(PENDING)] * 7 + [answer(APPROVED)]

    interrupt = await client.wait_for_decision("int-1")

    assert interrupt == Interrupt.model_validate(APPROVED)
    assert [round(delay_s, 2) for delay_s in naps.taken] == [
        *(1.0, 1.5, 2.25, 3.38),
        *(5.0, 5.0),
    ]
    assert preferences(route) == [None, *["wait=25"] * 7]


@pytest.mark.parametrize("timeout_s", [0, -1])
async def test_wait_without_time_is_one_look(
    client: LoopinClient, route: respx.Route, timeout_s: float
) -> None:
    route.return_value = answer(PENDING)

    interrupt = await client.wait_for_decision("int-1", timeout_s)

    assert interrupt == Interrupt.model_validate(PENDING)
    assert preferences(route) == [None]


async def test_poll_is_cut_short_for_a_last_look_at_the_bound(route: respx.Route) -> None:
    looks: list[float] = []

    async def look(_request: httpx.Request) -> httpx.Response:
        looks.append(anyio.current_time())
        return answer(APPROVED if len(looks) == 4 else PENDING)

    route.side_effect = look

    async with LoopinClient(URL) as client:
        begun = anyio.current_time()
        interrupt = await client.wait_for_decision("int-1", 1.2)

    assert interrupt == Interrupt.model_validate(APPROVED)
    assert [look_s - begun for look_s in looks] == pytest.approx([0, 0, 1, 1.2])
    assert preferences(route) == [None, "wait=2", "wait=1", None]


async def test_wait_ends_at_its_bound_though_a_look_hangs(
    client: LoopinClient, route: respx.Route
) -> None:
    hangs = anyio.Event()

    async def hang_at_last(_request: httpx.Request) -> httpx.Response:
        if route.called:
            hangs.set()
            await anyio.sleep_forever()
        return answer(PENDING)

    route.side_effect = hang_at_last

    begun = anyio.current_time()
    interrupt = await client.wait_for_decision("int-1", 7)

    assert interrupt == Interrupt.model_validate(PENDING)
    assert hangs.is_set()
    assert anyio.current_time() - begun == pytest.approx(7 + GRACE_S)


@pytest.mark.parametrize("cut", [answer("", 504), httpx.ReadError("cut")])
async def test_wait_that_something_on_the_way_cuts_is_looked_after_without_one(
    client: LoopinClient, route: respx.Route, cut: httpx.Response | Exception
) -> None:
    route.side_effect = [answer(PENDING), cut, answer(PENDING), cut, answer(APPROVED)]

    interrupt = await client.wait_for_decision("int-1", 300)

    assert interrupt == Interrupt.model_validate(APPROVED)
    assert preferences(route) == [None, "wait=25", None, "wait=25", None]


async def test_held_answer_has_the_time_of_the_wait_and_more(
    client: LoopinClient, route: respx.Route
) -> None:
    route.side_effect = [answer(PENDING), answer(APPROVED)]

    await client.wait_for_decision("int-1", 7)

    assert preferences(route) == [None, "wait=7"]
    assert route.calls.last.request.extensions["timeout"]["read"] == 17.0


async def test_api_that_says_pending_after_the_expiry_is_not_believed(
    client: LoopinClient, route: respx.Route
) -> None:
    late = PENDING | {"expiresAt": "2025-06-15T15:06:40Z"}
    route.return_value = answer(late, Date="Sun, 15 Jun 2025 15:06:40 GMT")

    interrupt = await client.wait_for_decision("int-1", 300)

    assert interrupt.status == "expired"
