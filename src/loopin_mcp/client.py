"""LoopinClient: the six verbs over one private `_send`."""

from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Self, TypeVar

import anyio
import httpx
from pydantic import BaseModel

from loopin_mcp.addresses import Address, Locate, fixed_address, is_loopback, segment
from loopin_mcp.answers import Answer, doubt
from loopin_mcp.errors import (
    ConfigurationError,
    InvalidRequestError,
    RateLimitedError,
    UnavailableError,
    UnreachableError,
)
from loopin_mcp.models import (
    Analytics,
    Cancelled,
    Created,
    Decided,
    Decision,
    Health,
    Interrupt,
    NewInterrupt,
    PendingPage,
)
from loopin_mcp.retries import BrokenError, NotConnectedError, delay_before_retry, polling_delays

CONNECT_TIMEOUT_S = 5.0
MAX_ANSWER_BYTES = 64 * 1024 * 1024

_AboutOne = TypeVar("_AboutOne", Interrupt, Decided, Cancelled)


class LoopinClient:
    """A typed client of a LoopIn API, at one `base_url` or wherever `locate` says.

    Use it as an async context manager, or call `aclose`. `timeout_s` is how long the API may
    take to answer, `attempts` how often a request is sent where that is safe. `locate` is asked
    before every attempt and may start the API. An `http` client that is passed in is used as it
    is and left open.

    Raises:
        ConfigurationError: `base_url` or `api_key` cannot be used.
    """

    def __init__(
        self,
        base_url: str = "",
        api_key: str | None = None,
        *,
        timeout_s: float = 10.0,
        attempts: int = 3,
        locate: Locate | None = None,
        http: httpx.AsyncClient | None = None,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._locate = locate or fixed_address(base_url, api_key)
        _check_host(base_url)
        self._timeout_s = timeout_s
        self._connect_timeout_s = min(CONNECT_TIMEOUT_S, timeout_s)
        self._attempts = attempts
        self._sleep = sleep
        # A proxy from the environment must not see what stays on this machine.
        self._http = http or _new_http(trust_env=locate is None and not is_loopback(base_url))
        self._owns_http = http is None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections this client opened."""
        if self._owns_http:
            await self._http.aclose()

    async def create_interrupt(self, interrupt: NewInterrupt) -> Created:
        """Put a question to a human; answers at once with the link to the review page."""
        return (await self._send("POST", "interrupts", body=interrupt)).read(Created)

    async def get_interrupt_status(self, interrupt_id: str, *, wait_s: float = 0) -> Interrupt:
        """The interrupt as it is now, or as soon as it is settled within `wait_s` seconds."""
        interrupt = await self._read_interrupt(interrupt_id)
        delays_s = polling_delays()
        with anyio.move_on_after(wait_s):
            while interrupt.is_pending:
                await self._sleep(next(delays_s))
                interrupt = await self._read_interrupt(interrupt_id)
        return interrupt

    async def list_pending_interrupts(
        self, user_id: str, *, limit: int | None = None, cursor: str | None = None
    ) -> PendingPage:
        """One page of what waits for `user_id`, newest first (50 unless `limit` says, ≤ 200)."""
        query = {"limit": None if limit is None else str(limit), "cursor": cursor}
        answer = await self._send(
            "GET",
            "interrupts/pending/" + segment("userId", user_id),
            query={name: value for name, value in query.items() if value is not None},
        )
        interrupts = tuple(
            interrupt
            for interrupt in (item.as_of(answer.now) for item in answer.read(tuple[Interrupt, ...]))
            if interrupt.is_pending
        )
        return PendingPage(
            user_id=user_id,
            count=len(interrupts),
            interrupts=interrupts,
            next_cursor=answer.next_cursor,
        )

    async def decide_interrupt(self, interrupt_id: str, decision: Decision) -> Decided:
        """Record a human's decision.

        Raises:
            ConflictError: The interrupt is no longer pending; nothing was changed.
        """
        path = f"interrupts/{segment('interruptId', interrupt_id)}/decide"
        answer = await self._send("POST", path, body=decision)
        decided = _about(interrupt_id, Decided, answer)
        if decided.decision != decision.decision:
            raise answer.not_loopin("another decision than the one sent")
        return decided

    async def cancel_interrupt(self, interrupt_id: str) -> Cancelled:
        """Withdraw a question that is still pending.

        Raises:
            ConflictError: The interrupt is no longer pending; nothing was changed.
        """
        path = "interrupts/" + segment("interruptId", interrupt_id)
        return _about(interrupt_id, Cancelled, await self._send("DELETE", path))

    async def get_interrupt_analytics(self, user_id: str) -> Analytics:
        """The figures of one user's interrupts."""
        answer = await self._send("GET", "analytics/" + segment("userId", user_id))
        return answer.read(Analytics)

    async def get_health(self, challenge: str | None = None) -> Health:
        """What answers at the address, with its proof for `challenge` if it holds a key."""
        query = {"challenge": challenge} if challenge else {}
        return (await self._send("GET", "health", query=query)).read(Health)

    async def _read_interrupt(self, interrupt_id: str) -> Interrupt:
        answer = await self._send("GET", "interrupts/" + segment("interruptId", interrupt_id))
        return _about(interrupt_id, Interrupt, answer).as_of(answer.now)

    async def _send(
        self,
        method: str,
        path: str,
        *,
        body: BaseModel | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request, again where that is safe, and return its success.

        A read is sent again on a lost connection, 429 and 502–504; a write only where no
        connection was made, so that it cannot have arrived.
        """
        attempt = 1
        while True:
            try:
                return (await self._attempt(method, path, body, query or {})).success()
            except (NotConnectedError, BrokenError, RateLimitedError, UnavailableError) as error:
                delay_s = delay_before_retry(error, method, attempt)
                if delay_s is None or attempt >= self._attempts:
                    raise
            await self._sleep(delay_s)
            attempt += 1

    async def _attempt(
        self, method: str, path: str, body: BaseModel | None, query: Mapping[str, str]
    ) -> Answer:
        """Send one request once, bounded in time and size, and take in whatever comes back."""
        address = await self._locate()
        request = self._request(address, method, path, body, query)
        try:
            with anyio.fail_after(self._connect_timeout_s + self._timeout_s):
                response = await self._http.send(request, stream=True, follow_redirects=False)
                try:
                    content = await _read_bounded(response)
                finally:
                    await response.aclose()
        except (TimeoutError, httpx.RequestError) as error:
            raise self._failure(error, address.base_url, method, path) from error
        call = f"{method} {address.base_url}/{path}"
        return Answer(call, response.status_code, response.headers, content, address.api_key)

    def _request(
        self,
        address: Address,
        method: str,
        path: str,
        body: BaseModel | None,
        query: Mapping[str, str],
    ) -> httpx.Request:
        try:
            return self._http.build_request(
                method,
                f"{address.base_url}/{path}",
                params=query or None,
                headers=_headers(address.api_key, has_body=body is not None),
                content=body.model_dump_json(by_alias=True) if body else None,
                timeout=httpx.Timeout(self._timeout_s, connect=self._connect_timeout_s, pool=None),
            )
        except (httpx.InvalidURL, UnicodeEncodeError):
            raise InvalidRequestError(
                "An id or the cursor is too long for a URL, or holds a character that is not text."
            ) from None

    def _failure(self, error: Exception, base_url: str, method: str, path: str) -> UnreachableError:
        """What it means that no answer came, and whether the request may have arrived."""
        match error:
            case httpx.ConnectError() | httpx.ConnectTimeout():
                return NotConnectedError(
                    f"No connection to the LoopIn API at {base_url}: {_reason(error)}. Check "
                    "that it runs there, and that LOOPIN_API_URL is right."
                )
            case TimeoutError() | httpx.TimeoutException():
                return UnreachableError(
                    f"The LoopIn API at {base_url} did not answer {method} /{path} within "
                    f"{self._timeout_s:g} s. Check that it is healthy, or raise LOOPIN_TIMEOUT."
                    + doubt(method)
                )
            case httpx.DecodingError():
                return UnreachableError(
                    f"The answer of the LoopIn API at {base_url} to {method} /{path} cannot be "
                    f"read: {error}. Check the API and any proxy before it." + doubt(method)
                )
        return BrokenError(
            f"The LoopIn API at {base_url} broke off its answer to {method} /{path}: "
            f"{_reason(error)}. Check the API and any proxy before it." + doubt(method)
        )


def _about(interrupt_id: str, shape: type[_AboutOne], answer: Answer) -> _AboutOne:
    """The answer, if it is about the interrupt that was asked for."""
    found = answer.read(shape)
    if found.interrupt_id != interrupt_id:
        raise answer.not_loopin("another interrupt than the one asked for")
    return found


def _check_host(base_url: str) -> None:
    try:
        httpx.URL(base_url).host  # noqa: B018 - reading it decodes it
    except (httpx.InvalidURL, UnicodeError):
        raise ConfigurationError(
            "LOOPIN_API_URL names no address that can be connected to: check its host."
        ) from None


def _new_http(*, trust_env: bool) -> httpx.AsyncClient:
    try:
        return httpx.AsyncClient(
            follow_redirects=False,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
            trust_env=trust_env,
        )
    except (ImportError, OSError, ValueError, httpx.InvalidURL) as error:
        raise ConfigurationError(
            f"The proxy or certificate settings of the environment cannot be used ({error}): mend "
            "or unset HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE, SSL_CERT_DIR."
        ) from error


def _headers(api_key: str | None, *, has_body: bool) -> dict[str, str]:
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    if api_key:
        headers["X-API-Key"] = api_key
    if has_body:
        headers["Content-Type"] = "application/json"
    return headers


async def _read_bounded(response: httpx.Response) -> bytes:
    if response.headers.get("content-encoding", "identity") != "identity":
        # It was not asked for, and a small answer may unpack to more than fits into memory.
        raise httpx.DecodingError("it is compressed", request=response.request)
    content = bytearray()
    async for chunk in response.aiter_raw():
        content += chunk
        if len(content) > MAX_ANSWER_BYTES:
            raise httpx.DecodingError(
                f"more than {MAX_ANSWER_BYTES} bytes", request=response.request
            )
    return bytes(content)


def _reason(error: Exception) -> str:
    """The most telling text in a chain of errors: the operating system's, if there is one."""
    # The protocol's own text quotes the bytes that came, which may be anything.
    if isinstance(error, httpx.ProtocolError):
        return "it was cut short, or is not HTTP"
    if isinstance(error, httpx.ConnectTimeout):
        return "connecting took too long"
    link: BaseException | None = error
    seen: list[BaseException] = []
    while link is not None and link not in seen:
        if isinstance(link, OSError) and link.strerror:
            return link.strerror
        seen.append(link)
        link = link.__cause__ or link.__context__
    return str(error) or "the connection was lost"
