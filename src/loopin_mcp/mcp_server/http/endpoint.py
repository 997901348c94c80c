"""The MCP server as an ASGI app: the SDK's session manager, and what each request may know."""

import hmac
from collections.abc import AsyncIterator, Callable, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import anyio
import mcp_types as types
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.request_state import RequestStateSecurity
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import RequestBodyLimitMiddleware

from loopin_mcp.client.client import LoopinClient
from loopin_mcp.mcp_server.context import PROGRESS_EVERY_S, Loopin
from loopin_mcp.mcp_server.forms import AnyForms, CarriedForms
from loopin_mcp.mcp_server.http.introductions import SESSION_ID, introduced_by, session_id
from loopin_mcp.mcp_server.tools import STATE_TTL_S, create_server
from loopin_mcp.settings.settings import Settings
from loopin_mcp.wire.bearer import bearer_token
from loopin_mcp.wire.validation import parse_json

# The largest request of a tool has some 400 KiB if everything in it is escaped.
MOST_BYTES = 1024 * 1024

Message = MutableMapping[str, Any]
Receive = Callable[[], Any]
Send = Callable[[Message], Any]
# The client of the API for the caller with a bearer token, which is empty if it needed none.
ClientOf = Callable[[str], LoopinClient]
_Context = ServerRequestContext[Any, Any]


class Endpoint:
    """An ASGI app that answers requests of MCP until `let_go` is called."""

    def __init__(self, manager: StreamableHTTPSessionManager, stopping: anyio.Event) -> None:
        self._manager = manager
        self._stopping = stopping
        self._app = RequestBodyLimitMiddleware(self._answer, MOST_BYTES)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer the request."""
        # httptools keeps the blanks after a value, which the SDK would compare with the body:
        # https://www.rfc-editor.org/rfc/rfc9110#section-5.5
        headers = [(name, value.strip(b" \t")) for name, value in scope["headers"]]
        await self._app({**scope, "headers": headers}, receive, send)

    def let_go(self) -> None:
        """Answer all waits for decisions, so that the server can end."""
        self._stopping.set()

    async def _answer(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request, whose whole body is in its first message."""
        first: Message | None = await receive()
        body = first.get("body", b"") if first else b""
        try:
            # The SDK would silently choose one of two values, or round a number.
            parse_json(body)
        except ValueError as error:
            await _refuse(send, f"The body {error}.")
            return

        async def replay() -> Message:
            nonlocal first
            message, first = first, None
            return message or await receive()

        session = session_id(body)
        await self._manager.handle_request(scope, replay, _introducing(send, session))


def _introducing(send: Send, session: str | None) -> Send:
    """A `send` that adds the session id, if there is one, to the headers of the response."""

    async def introduce(message: Message) -> None:
        if session and message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (SESSION_ID, session.encode())]
        await send(message)

    return introduce


async def _refuse(send: Send, fault: str) -> None:
    error = types.ErrorData(code=types.PARSE_ERROR, message=fault)
    body = types.JSONRPCError(jsonrpc="2.0", id=None, error=error).model_dump_json().encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 400, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def mcp_endpoint(
    settings: Settings,
    secret: str | None,
    client_of: ClientOf | None = None,
    *,
    progress_every_s: float = PROGRESS_EVERY_S,
    serve_after_s: float | None = None,
) -> AsyncIterator[Endpoint]:
    """Serve MCP until the block ends; nothing is kept between requests.

    Copies with the same `secret` take each other's forms. Calls go to the API of the settings, or
    to that of `client_of`. The tools for hosts are not offered: they read files of the machine that
    runs the host. For the rest see `create_server`.
    """
    stopping = anyio.Event()
    apart = _Apart(CarriedForms(), stopping, client_of)
    server = create_server(
        replace(settings, gate="off"),
        progress_every_s=progress_every_s,
        serve_after_s=serve_after_s,
        state_security=_sealing(secret) if secret else None,
        middleware=[apart],
    )
    manager = StreamableHTTPSessionManager(server._lowlevel_server, stateless=True)
    async with manager.run():
        yield Endpoint(manager, stopping)


def _sealing(secret: str) -> RequestStateSecurity:
    key = hmac.digest(secret.encode(), b"loopin-mcp forms", "sha256")
    return RequestStateSecurity(keys=[key], ttl=STATE_TTL_S, bind_principal=_token_of)


def _header(ctx: _Context, name: str) -> list[str]:
    assert ctx.request is not None
    values: list[str] = ctx.request.headers.getlist(name)
    return values


def _token_of(ctx: _Context) -> str:
    """The bearer token of a request, which the front of this server has checked."""
    return bearer_token(_header(ctx, "authorization"))


@dataclass(frozen=True)
class _Apart:
    """A middleware that keeps requests apart: each may come from another user."""

    forms: AnyForms
    stopping: anyio.Event
    client_of: ClientOf | None

    async def __call__(self, ctx: _Context, call_next: CallNext) -> HandlerResult:
        loopin: Loopin = ctx.lifespan_context
        for session in _header(ctx, SESSION_ID.decode()):
            if ctx.session.client_params is None:
                # The SDK has no other place for it.
                ctx.session._connection.client_params = introduced_by(session)
        make_client = loopin.make_client
        if client_of := self.client_of:
            token = _token_of(ctx)

            def make_client() -> LoopinClient:
                return client_of(token)

        own = Loopin(
            make_client,
            loopin.settings,
            self.forms,
            loopin.progress_every_s,
            stopping=self.stopping,
        )
        return await call_next(replace(ctx, lifespan_context=own))
