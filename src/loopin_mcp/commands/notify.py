"""Sends a test notification to every channel in the settings."""

from collections.abc import Callable

import anyio.abc

from loopin_mcp.api.outbox.apprise_service import Message
from loopin_mcp.api.outbox.channels import Channel, channels_of
from loopin_mcp.api.outbox.delivery import NotSentError
from loopin_mcp.errors import ConfigurationError
from loopin_mcp.settings.settings import Settings

_TEST = Message("LoopIn: test", "It works. Approval requests will be sent here.")


async def send_test_notifications(settings: Settings, say: Callable[[str], None]) -> bool:
    """Send a test to each channel and say which arrived; returns whether all did.

    Raises:
        ConfigurationError: There are no channels, or one cannot be used.
    """
    channels = await channels_of(settings)
    if channels is None:
        raise ConfigurationError("Set LOOPIN_NOTIFY first, to one or more Apprise URLs.")
    missed: list[Channel] = []

    async def send(channel: Channel) -> None:
        try:
            await channel.send(_TEST)
        except NotSentError as error:
            missed.append(channel)
            say(f"Did not arrive: {channel.label}: {error}")
        else:
            say(f"Arrived: {channel.label}")

    async with anyio.create_task_group() as sending:
        for channel in channels.all:
            sending.start_soon(send, channel)
    return not missed
