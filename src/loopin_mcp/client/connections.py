"""Connections to an API: their certificates and proxy, and why one could not be made."""

import ipaddress
import os
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies

import httpx

from loopin_mcp.errors import ConfigurationError
from loopin_mcp.settings.base_urls import is_loopback
from loopin_mcp.version import __version__

# By OpenSSL's codes: https://docs.openssl.org/master/man3/X509_STORE_CTX_get_error/
_EXPIRED, _ANOTHER_NAME = (9, 10), (62, 64)


@dataclass(frozen=True)
class Connection:
    """Makes requests, and sends them, through the proxy, if any, which has no password here."""

    request: Callable[..., httpx.Request]
    send: Callable[[httpx.Request], Awaitable[httpx.Response]]
    # Only if it is this client's own.
    aclose: Callable[[], Awaitable[None]] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    proxy: str | None = None


def connection_of(http: httpx.AsyncClient) -> Connection:
    """The connection of a client, which stays open."""
    return Connection(http.build_request, partial(http.send, stream=True, follow_redirects=False))


def in_process(app: Callable[..., Awaitable[None]]) -> httpx.AsyncClient:
    """A client of an ASGI app in this process; it needs no closing.

    Its requests come from no address, so wrong keys from this machine do not count against them.
    """
    client = ("this process", 0)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=client)
    return httpx.AsyncClient(transport=transport, trust_env=False)


def connection_to(base_url: str) -> Connection:
    """A connection with the certificates and the proxy of the environment.

    Without a base URL, it is for this machine. A proxy must not see what stays there. It is a bare
    transport: the authentication, redirects, cookies and hooks of an AsyncClient would take time.

    Raises:
        ConfigurationError: The certificates or the proxy cannot be used.
    """
    url = urlsplit(base_url)
    variable, proxy_url = _proxy_for(url)
    proxy = _checked_proxy(variable, proxy_url) if proxy_url else None
    try:
        transport = httpx.AsyncHTTPTransport(
            verify=_certificates() if url.scheme == "https" else _no_certificates(),
            proxy=proxy,
            trust_env=False,
            # Httpcore looks at each idle connection twice in every request.
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=10),
        )
    except ImportError:
        raise ConfigurationError(
            f"{variable} names a SOCKS proxy, which needs another package: start LoopIn with "
            "`uvx --with 'httpx[socks]'`, or install it with pip install 'httpx[socks]'."
        ) from None
    through = f"the proxy {proxy.url} of {variable}" if proxy else None
    headers = {"User-Agent": f"loopin-mcp/{__version__}"}
    return Connection(
        httpx.Request, transport.handle_async_request, transport.aclose, headers, through
    )


def failure_of(error: Exception, proxy: str | None) -> str:
    """Why a connection could not be made, and what helps."""
    if isinstance(error, httpx.ConnectTimeout):
        reason = "connecting took too long"
    elif isinstance(error, httpx.ProxyError):
        # The rest of its text is the proxy's.
        status = str(error)[:3]
        reason = f"the proxy answered {status}" if status.isdigit() else "the proxy refused"
    else:
        for link in _causes(error):
            if isinstance(link, ssl.SSLError):
                return _failure_of_tls(link)
        reason = reason_of(error)
    if proxy:
        return f"{reason}. Check that proxy, or name the API's host in NO_PROXY."
    return f"{reason}. Check that it runs there, and that the address is right."


def reason_of(error: Exception) -> str:
    """The most helpful text in a chain of errors: the operating system's, if there is one."""
    # The protocol's own text quotes the bytes that came, which may hold secrets.
    if isinstance(error, httpx.ProtocolError):
        return "it was cut short, or is not HTTP"
    for link in _causes(error):
        # Its own text is asyncio's.
        if isinstance(link, ConnectionError) and link.errno:
            return os.strerror(link.errno)
        if isinstance(link, OSError) and link.strerror:
            return link.strerror
    return str(error) or "the connection was lost"


def _failure_of_tls(error: ssl.SSLError) -> str:
    code = getattr(error, "verify_code", None)
    if code is None:
        return (
            f"TLS failed ({error.reason or 'no reason given'}). Check that https is right there, "
            "and not http."
        )
    if code in _EXPIRED:
        return (
            "its certificate has expired, or is not valid yet. Renew it, or set this machine's "
            "clock."
        )
    if code in _ANOTHER_NAME:
        return "its certificate is for another name. Use a name that is in the certificate."
    return (
        "its certificate comes from an unknown CA. Set SSL_CERT_FILE to a PEM file that has this "
        "CA; the system's own certificates count only if SSL_CERT_FILE or SSL_CERT_DIR names them."
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        yield error
        seen.append(error)
        error = error.__cause__ or error.__context__


def _certificates() -> ssl.SSLContext:
    """The certificates of SSL_CERT_FILE or SSL_CERT_DIR, or those that come with Python."""
    try:
        return httpx.create_ssl_context()
    except OSError as error:
        raise ConfigurationError(
            f"SSL_CERT_FILE cannot be used ({error.strerror or error}): set it to a file of "
            "certificates in PEM form that this user can read, or unset it."
        ) from error


def _no_certificates() -> ssl.SSLContext:
    """A context that trusts nobody, for connections without TLS: loading others takes long."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _proxy_for(url: SplitResult) -> tuple[str, str | None]:
    """The variable that names the proxy for a URL, and the proxy."""
    host = url.hostname or ""
    proxies = getproxies()
    exceptions = proxies.get("no", "").replace(",", " ").split()
    if not host or is_loopback(host) or any(_covers(each, url) for each in exceptions):
        return "", None
    scheme = url.scheme if proxies.get(url.scheme) else "all"
    proxy = proxies.get(scheme)
    return f"{scheme.upper()}_PROXY", proxy if not proxy or "://" in proxy else f"http://{proxy}"


def _covers(exception: str, url: SplitResult) -> bool:
    """Whether an entry of NO_PROXY is about the host of a URL; one that is unreadable is not."""
    if exception == "*":
        return True
    host = url.hostname or ""
    name = exception.lower().rpartition("://")[2].lstrip("*.").strip("[]")
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(name, strict=False)
    except ValueError:
        return bool(name) and (f".{host}".endswith(f".{name}") or name == f"{host}:{url.port}")


def _checked_proxy(variable: str, proxy_url: str) -> httpx.Proxy:
    try:
        proxy = httpx.Proxy(proxy_url)
        if urlsplit(proxy_url).hostname:
            if proxy.url.scheme == "https":
                proxy.ssl_context = _certificates()
            return proxy
    # Its text quotes the URL, which may hold a password.
    except (ValueError, httpx.InvalidURL):
        pass
    raise ConfigurationError(
        f"{variable} is not the URL of a proxy, such as http://proxy.example.com:3128 or "
        "socks5://proxy.example.com:1080: correct or unset it."
    )
