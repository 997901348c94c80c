"""A create whose answer was lost: repeated with its key, unless that could create two."""

import re

import anyio
import httpx
import pytest
import respx

from loopin_mcp import APIError, ConflictError, Created, LoopinClient, LoopinError, UnreachableError
from tests.support import MOMENT, new_interrupt
from tests.support.client import DOUBT, TRACE, URL, Naps, answer
from tests.support.loops import ON_VIRTUAL_TIME, Backend

LINK = f"{URL}/review/int-1"
CREATED = {
    "interruptId": "int-1",
    "status": "pending",
    "expiresAt": "2025-06-15T15:06:40Z",
    "reviewUrl": LINK,
}
OURS = {"status": "ok", "service": "loopin-api", "version": "0.2.0"}
PLAIN = {"status": "ok", "service": "loopin-api"}
FIRST = PLAIN | {"version": "0.1.0"}
IN_PROGRESS = {"error": "A request with this Idempotency-Key is still in progress"}
LOST: list[httpx.Response | httpx.RequestError] = [
    httpx.ReadError(""),
    httpx.WriteError(""),
    httpx.RemoteProtocolError(""),
    httpx.ReadTimeout(""),
    answer({"error": "Too many"}, 429),
    httpx.Response(502, html=TRACE),
    answer({"error": "Restarting"}, 503, retry_after="0"),
    httpx.Response(504),
]


class API:
    """A mocked API with create and health."""

    def __init__(self, mock: respx.MockRouter) -> None:
        self.create = mock.post(f"{URL}/interrupts").respond(201, json=CREATED)
        self.health = mock.get(f"{URL}/health").respond(json=OURS)

    @property
    def keys(self) -> list[str]:
        """The keys that were sent, in order."""
        return [call.request.headers["idempotency-key"] for call in self.create.calls]


@pytest.fixture
def anyio_backend() -> Backend:
    return ON_VIRTUAL_TIME


@pytest.fixture
def api(respx_mock: respx.MockRouter) -> API:
    respx_mock._assert_all_called = False
    return API(respx_mock)


async def test_each_create_has_a_key_of_its_own(client: LoopinClient, api: API) -> None:
    for _ in range(2):
        await client.create_interrupt(new_interrupt())

    assert len(set(api.keys)) == 2
    uuid4 = r'"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"'
    assert [bool(re.fullmatch(uuid4, key)) for key in api.keys] == [True, True]
    assert not api.health.called


@pytest.mark.parametrize("first", LOST)
async def test_lost_create_is_sent_again_under_the_same_key(
    client: LoopinClient, api: API, naps: Naps, first: httpx.Response | httpx.RequestError
) -> None:
    api.create.side_effect = [first, first, answer(CREATED, 201, Idempotency_Replayed="true")]

    created = await client.create_interrupt(new_interrupt())

    assert created == Created(
        interrupt_id="int-1", status="pending", expires_at=MOMENT, review_url=LINK
    )
    assert (len(api.keys), len(set(api.keys))) == (3, 1)
    assert len({call.request.content for call in api.create.calls}) == 1
    assert [0.5 <= naps.taken[0] <= 1, 1 <= naps.taken[1] <= 2] == [True, True]


@pytest.mark.parametrize("first", LOST)
@pytest.mark.parametrize(
    "health",
    [
        answer(PLAIN),
        answer(FIRST),
        httpx.Response(500),
        answer({"error": "Unauthorized"}, 401),
        httpx.Response(200, html=TRACE),
        httpx.Response(302, headers={"location": "/login"}),
        httpx.ReadTimeout(""),
        *[httpx.Response(status, html=TRACE) for status in (502, 503, 504)],
        httpx.ConnectError(""),
    ],
)
async def test_lost_create_is_not_sent_again_where_the_key_may_be_ignored(
    client: LoopinClient,
    api: API,
    first: httpx.Response | httpx.RequestError,
    health: httpx.Response | httpx.RequestError,
) -> None:
    api.create.side_effect = [first]
    api.health.side_effect = lambda _: _raised(health)

    with pytest.raises(LoopinError) as failure:
        await client.create_interrupt(new_interrupt())

    is_refused = isinstance(first, httpx.Response) and first.status_code == 429
    assert str(failure.value).endswith(DOUBT) is not is_refused
    assert api.create.call_count == 1


def _raised(health: httpx.Response | httpx.RequestError) -> httpx.Response:
    if isinstance(health, httpx.RequestError):
        raise health
    return health


async def test_lost_create_is_sent_again_to_what_has_no_address_of_health(
    client: LoopinClient, api: API
) -> None:
    api.create.side_effect = [httpx.ReadError(""), answer(CREATED, 201)]
    api.health.return_value = answer({"error": "Not found"}, 404)

    await client.create_interrupt(new_interrupt())

    assert (len(api.keys), len(set(api.keys))) == (2, 1)


async def test_create_that_made_no_connection_is_sent_again_without_a_question(
    client: LoopinClient, api: API
) -> None:
    api.create.side_effect = [httpx.ConnectError(""), answer(CREATED, 201)]

    await client.create_interrupt(new_interrupt())

    assert (len(set(api.keys)), api.health.called) == (1, False)


async def test_create_that_is_still_under_way_is_asked_for_again(
    client: LoopinClient, api: API, naps: Naps
) -> None:
    under_way = answer(IN_PROGRESS, 409, Retry_After="1")
    api.create.side_effect = [httpx.ReadError(""), under_way, answer(CREATED, 201)]

    created = await client.create_interrupt(new_interrupt())

    assert created.interrupt_id == "int-1"
    assert len(set(api.keys)) == 1
    assert naps.taken[1] >= 1


async def test_create_that_stays_under_way_is_told_as_not_known(
    client: LoopinClient, api: API
) -> None:
    api.create.return_value = answer(IN_PROGRESS, 409, Retry_After="1")

    with pytest.raises(ConflictError) as refusal:
        await client.create_interrupt(new_interrupt())

    assert str(refusal.value) == (
        "A request with this Idempotency-Key is still in progress (HTTP 409 from POST "
        f"{URL}/interrupts). Try again in 1 s.{DOUBT}"
    )
    assert api.create.call_count == 3


@pytest.mark.parametrize(
    "refusal",
    [
        answer({"error": "action is required"}, 400),
        answer({"error": "Unauthorized"}, 401, Retry_After="1"),
        answer({"error": "Conflict"}, 409),
        answer({"error": "The key was used with another payload"}, 422),
        answer({"error": "Too many"}, 429, Retry_After="60"),
        answer({"error": "Internal error"}, 500),
        answer("cut", 201),
    ],
)
async def test_create_that_was_answered_for_good_is_sent_once(
    client: LoopinClient, api: API, refusal: httpx.Response
) -> None:
    api.create.return_value = refusal

    with pytest.raises(APIError):
        await client.create_interrupt(new_interrupt())

    assert (api.create.call_count, api.health.called) == (1, False)


async def test_create_that_is_never_answered_ends_however_often_it_may_be_sent(
    api: API,
) -> None:
    keys: list[str] = []

    async def hang(request: httpx.Request) -> None:
        keys.append(request.headers["idempotency-key"])
        await anyio.sleep_forever()

    api.create.side_effect = hang

    async with LoopinClient(URL, timeout_s=10, attempts=1_000_000) as client:
        with pytest.raises(UnreachableError, match="within 10 s"):
            await client.create_interrupt(new_interrupt())

    assert (len(keys) > 1, len(set(keys))) == (True, 1)
