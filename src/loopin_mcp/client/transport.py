"""One exchange over HTTP, bounded in time and size, or the reason why it failed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import anyio
import httpx
from pydantic import BaseModel

from loopin_mcp.client.addresses import Address
from loopin_mcp.client.answers import Answer, doubt
from loopin_mcp.client.connections import Connection, failure_of, reason_of
from loopin_mcp.errors import ConfigurationError, InvalidRequestError, UnreachableError
from loopin_mcp.telemetry.spans import in_span
from loopin_mcp.telemetry.traces import Trace, current_trace

CONNECT_TIMEOUT_S = 5.0
# The most bytes of an answer: to most calls, about one interrupt, and a list. Servers of LoopIn 1.0
# send lists without pages.
SMALL_ANSWER = 256 * 1024
INTERRUPT_ANSWER = 4 * 1024 * 1024
LIST_ANSWER = 32 * 1024 * 1024

# How a human's decision reaches this client.
Via = Literal["api", "mcp"]


class NotConnectedError(UnreachableError):
    """The request cannot have arrived."""


class BrokenError(UnreachableError):
    """The request may have arrived."""


@dataclass(frozen=True)
class Outgoing:
    """A request to the API, which may ask it to hold its answer for `wait_s` seconds.

    No more than `longest_answer` bytes of the answer are read.

    With an `idempotency_key` it takes effect once, however often it arrives, if the API knows such
    keys: https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
    """

    method: str
    path: str
    body: BaseModel | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    wait_s: int = 0
    longest_answer: int = SMALL_ANSWER
    idempotency_key: str | None = field(default=None, repr=False)


class Transport:
    """Sends requests over `connection`; an answer may take `timeout_s` once there is a connection.

    `channel` tells the API how decisions reach this client.
    """

    def __init__(self, connection: Connection, timeout_s: float, channel: Via) -> None:
        self._connection, self._proxy = connection, connection.proxy
        self._timeout_s = timeout_s
        self._connect_timeout_s = min(CONNECT_TIMEOUT_S, timeout_s)
        self._channel = channel
        self._is_closed = False
        self.longest_s = self._connect_timeout_s + timeout_s

    async def aclose(self) -> None:
        """Close the connections that were opened here."""
        if self._connection.aclose:
            self._is_closed = True
            await self._connection.aclose()

    async def exchange(self, address: Address, outgoing: Outgoing) -> Answer:
        """Send one request once, and read the answer of any status.

        Raises:
            UnreachableError: No answer came; `NotConnectedError` if nothing was sent.
            InvalidRequestError: An id or the cursor does not fit into a URL.
        """
        if self._is_closed:
            raise RuntimeError("Cannot send a request: this client has been closed.")
        with in_span(outgoing.method, "client", current_trace()) as trace:
            return await self._exchange(address, outgoing, trace)

    async def _exchange(self, address: Address, outgoing: Outgoing, trace: Trace | None) -> Answer:
        request = self._request(address, outgoing, trace)
        try:
            with anyio.fail_after(self.longest_s + outgoing.wait_s):
                response = await self._connection.send(request)
                try:
                    content = await _read_bounded(response, outgoing.longest_answer)
                finally:
                    await response.aclose()
        except (TimeoutError, httpx.RequestError) as error:
            failure = self._failure(error, address.base_url, outgoing)
        else:
            call = f"{outgoing.method} {address.base_url}/{outgoing.path}"
            return Answer(call, response.status_code, response.headers, content, address.api_key)
        # Not raised in the except block: the cause may quote the answer, which may quote the key.
        raise failure

    def _request(self, address: Address, outgoing: Outgoing, trace: Trace | None) -> httpx.Request:
        body = outgoing.body
        try:
            return self._connection.request(
                outgoing.method,
                f"{address.base_url}/{outgoing.path}",
                params=outgoing.query or None,
                headers=self._headers(address.api_key, outgoing) | (trace.headers if trace else {}),
                content=body.model_dump_json(by_alias=True) if body else None,
                extensions={"timeout": self._timeout(outgoing.wait_s)},
            )
        except (httpx.InvalidURL, UnicodeEncodeError):
            raise InvalidRequestError(
                "An id or the cursor is too long for a URL, or holds a character that is not text."
            ) from None

    def _timeout(self, wait_s: int) -> dict[str, float | None]:
        return {
            "connect": self._connect_timeout_s,
            "read": self._timeout_s + wait_s,
            "write": self._timeout_s,
            "pool": None,
        }

    def _headers(self, api_key: str | None, outgoing: Outgoing) -> dict[str, str]:
        key = outgoing.idempotency_key
        headers = {
            **self._connection.headers,
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "X-API-Key": api_key,
            "X-LoopIn-Channel": self._channel if self._channel != "api" else None,
            "Prefer": f"wait={outgoing.wait_s}" if outgoing.wait_s else None,
            "Content-Type": "application/json" if outgoing.body else None,
            "Idempotency-Key": f'"{key}"' if key else None,
        }
        return {name: value for name, value in headers.items() if value}

    def _failure(self, error: Exception, base_url: str, outgoing: Outgoing) -> UnreachableError:
        """Why no answer came, and whether the request may have arrived."""
        call, unsure = f"{outgoing.method} /{outgoing.path}", doubt(outgoing.method)
        api, check_it = f"LoopIn API at {base_url}", "Check the API and any proxy before it."
        kind: type[UnreachableError] = UnreachableError
        match error:
            case httpx.ConnectError() | httpx.ConnectTimeout() | httpx.ProxyError():
                through = f" through {self._proxy}" if self._proxy else ""
                kind, unsure = NotConnectedError, ""
                said = f"No connection to the {api}{through}: {failure_of(error, self._proxy)}"
            case TimeoutError() | httpx.TimeoutException():
                within = f"within {self._timeout_s + outgoing.wait_s:g} s"
                said = f"The {api} did not answer {call} {within}. "
                said += "Check that it is healthy, or give it more time."
            case httpx.DecodingError():
                said = f"The answer of the {api} to {call} cannot be read: {error}. {check_it}"
            case _:
                kind = BrokenError
                said = f"The {api} broke off its answer to {call}: {reason_of(error)}. {check_it}"
        return kind(said + unsure, base_url, call)


def check_host(name: str, base_url: str) -> None:
    """Refuse a URL whose host cannot be connected to; the error calls the URL `name`.

    Raises:
        ConfigurationError: The URL is not one.
    """
    try:
        httpx.URL(base_url).host  # noqa: B018 - reading it decodes it
    except (httpx.InvalidURL, UnicodeError):
        raise ConfigurationError(
            f"{name} has a host that cannot be connected to: check it."
        ) from None


async def _read_bounded(response: httpx.Response, longest: int) -> bytes:
    if response.headers.get("content-encoding", "identity") != "identity":
        # The request did not ask for it, and a small answer may unpack to more than memory holds.
        raise httpx.DecodingError("it is compressed")
    content = bytearray()
    async for chunk in response.aiter_raw():
        content += chunk
        if len(content) > longest:
            raise httpx.DecodingError(f"more than {longest} bytes")
    return bytes(content)
