"""The connections of callbacks: only to checked addresses, with the host name for TLS."""

import ssl
from collections.abc import Collection
from pathlib import Path

import httpx
import pytest
import trustme

from loopin_mcp.api.outbox.destinations import (
    DestinationError,
    Destinations,
    callback_client,
)
from tests.support.receiver import LOOPBACK, Names, receiving


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A certificate authority that clients trust."""
    return trustme.CA()


def server_side(authority: trustme.CA, name: str) -> ssl.SSLContext:
    """The TLS context of a server with a certificate for a name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


async def test_address_that_was_checked_is_the_one_that_is_called() -> None:
    names = Names(**{"hooks.test": ["127.0.0.1"]})

    with receiving() as receiver:
        async with callback_client(Destinations(LOOPBACK, names)) as client:
            url = f"http://hooks.test:{receiver.server_port}/hook?token=1"
            answer = await client.post(url, content=b"{}")

    assert (answer.status_code, names.asked) == (200, 1)
    [received] = receiver.received
    assert received.path == "/hook?token=1"
    assert received.headers["host"] == f"hooks.test:{receiver.server_port}"
    assert "authorization" not in received.headers


async def test_address_is_checked_for_every_call_anew() -> None:
    addresses = [["127.0.0.1"], ["10.0.0.1"]]

    async def rebind(host: str) -> Collection[str]:
        return addresses.pop(0)

    with receiving() as receiver:
        async with callback_client(Destinations(LOOPBACK, rebind)) as client:
            url = f"http://hooks.test:{receiver.server_port}/"
            await client.post(url, content=b"{}")
            with pytest.raises(DestinationError):
                await client.post(url, content=b"{}")

    assert len(receiver.received) == 1


async def test_next_address_is_called_where_one_takes_no_connection() -> None:
    names = Names(**{"hooks.test": ["::1", "127.0.0.1"]})

    with receiving() as receiver:
        async with callback_client(Destinations(LOOPBACK, names)) as client:
            answer = await client.post(f"http://hooks.test:{receiver.server_port}/", content=b"{}")

    assert answer.status_code == 200


async def test_connection_that_none_takes_is_an_error(free_port: int) -> None:
    names = Names(**{"hooks.test": ["::1", "127.0.0.1"]})

    async with callback_client(Destinations(LOOPBACK, names)) as client:
        with pytest.raises(httpx.ConnectError):
            await client.post(f"http://hooks.test:{free_port}/", content=b"{}")


@pytest.mark.parametrize("certified", ["hooks.test", "127.0.0.1"])
async def test_certificate_must_be_that_of_the_name(
    authority: trustme.CA, certified: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    destinations = Destinations(LOOPBACK, Names(**{"hooks.test": ["127.0.0.1"]}))

    with receiving(tls=server_side(authority, certified)) as receiver:
        async with callback_client(destinations) as client:
            url = f"https://hooks.test.:{receiver.server_port}/"
            if certified == "hooks.test":
                await client.post(url, content=b"{}")
            else:
                with pytest.raises(httpx.ConnectError, match="not valid for 'hooks.test'"):
                    await client.post(url, content=b"{}")

    assert len(receiver.received) == (certified == "hooks.test")


async def test_neither_proxy_nor_cookies_nor_redirects_are_followed(
    monkeypatch: pytest.MonkeyPatch, free_port: int
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port}")
    destinations = Destinations(LOOPBACK, Names(**{"hooks.test": ["127.0.0.1"]}))

    with receiving(302) as receiver:
        async with callback_client(destinations) as client:
            for _ in range(2):
                answer = await client.post(f"http://hooks.test:{receiver.server_port}/")

    assert answer.headers["set-cookie"] == "session=1"
    assert [(one.method, one.path) for one in receiver.received] == [("POST", "/")] * 2
    assert list(client.cookies.jar) == []
