"""Certificates, proxies and their faults, over real connections on loopback."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest

from loopin_mcp import ConfigurationError, LoopinClient, UnreachableError
from loopin_mcp.client.connections import connection_to
from tests.support import PATIENCE_S
from tests.support.client import PENDING, Naps
from tests.support.secrets import LONG, MARK, all_of, shows_secret
from tests.support.tls import AUTHORITY, answering, proxying, tls

PASSED = datetime(2020, 1, 1, tzinfo=UTC)
WRONG_URL = (
    "is not the URL of a proxy, such as http://proxy.example.com:3128 or "
    "socks5://proxy.example.com:1080: correct or unset it."
)
NO_SOCKS = (
    "names a SOCKS proxy, which needs another package: start LoopIn with `uvx --with "
    "'httpx[socks]'`, or install it with pip install 'httpx[socks]'."
)


@pytest.fixture(autouse=True)
def only_what_a_test_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust the authority of the tests, as a user does."""
    AUTHORITY.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))


async def fault_of(url: str, naps: Naps) -> str:
    async with LoopinClient(url, sleep=naps) as client:
        with pytest.raises(UnreachableError) as failure, anyio.fail_after(PATIENCE_S):
            await client.get_interrupt_status("int-1")
    assert not shows_secret(all_of(failure.value))
    return str(failure.value)


@pytest.mark.usefixtures("trusted")
async def test_certificates_of_the_environment_count_on_loopback_too() -> None:
    async with (
        answering(PENDING, tls("127.0.0.1")) as port,
        LoopinClient(f"https://127.0.0.1:{port}") as client,
    ):
        read = await client.get_interrupt_status("int-1")

    assert read.action == PENDING["action"]


async def test_unknown_authority_is_told_with_the_variable_that_helps(naps: Naps) -> None:
    async with answering(PENDING, tls("127.0.0.1")) as port:
        fault = await fault_of(f"https://127.0.0.1:{port}", naps)

    assert fault == (
        f"No connection to the LoopIn API at https://127.0.0.1:{port}: its certificate comes from "
        "an unknown CA. Set SSL_CERT_FILE to a PEM file that has this CA; the system's own "
        "certificates count only if SSL_CERT_FILE or SSL_CERT_DIR names them."
    )


@pytest.mark.usefixtures("trusted")
async def test_certificate_for_another_name_is_told(naps: Naps) -> None:
    async with answering(PENDING, tls("other.test")) as port:
        fault = await fault_of(f"https://127.0.0.1:{port}", naps)

    assert fault.endswith(
        ": its certificate is for another name. Use a name that is in the certificate."
    )


@pytest.mark.usefixtures("trusted")
async def test_expired_certificate_is_told(naps: Naps) -> None:
    async with answering(PENDING, tls("127.0.0.1", not_after=PASSED)) as port:
        fault = await fault_of(f"https://127.0.0.1:{port}", naps)

    assert fault.endswith(
        ": its certificate has expired, or is not valid yet. Renew it, or set this machine's clock."
    )


async def test_server_that_speaks_no_tls_is_told(naps: Naps) -> None:
    async with answering(PENDING) as port:
        fault = await fault_of(f"https://127.0.0.1:{port}", naps)

    assert ": TLS failed (" in fault
    assert fault.endswith("). Check that https is right there, and not http.")


@pytest.mark.usefixtures("trusted")
async def test_api_elsewhere_is_reached_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async with answering(PENDING, tls("loopin.test")) as port, proxying(port) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:{MARK}@127.0.0.1:{proxy.port}")
        async with LoopinClient("https://loopin.test") as client:
            read = await client.get_interrupt_status("int-1")

    assert read.action == PENDING["action"]
    assert proxy.asked == ["CONNECT loopin.test:443"]


@pytest.mark.usefixtures("trusted")
async def test_proxy_itself_may_need_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        answering(PENDING, tls("loopin.test")) as port,
        proxying(port, certificate=tls("127.0.0.1")) as proxy,
    ):
        monkeypatch.setenv("ALL_PROXY", f"https://127.0.0.1:{proxy.port}")
        async with LoopinClient("https://loopin.test") as client:
            read = await client.get_interrupt_status("int-1")

    assert read.action == PENDING["action"]


async def test_refusal_of_a_proxy_is_told_without_its_words(
    monkeypatch: pytest.MonkeyPatch, naps: Naps
) -> None:
    async with proxying(0, refusal=f"407 {MARK}") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:{MARK}@127.0.0.1:{proxy.port}")
        fault = await fault_of("https://loopin.test", naps)

    assert fault == (
        "No connection to the LoopIn API at https://loopin.test through the proxy "
        f"http://127.0.0.1:{proxy.port} of HTTPS_PROXY: the proxy answered 407. Check that proxy, "
        "or name the API's host in NO_PROXY."
    )


async def test_proxy_that_is_down_is_told_without_its_password(
    monkeypatch: pytest.MonkeyPatch, naps: Naps, free_port: int
) -> None:
    monkeypatch.setenv("ALL_PROXY", f"http://user:{LONG}@127.0.0.1:{free_port}")

    fault = await fault_of("http://loopin.test", naps)

    assert fault == (
        "No connection to the LoopIn API at http://loopin.test through the proxy "
        f"http://127.0.0.1:{free_port} of ALL_PROXY: Connection refused. Check that proxy, or name "
        "the API's host in NO_PROXY."
    )


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "ALL_PROXY", "https_proxy", "all_proxy"])
@pytest.mark.parametrize(
    "value",
    [
        f"ftp://user:{MARK}@proxy.test",
        f"socks4://{MARK}@proxy.test",
        f"foo:{MARK}:baz",
        f"http://user:{MARK}@",
        f"http://proxy.test:{MARK}",
        f"http://[{MARK}",
    ],
)
def test_url_that_is_not_a_proxy_is_refused_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(ConfigurationError) as refusal:
        LoopinClient("https://loopin.test")

    assert str(refusal.value) == f"{variable.upper()} {WRONG_URL}"
    assert not shows_secret(all_of(refusal.value))


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_proxy_that_needs_a_package_is_told_with_it(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv("ALL_PROXY", f"{scheme}://user:{MARK}@127.0.0.1:1080")

    with pytest.raises(ConfigurationError) as refusal:
        LoopinClient("https://loopin.test")

    assert str(refusal.value) == f"ALL_PROXY {NO_SOCKS}"
    assert not shows_secret(all_of(refusal.value))


@pytest.mark.parametrize(
    ("exceptions", "url"),
    [
        ("*", "https://loopin.test"),
        ("other.test, *", "https://loopin.test"),
        ("loopin.test", "https://loopin.test"),
        ("LoopIn.Test", "https://loopin.test"),
        (".test", "https://loopin.test"),
        ("*.test", "https://a.loopin.test"),
        ("test", "https://loopin.test"),
        ("loopin.test:8443", "https://loopin.test:8443"),
        ("https://loopin.test", "https://loopin.test"),
        ("other.test loopin.test", "https://loopin.test"),
        ("192.0.2.0/24", "https://192.0.2.7"),
        ("192.0.2.7", "https://192.0.2.7:8443"),
        ("[2001:db8::7]", "https://[2001:db8::7]"),
        ("2001:db8::/32", "https://[2001:db8::7]"),
        ("[::1], loopin.test", "https://loopin.test"),
        ("", "https://127.0.0.1:3002"),
        ("", "https://[::1]:3002"),
        ("", "https://localhost:3002"),
    ],
)
def test_host_that_is_excepted_or_here_is_reached_without_the_proxy(
    monkeypatch: pytest.MonkeyPatch, exceptions: str, url: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "127.0.0.1:3128")
    monkeypatch.setenv("NO_PROXY", exceptions)

    assert connection_to(url).proxy is None


@pytest.mark.parametrize(
    "exceptions",
    [
        "",
        "oopin.test",
        "[",
        "[::1",
        "http://[",
        "a b",
        "1.2.3.4.5/99",
        ".",
        "*.",
        "://",
        "%zz",
        "\\",
    ],
)
def test_exception_that_is_unreadable_or_about_others_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, exceptions: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"user:{MARK}@127.0.0.1:3128")
    monkeypatch.setenv("NO_PROXY", exceptions)

    assert connection_to("https://loopin.test").proxy == (
        "the proxy http://127.0.0.1:3128 of HTTPS_PROXY"
    )


@pytest.mark.parametrize("content", [None, "directory", "no certificates"])
def test_certificates_that_cannot_be_used_are_refused_by_their_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "ca.pem"
    if content == "directory":
        file.mkdir()
    elif content:
        file.write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))

    with pytest.raises(
        ConfigurationError, match=r"^SSL_CERT_FILE cannot be used \(.+\): set it to"
    ):
        LoopinClient("https://loopin.test")
    LoopinClient("http://127.0.0.1:3002")
