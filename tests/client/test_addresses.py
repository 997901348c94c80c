"""The URL of a request: its base, and the ids in its path."""

import socket
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
import respx

from loopin_mcp import (
    ConfigurationError,
    InvalidRequestError,
    LoopinClient,
    NotFoundError,
    UnreachableError,
)
from loopin_mcp.settings.settings import Settings
from tests.support.client import BY_INTERRUPT, BY_USER, PENDING, URL, Call, Naps, answer


@pytest.mark.parametrize("base_url", [f"{URL}/some/prefix", f"{URL}/some/prefix/"])
async def test_prefix_of_the_address_is_kept_and_no_key_sends_none(
    route: respx.Route, base_url: str
) -> None:
    route.return_value = answer(PENDING)

    async with LoopinClient(base_url) as client:
        await client.get_interrupt_status("int-1")

    assert str(route.calls.last.request.url) == f"{URL}/some/prefix/interrupts/int-1"
    assert "x-api-key" not in route.calls.last.request.headers


@pytest.mark.parametrize(
    ("base_url", "api_key", "fault"),
    [
        ("", None, "base_url must be an http or https URL"),
        ("ftp://loopin.test", None, "base_url must be an http or https URL"),
        ("https://", None, "base_url must be an http or https URL"),
        ("http://999.1.1.1", None, "base_url has a host that cannot be connected to"),
        ("https://hidden:hidden@loopin.test", None, "base_url must not hold a user name"),
        ("https://loopin.test/?key=hidden", None, "base_url must be a base URL"),
        (URL, "hidden key", "api_key must be printable ASCII"),
    ],
)
async def test_address_or_key_that_cannot_be_used_is_refused_by_name(
    base_url: str, api_key: str | None, fault: str
) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        LoopinClient(base_url, api_key)

    assert str(refusal.value).startswith(fault)
    assert "hidden" not in str(refusal.value)


@pytest.mark.parametrize("call", [*BY_INTERRUPT, *BY_USER])
@pytest.mark.parametrize(
    ("id", "segment"),
    [
        ("../analytics/u", "..%2Fanalytics%2Fu"),
        ("a/b?c#d%", "a%2Fb%3Fc%23d%25"),
        ("..%2f", "..%252f"),
        ("a b\n", "a%20b%0A"),
        ("jürgen@例え.jp", "j%C3%BCrgen%40%E4%BE%8B%E3%81%88.jp"),
    ],
)
async def test_id_travels_as_one_segment(
    client: LoopinClient,
    route: respx.Route,
    call: Callable[[LoopinClient, str], Awaitable[object]],
    id: str,  # noqa: A002 - the parameter's name in the table
    segment: str,
) -> None:
    route.return_value = answer({"error": "Interrupt not found"}, 404)

    with pytest.raises(NotFoundError):
        await call(client, id)

    segments = route.calls.last.request.url.raw_path.decode().split("/")
    assert segment in segments
    assert len(segments) <= 4


@pytest.mark.parametrize(("calls", "name"), [(BY_INTERRUPT, "interruptId"), (BY_USER, "userId")])
@pytest.mark.parametrize(
    ("id", "fault"),
    [
        ("", "must not be empty, '.' or '..'."),
        (".", "must not be empty, '.' or '..'."),
        ("..", "must not be empty, '.' or '..'."),
        ("\ud800", "holds a character that is not text."),
    ],
)
async def test_id_that_names_nothing_is_refused_unsent(
    client: LoopinClient,
    route: respx.Route,
    calls: list[Callable[[LoopinClient, str], Awaitable[object]]],
    name: str,
    id: str,  # noqa: A002 - the parameter's name in the table
    fault: str,
) -> None:
    for call in calls:
        with pytest.raises(InvalidRequestError) as refusal:
            await call(client, id)
        assert str(refusal.value) == f"{name} {fault}"

    assert not route.called


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.get_interrupt_status("x" * 100_000),
        lambda client: client.list_pending_interrupts("user-1", cursor="x" * 100_000),
        lambda client: client.list_pending_interrupts("user-1", cursor="\ud800"),
    ],
)
async def test_what_no_url_can_hold_is_refused_unsent(
    client: LoopinClient, route: respx.Route, call: Call
) -> None:
    with pytest.raises(InvalidRequestError, match="^An id or the cursor is too long for a URL, or"):
        await call(client)

    assert not route.called


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LOCALHOST", "localhost.", "any.localhost", "localhost.localdomain"),
        *("localhost6", "ip6-localhost", "ip6-loopback", "0.0.0.0", "[::]"),  # noqa: S104
    ],
)
def test_name_of_this_machine_is_refused_over_http(host: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        LoopinClient(f"http://{host}:3002")
    with pytest.raises(ConfigurationError, match="^LOOPIN_API_URL has the host "):
        Settings.load({"LOOPIN_API_URL": f"http://{host}:3002"})

    assert str(refusal.value) == (
        f"base_url has the host {host.lower().strip('[].')}, where another program on this machine "
        "could answer: write the address that the API listens on, http://127.0.0.1 or "
        "http://[::1], with its port."
    )
    LoopinClient(f"https://{host}:3002")


def know(monkeypatch: pytest.MonkeyPatch, **names: str) -> None:
    """Let the system know these names and their addresses only; nothing is asked for others."""
    look_up = socket.getaddrinfo

    def answer(host: bytes | str, *rest: Any, **options: Any) -> Any:  # noqa: ANN401 - as it is
        name = host.decode() if isinstance(host, bytes) else host
        if any(letter in name for letter in "ghijklmnopqrstuvw") and name not in names:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return look_up(names.get(name, name), *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", answer)


@pytest.mark.parametrize("host", ["devbox", "127.1", "0x7f000001", "0"])
async def test_host_that_turns_out_to_be_this_machine_is_refused_unasked(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    know(monkeypatch, devbox="127.0.1.1")
    async with LoopinClient(f"http://{host}:1") as client:
        with pytest.raises(ConfigurationError, match="^The URL of the LoopIn API, http://.*, has"):
            await client.get_health()


@pytest.mark.parametrize("host", ["127.0.0.1", "[::ffff:127.0.0.1]", "nowhere.invalid"])
async def test_address_or_unknown_name_is_connected_to(
    host: str, naps: Naps, monkeypatch: pytest.MonkeyPatch
) -> None:
    know(monkeypatch)
    async with LoopinClient(f"http://{host}:1", sleep=naps) as client:
        with pytest.raises(UnreachableError):
            await client.get_health()


def test_host_that_cannot_be_decoded_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="has a host that cannot be connected to"):
        LoopinClient("http://xn--a.test")


async def test_name_of_another_machine_is_connected_to(
    naps: Naps, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look_up(*_: object) -> list[tuple[object, ...]]:
        return [(2, 1, 6, "", ("192.0.2.1", 0))]

    monkeypatch.setattr(anyio, "getaddrinfo", look_up)
    know(monkeypatch)
    async with LoopinClient("http://team.invalid:1", sleep=naps) as client:
        with pytest.raises(UnreachableError):
            await client.get_health()
