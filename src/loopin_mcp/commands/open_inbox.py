"""Opens the reviewer's inbox: signed in on the embedded API, else with a sign-in page."""

from collections.abc import Callable
from dataclasses import replace

import anyio

from loopin_mcp.client.addresses import Address
from loopin_mcp.client.client import LoopinClient
from loopin_mcp.embedded import embedded_api
from loopin_mcp.errors import ForbiddenError, ungrouped
from loopin_mcp.settings.settings import Settings

Say = Callable[[str], None]

_ONCE = "This link works once, within a minute. `loopin-mcp inbox` gives you a new one."
_SERVING = "No MCP host is running LoopIn, so this command serves the inbox. Press Ctrl+C to stop."


async def open_inbox(
    settings: Settings, say: Say, show: Say, start_browser: Callable[[str], None] | None
) -> None:
    """Open the inbox with `start_browser`, or `show` its link if that is None or fails.

    If no host is running the embedded API, `say` so and serve it until cancelled.

    Raises:
        LoopinError: The settings cannot be used, or the API cannot be reached.
    """
    if settings.api_url:
        _open(f"{settings.api_url}/", "", say, show, start_browser)
        return
    # This command opens the inbox, so its API must not open it too.
    settings = replace(settings, open_review="off")
    with ungrouped():
        async with embedded_api(settings) as locate:
            address = await locate()
            async with LoopinClient(locate=locate, timeout_s=settings.timeout_s) as client:
                _open(*await _way_in(client, address), say, show, start_browser)
            if address.is_here:
                say(_SERVING)
                await anyio.sleep_forever()


async def _way_in(client: LoopinClient, address: Address) -> tuple[str, str]:
    """A link that signs in, with a note on it, or the inbox's address if reviewers have keys."""
    try:
        return (await client.create_sign_in_link()).url, _ONCE
    except ForbiddenError:
        return f"{address.base_url}/", ""


def _open(
    url: str, note: str, say: Say, show: Say, start_browser: Callable[[str], None] | None
) -> None:
    if start_browser is not None:
        try:
            start_browser(url)
        except OSError as error:
            say(f"Cannot start the browser: {error.strerror}. Open this link yourself:")
        else:
            say("Opening the inbox in your browser.")
            return
    show(url)
    if note:
        say(note)
