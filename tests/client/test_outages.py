"""An API that goes away while a client waits: the client waits for it, if it was there at first."""

import anyio
import httpx
import pytest
import respx

from loopin_mcp import (
    APIError,
    ForbiddenError,
    Interrupt,
    LoopinClient,
    LoopinError,
    NotFoundError,
    RateLimitedError,
    UnauthorizedError,
    UnavailableError,
    UnreachableError,
)
from loopin_mcp.client.client import GRACE_S
from tests.support.client import APPROVED, PENDING, TRACE, URL, Naps, answer
from tests.support.loops import ON_VIRTUAL_TIME, Backend

AWAY: list[httpx.Response | httpx.RequestError] = [
    httpx.ConnectError("refused"),
    httpx.ConnectTimeout(""),
    httpx.ReadError(""),
    httpx.ReadTimeout(""),
    httpx.Response(502, html=TRACE),
    answer({"error": "Restarting"}, 503, retry_after="30"),
    httpx.Response(504),
]


@pytest.fixture
def anyio_backend() -> Backend:
    return ON_VIRTUAL_TIME


@pytest.mark.parametrize("away", AWAY)
async def test_wait_outlasts_an_api_that_is_away_for_long(
    client: LoopinClient, route: respx.Route, away: httpx.Response | httpx.RequestError
) -> None:
    route.side_effect = [answer(PENDING), *[away] * 30, answer(PENDING), answer(APPROVED)]

    interrupt = await client.wait_for_decision("int-1", 300)

    assert interrupt == Interrupt.model_validate(APPROVED)


async def test_api_that_is_away_is_asked_again_after_ever_longer_pauses(
    client: LoopinClient, route: respx.Route, naps: Naps
) -> None:
    route.side_effect = [answer(PENDING), *[httpx.ReadTimeout("")] * 3, answer(APPROVED)]

    await client.wait_for_decision("int-1", 300)

    assert naps.taken == [1.0, 1.5, 2.25]


async def test_wait_at_whose_bound_the_api_is_still_away_ends_with_what_was_seen_last(
    route: respx.Route,
) -> None:
    def fail(_request: httpx.Request) -> httpx.Response:
        if route.called:
            raise httpx.ConnectError("refused")
        return answer(PENDING)

    route.side_effect = fail

    async with LoopinClient(URL) as client:
        begun = anyio.current_time()
        interrupt = await client.wait_for_decision("int-1", 300)

    assert interrupt == Interrupt.model_validate(PENDING)
    assert 300 <= anyio.current_time() - begun <= 300 + GRACE_S
    assert route.call_count > 1


@pytest.mark.parametrize("away", AWAY)
async def test_api_that_is_not_there_when_the_wait_begins_is_told_soon(
    client: LoopinClient, route: respx.Route, away: httpx.Response | httpx.RequestError
) -> None:
    route.side_effect = [*[away] * 3, answer(APPROVED)]

    with pytest.raises((UnreachableError, UnavailableError)):
        await client.wait_for_decision("int-1", 300)

    assert route.call_count <= 3


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (answer({"error": "Unauthorized"}, 401), UnauthorizedError),
        (answer({"error": "Forbidden"}, 403), ForbiddenError),
        (answer({"error": "Interrupt not found"}, 404), NotFoundError),
        (answer({"error": "Too many"}, 429, retry_after="60"), RateLimitedError),
        (answer({"error": "Internal error"}, 500), UnavailableError),
        (httpx.Response(200, html=TRACE), APIError),
    ],
)
async def test_refusal_ends_the_wait_at_once(
    client: LoopinClient, route: respx.Route, refusal: httpx.Response, kind: type[LoopinError]
) -> None:
    route.side_effect = [answer(PENDING), httpx.ReadError(""), refusal]

    with pytest.raises(kind):
        await client.wait_for_decision("int-1", 300)

    assert route.call_count == 3
