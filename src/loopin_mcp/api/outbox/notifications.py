"""Sends notifications: their text, and their channel or device."""

import anyio.to_thread

from loopin_mcp.api.clock import moment
from loopin_mcp.api.outbox.apprise_service import Message
from loopin_mcp.api.outbox.channels import Channels
from loopin_mcp.api.outbox.delivery import NotDueError, continue_trace, require_trusted
from loopin_mcp.api.outbox.inert_text import inert
from loopin_mcp.api.outbox.pushes import Pushes, push_of
from loopin_mcp.api.store.browsers.devices import DeviceRow
from loopin_mcp.api.store.deliveries import Delivery, Outcome
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import NotFoundError
from loopin_mcp.wire.models import Interrupt
from loopin_mcp.wire.plain_text import quoted, time_in_words

# What fits on a phone; the review page has the full text.
LONGEST_ACTION = 300
LONGEST_NAME = 60


class NotificationSender:
    """Sends the notifications of a store through channels, and to devices."""

    name = "Notification"

    def __init__(
        self, store: Store, channels: Channels | None, pushes: Pushes | None = None
    ) -> None:
        self._store = store
        self._channels = {channel.digest: channel for channel in channels.all} if channels else {}
        self._pushes = pushes

    def place_of(self, delivery: Delivery) -> str:
        """See `Sender.place_of`."""
        channel = self._channels.get(delivery.channel)
        return channel.label if channel else delivery.channel

    async def send(self, delivery: Delivery) -> Outcome | None:
        """See `Sender.send`; sends nothing if the interrupt was settled meanwhile."""
        device = await self._device_of(delivery)
        channel = self._channels.get(delivery.channel)
        if channel is None and device is None:
            if delivery.device_id is not None:
                return None
            raise NotDueError("its channel is no longer set")
        try:
            interrupt, trail = await self._store.get_trail(delivery.interrupt_id)
        except NotFoundError:
            return None
        if not interrupt.is_pending:
            return None
        continue_trace(trail)
        await anyio.to_thread.run_sync(require_trusted, trail)
        now, is_reminder = self._store.clock(), delivery.kind == "reminder"
        if channel:
            await channel.send(message_of(interrupt, now, is_reminder=is_reminder))
            return "notified", {"to": channel.label, "isReminder": is_reminder}
        assert device is not None
        assert self._pushes is not None
        if not await self._pushes.send(device, push_of(interrupt, now, is_reminder=is_reminder)):
            return None
        return "notified", {"to": f"{device.name} of {device.subject}", "isReminder": is_reminder}

    async def _device_of(self, delivery: Delivery) -> DeviceRow | None:
        """The device of a delivery; None if it goes to a channel, or the device is gone."""
        if delivery.device_id is None or self._pushes is None:
            return None
        return await self._pushes.find(delivery.device_id)


def message_of(interrupt: Interrupt, now: int, *, is_reminder: bool) -> Message:
    """The short notification of an interrupt, in which an agent cannot forge anything."""
    assert interrupt.expires_at is not None
    urgent = interrupt.urgency == "high"
    title = f"LoopIn: approval {'still ' if is_reminder else ''}needed"
    agent, user = (
        quoted(name or "", LONGEST_NAME, inert) for name in (interrupt.agent_id, interrupt.user_id)
    )
    left = time_in_words((interrupt.expires_at - moment(now)).total_seconds())
    return Message(
        title=f"{title}, high urgency" if urgent else title,
        text=f"{quoted(interrupt.action, LONGEST_ACTION, inert)}\n"
        f"{agent} asks {user} · {interrupt.urgency} urgency · {left} left\nDecide on this page:",
        link=interrupt.review_url,
        urgent=urgent,
    )
