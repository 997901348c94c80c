"""Opens the reviewer's inbox: of the embedded API signed in, or where it asks for a key."""

from collections.abc import Callable
from dataclasses import replace

import anyio

from loopin_mcp.client.addresses import Address
from loopin_mcp.client.client import LoopinClient
from loopin_mcp.embedded import embedded_api
from loopin_mcp.errors import ForbiddenError, LoopinError
from loopin_mcp.settings.settings import Settings

Say = Callable[[str], None]


async def open_inbox(
    settings: Settings, say: Say, show: Say, start_browser: Callable[[str], None] | None
) -> None:
    """Open the inbox with `start_browser`, or `show` its link where that is None or fails.

    Where no host has the embedded API running, serve it until cancelled; `say` tells so.

    Raises:
        LoopinError: The settings cannot be used, or the API cannot be reached.
    """
    if settings.api_url:
        _open(f"{settings.api_url}/", say, show, start_browser)
        return
    failure: LoopinError | None = None
    # It is opened here, once.
    async with embedded_api(replace(settings, open_review="off")) as locate:
        try:
            address = await locate()
            async with LoopinClient(locate=locate, timeout_s=settings.timeout_s) as client:
                _open(await _way_in(client, address), say, show, start_browser)
            if address.is_here:
                say("No host has it running now, so it is served here: Ctrl-C ends that.")
                await anyio.sleep_forever()
        except LoopinError as error:
            # Let through the API's task group, it would arrive as an ExceptionGroup.
            failure = error
    if failure is not None:
        raise failure


async def _way_in(client: LoopinClient, address: Address) -> str:
    """A link that signs in, or one to where reviewers sign in with their own keys."""
    try:
        return (await client.create_sign_in_link()).url
    except ForbiddenError:
        return f"{address.base_url}/"


def _open(url: str, say: Say, show: Say, start_browser: Callable[[str], None] | None) -> None:
    if start_browser is not None:
        try:
            start_browser(url)
        except OSError as error:
            say(f"The browser cannot be started: {error.strerror}. Open this link yourself:")
        else:
            say("Opening the inbox in your browser.")
            return
    show(url)
