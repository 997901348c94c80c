"""The demo: an MCP client that asks a human through the real server, and waits."""

import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

import anyio.to_thread
from mcp import Client, StdioServerParameters
from mcp_types import Implementation, TextContent

from loopin_mcp.desktop import has_desktop, start_browser
from loopin_mcp.errors import LoopinError, ungrouped
from loopin_mcp.version import __version__
from loopin_mcp.wire.plain_text import marked

AGENT = "payment-agent"
ACTION = "Pay invoice 2026-117 of Harbour Print Ltd: 4,200.00 EUR"
CONTEXT = {
    "payee": "Harbour Print Ltd",
    "invoice": "2026-117",
    "amount": 4200,
    "currency": "EUR",
    "due": "2026-12-01",
    "why": "Brochures for the spring fair, delivered on 12 November",
}
WAIT_S = 10
THINK_S = 1.0

Say = Callable[[str], None]


async def run_demo(
    decide: str | None, environment: Mapping[str, str], say: Say, *, wait_s: int = WAIT_S
) -> None:
    """Create an interrupt, wait for the decision and show it; `decide` plays the human too.

    Raises:
        LoopinError: A tool refused.
    """
    with ungrouped():
        await _run(decide, environment, say, wait_s)


async def _run(decide: str | None, environment: Mapping[str, str], say: Say, wait_s: int) -> None:
    # The demo opens the review page itself, so that the inbox need not open too.
    server = StdioServerParameters(
        command=sys.executable,
        # Safe, so that no mcp or httpx in the working directory is imported instead.
        args=["-P", "-m", "loopin_mcp"],
        env={**environment, "LOOPIN_OPEN_REVIEW": "off"},
    )
    say("Starting the MCP server, as an MCP host does.")
    async with Client(server, client_info=Implementation(name=AGENT, version=__version__)) as mcp:
        arguments = {"action": ACTION, "context": CONTEXT, "urgency": "high", "expiresIn": 600}
        created = await _call(mcp, "create_interrupt", arguments)
        say(f"The agent wants to: {ACTION}")
        say(f"A human decides at: {created['reviewUrl']}")
        try:
            async with anyio.create_task_group() as tasks:
                if decide is not None:
                    tasks.start_soon(_be_human, created["reviewUrl"], decide, say)
                elif has_desktop(environment):
                    tasks.start_soon(_open_page, created["reviewUrl"], say)
                status = await _wait(mcp, created["interruptId"], say, wait_s)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await _cancel(mcp, created["interruptId"], say)
            raise
    say("The agent reads:")
    say(marked(json.dumps(status, indent=2, ensure_ascii=False)))
    say("The agent pays." if status["approved"] else "The agent does not pay.")


async def _wait(mcp: Client, interrupt_id: str, say: Say, wait_s: int) -> dict[str, Any]:
    """Ask until the interrupt is settled, as an agent does."""
    arguments = {"interruptId": interrupt_id, "waitSeconds": wait_s}
    while True:
        say("The agent waits for the decision (Ctrl+C cancels the request) …")
        status = await _call(mcp, "get_interrupt_status", arguments)
        if status["status"] != "pending":
            return status


async def _open_page(review_url: str, say: Say) -> None:
    say("Opening it in your browser.")
    try:
        await anyio.to_thread.run_sync(start_browser, review_url)
    except OSError as error:
        say(f"Cannot start the browser: {error.strerror}. Open the link yourself.")


async def _be_human(review_url: str, decide: str, say: Say) -> None:
    """Decide on the page in place of the human, shortly after the agent began to wait."""
    await anyio.sleep(THINK_S)
    say(f"The human decides: {decide}")
    await anyio.to_thread.run_sync(_submit, review_url, decide)


def _submit(review_url: str, decide: str) -> None:
    """Send the page's form, without a proxy."""
    # The page asks once more for high urgency.
    fields = {"decision": decide, "confirmed": decide, "reason": "Decided by the demo"}
    form = urllib.parse.urlencode(fields)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(review_url, form.encode(), timeout=10).close()
    except urllib.error.HTTPError as error:
        raise LoopinError(
            f"The review page refused the demo's decision ({error}). If reviewer keys are set, "
            "only a reviewer can decide: leave out --decide, or unset LOOPIN_REVIEWER_KEYS."
        ) from error
    except OSError as error:
        raise LoopinError(
            f"The review page {review_url} cannot be reached: {error}. Check LOOPIN_BASE_URL."
        ) from error


async def _cancel(mcp: Client, interrupt_id: str, say: Say) -> None:
    with anyio.move_on_after(2):
        await _call(mcp, "cancel_interrupt", {"interruptId": interrupt_id})
        say("The request was cancelled.")


async def _call(mcp: Client, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    result = await mcp.call_tool(name, arguments)
    if result.is_error:
        raise LoopinError(
            " ".join(part.text for part in result.content if isinstance(part, TextContent))
        )
    content: dict[str, Any] = result.structured_content
    return content
