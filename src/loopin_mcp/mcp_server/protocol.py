"""What the server declares to a host, and what it answers to requests that break the protocol."""

from base64 import b64encode
from collections.abc import Callable, Collection
from importlib.resources import files
from typing import Any

import mcp_types as types
from mcp.server import MCPServer
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from loopin_mcp.settings.settings import Settings
from loopin_mcp.wire.plain_text import plain_text
from loopin_mcp.wire.validation import saying

_INSTRUCTIONS = """\
With LoopIn you ask a human for approval before you spend money, delete or publish something, write
to other people, change production, or do anything else that cannot be undone.

1. create_interrupt: say in `action` exactly what you will do, and put every fact the human needs
   into `context`.
2. Show the returned `reviewUrl` to the user as a link. The human decides on that page.
3. get_interrupt_status with `waitSeconds` {wait}, again while `status` is `pending`. If you cannot
   keep waiting, tell the user and stop; check again when they write.
4. Act only if `approved` is true, and then do exactly what was approved, once; if there are
   `modifiedParams`, use those values. On anything else (rejected, expired, cancelled, an error)
   nothing is approved: do not act, tell the user, and follow the reason if there is one.

Each result on one interrupt has a `nextStep` that says what to do. Never approve your own
request{unless}.
"""
_UNLESS = ": decide_interrupt only passes on a decision that a human has stated explicitly"
_LONGEST_SHOWN = 100
_DISCOVER = "server/discover"
_ICONS = {"loopin.svg": ("image/svg+xml", "any"), "loopin.png": ("image/png", "48x48")}
_HAS = "This server has tools/list, tools/call, prompts/list and prompts/get."
_NEEDS_ENVELOPE = (
    f"{_DISCOVER} needs {types.PROTOCOL_VERSION_META_KEY} and "
    f"{types.CLIENT_CAPABILITIES_META_KEY} in params._meta."
)
_INITIALIZE_FIRST = (
    "Send initialize first, then notifications/initialized; or put the envelope of 2026-07-28 into "
    "params._meta of every request."
)


def instructions(settings: Settings) -> str:
    """What a model should know of the tools."""
    unless = _UNLESS if "decide_interrupt" in settings.tools else ""
    return _INSTRUCTIONS.format(unless=unless, wait=f"{settings.max_wait_s:g}")


def icons() -> list[types.Icon]:
    """The server's icon, as data URIs: a host has to fetch nothing."""
    folder = files("loopin_mcp") / "api" / "pages" / "static"
    return [
        types.Icon(
            src=f"data:{mime_type};base64,{b64encode((folder / name).read_bytes()).decode()}",
            mime_type=mime_type,
            sizes=[size],
        )
        for name, (mime_type, size) in _ICONS.items()
    ]


def declare_tools_and_prompts(server: MCPServer[Any]) -> None:
    """Remove what else the SDK would declare, and name all versions of the protocol."""
    lowlevel = server._lowlevel_server
    # Two hosts give the model three more tools for resources, even if there are none.
    for method in list(lowlevel._request_handlers):
        if method.startswith("resources/"):
            del lowlevel._request_handlers[method]

    async def discover(
        ctx: ServerRequestContext[Any, Any], _params: types.RequestParams
    ) -> types.DiscoverResult:
        return types.DiscoverResult(
            supported_versions=[*reversed(KNOWN_PROTOCOL_VERSIONS)],
            capabilities=lowlevel.get_capabilities(protocol_version=ctx.protocol_version),
            instructions=lowlevel.instructions,
        )

    lowlevel.add_request_handler(_DISCOVER, types.RequestParams, discover)


class PlainProtocol:
    """A middleware that says in a refusal what is wrong with the request.

    `tools` gives the names of those that a client is offered.
    """

    def __init__(
        self,
        tools: Callable[[types.Implementation | None], Collection[str]],
        prompts: Collection[str],
    ) -> None:
        self._tools, self._prompts = tools, prompts

    async def __call__(
        self, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult:
        """Pass a message on, and explain its refusal.

        Raises:
            MCPError: The request breaks the protocol.
        """
        client = ctx.session.client_params
        tools = self._tools(client.client_info if client else None)
        if ctx.request_id is not None:
            self._check(ctx.method, ctx.params or {}, tools)
        try:
            return _lean(ctx.method, tools, await call_next(ctx))
        except ValidationError as error:
            raise MCPError(types.INVALID_PARAMS, _faults(error)) from error
        except MCPError as error:
            if explained := _explained(error, ctx.method):
                raise MCPError(error.code, explained, error.data or None) from error
            raise

    def _check(self, method: str, params: Any, tools: Collection[str]) -> None:  # noqa: ANN401 - JSON
        """Refuse a name that is not offered, and a cursor, since each list has one page."""
        offered = {"tools/call": ("tool", tools), "prompts/get": ("prompt", self._prompts)}
        kind, names = offered.get(method, ("", ()))
        name = params.get("name")
        if names and isinstance(name, str) and name not in names:
            raise MCPError(types.INVALID_PARAMS, _unknown(kind, name, names))
        if method.endswith("/list") and params.get("cursor"):
            raise MCPError(
                types.INVALID_PARAMS, "Unknown cursor: this list has one page. Leave cursor out."
            )


def _unknown(kind: str, name: str, names: Collection[str]) -> str:
    return f"Unknown {kind}: {_shown(name)}. The {kind}s are {', '.join(names)}."


def _faults(error: ValidationError) -> str:
    """Each wrong field, by its path, and why."""
    found = error.errors(include_url=False, include_input=False)
    paths = {".".join(str(part) for part in fault["loc"]): saying(fault) for fault in found}
    return "; ".join(f"{_shown(path)} {fault}" for path, fault in paths.items()) + "."


def _explained(error: MCPError, method: str) -> str:
    """What the SDK's refusal means; empty if it says so itself."""
    if error.code == types.METHOD_NOT_FOUND:
        remedy = _NEEDS_ENVELOPE if method == _DISCOVER else _HAS
        return f"Method not found: {_shown(method)}. {remedy}"
    # The SDK has these words for a request before initialize only.
    return _INITIALIZE_FIRST if error.message == "Invalid request parameters" else ""


def _lean(method: str, tools: Collection[str], result: HandlerResult) -> HandlerResult:
    """A result without tools that are not offered to the client, and without repeated icons.

    The SDK adds the icons to every result in the era of 2026-07-28.
    """
    if not isinstance(result, dict):
        return result
    if method == "tools/list":
        result["tools"] = [tool for tool in result["tools"] if tool["name"] in tools]
    if method != _DISCOVER and (meta := result.get("_meta")):
        meta.get(types.SERVER_INFO_META_KEY, {}).pop("icons", None)
    return result


def _shown(name: str) -> str:
    return plain_text(name[:_LONGEST_SHOWN])
