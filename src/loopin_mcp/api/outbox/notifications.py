"""Tells humans of interrupts that wait for them: at once, and again at half their life."""

import contextlib
import logging
import random
from dataclasses import dataclass, field
from functools import partial

import anyio.abc

from loopin_mcp.api.clock import Clock, moment
from loopin_mcp.api.database.outages import Outage
from loopin_mcp.api.outbox.apprise_service import Message
from loopin_mcp.api.outbox.channels import BusyError, Channel, Channels, NotSentError
from loopin_mcp.api.store.notices import Notice
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import LoopinError
from loopin_mcp.wire.models import Interrupt
from loopin_mcp.wire.plain_text import quoted, time_in_words

ROUND_S = 1.0
# Longer than any attempt takes: to wait for its turn, and to send.
LEASE_S = 45.0
MOST_A_MINUTE = 60
# The first retry comes after five seconds, then three times as late each time; in all ten minutes.
MOST_TRIES = 6
FIRST_BACKOFF_S = 5.0
# What fits on a phone; the review page has the whole.
LONGEST_ACTION = 300
LONGEST_NAME = 60

logger = logging.getLogger("loopin_mcp")


async def send_notices(store: Store, clock: Clock, channels: Channels) -> None:
    """Send what is due as soon as it is, until cancelled; see `Notices`."""
    notices = Notices(store, clock, channels)
    outage = Outage(logger, "Notices")
    async with anyio.create_task_group() as sending:
        while True:
            created = store.changes.next_new
            with outage.watched():
                await notices.send_due(sending)
            with anyio.move_on_after(ROUND_S):
                await created.wait()


@dataclass
class _Attempt:
    """What came of one attempt to send a notice: who has it, and why others have not.

    It `failed` where it was really tried and did not arrive.
    """

    reached: set[str]
    faults: dict[Channel, str] = field(default_factory=dict)
    failed: bool = False


class Notices:
    """Sends the notices of a store through channels. `clock` gives epoch milliseconds.

    Each channel has its own success: one that has a notice does not get it again.
    """

    def __init__(self, store: Store, clock: Clock, channels: Channels) -> None:
        self._store = store
        self._clock = clock
        self._channels = channels
        self._sent_ms: list[int] = []

    async def send_due(self, sending: anyio.abc.TaskGroup) -> None:
        """Begin to send what is due now; what fails becomes due again later."""
        now = self._clock()
        self._sent_ms = [sent for sent in self._sent_ms if now - 60_000 < sent <= now]
        limit = MOST_A_MINUTE - len(self._sent_ms)
        if not limit:
            return
        due = await self._store.notices.take_due_notices(
            lease_ms=round(LEASE_S * 1000),
            limit=limit,
            high_alone=not self._channels.ordinary,
        )
        self._sent_ms.extend([now] * len(due))
        for notice in due:
            sending.start_soon(self._send, notice)

    async def _send(self, notice: Notice) -> None:
        try:
            attempt = _Attempt(set(notice.reached))
            async with anyio.create_task_group() as channels:
                for channel in self._channels.of(notice.urgency):
                    if channel.digest not in notice.reached:
                        channels.start_soon(self._send_to, channel, notice, attempt)
            await self._conclude(notice, attempt)
        # Whatever goes wrong with one notice must not keep the others from being sent.
        except Exception as error:
            # Its lease ends, and then it is due again.
            reason = error if isinstance(error, LoopinError) else type(error).__name__
            logger.warning("Notice of %s waits: %s", notice.interrupt_id, reason)

    async def _send_to(self, channel: Channel, notice: Notice, attempt: _Attempt) -> None:
        try:
            sent = await channel.send(partial(self._compose, notice))
        except BusyError as error:
            attempt.faults[channel] = str(error)
        except (NotSentError, LoopinError) as error:
            attempt.faults[channel] = str(error)
            attempt.failed = True
        else:
            if sent:
                attempt.reached.add(channel.digest)
                # It is stored once more when all are done.
                with contextlib.suppress(LoopinError):
                    await self._store.notices.keep_reached(notice, attempt.reached, channel.label)

    async def _compose(self, notice: Notice) -> Message | None:
        """What to send now, or nothing where the interrupt was settled meanwhile."""
        now = self._clock()
        interrupt = await self._store.get_interrupt_status(notice.interrupt_id)
        if not interrupt.is_pending:
            return None
        return message_of(interrupt, now, is_reminder=notice.is_reminder)

    async def _conclude(self, notice: Notice, attempt: _Attempt) -> None:
        """Settle a notice that all channels have, or that is given up; postpone any other."""
        notices, now = self._store.notices, self._clock()
        if not attempt.failed and attempt.faults:
            # It was not tried, but comes after those that are new.
            tries, due_ms = max(1, notice.tries - 1), now + round(ROUND_S * 1000)
            await notices.postpone_notice(notice, due_ms, tries, attempt.reached)
        elif attempt.failed and notice.tries < MOST_TRIES:
            if notice.tries == 1:
                _log(logging.INFO, "is to be sent again", notice, attempt)
            delay_s = FIRST_BACKOFF_S * 3 ** (notice.tries - 1) * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
            due_ms = now + round(delay_s * 1000)
            await notices.postpone_notice(notice, due_ms, notice.tries, attempt.reached)
        else:
            _log(logging.WARNING, "is given up", notice, attempt)
            await notices.settle_notice(notice)


def _log(level: int, outcome: str, notice: Notice, attempt: _Attempt) -> None:
    for channel, fault in attempt.faults.items():
        place = f"Notice of {notice.interrupt_id} to {channel.label}"
        logger.log(level, "%s %s: %s", place, outcome, fault)


def message_of(interrupt: Interrupt, now: int, *, is_reminder: bool) -> Message:
    """How a human is told of an interrupt: short, and nothing in it that the agent could forge."""
    assert interrupt.expires_at is not None
    urgent = interrupt.urgency == "high"
    title = f"LoopIn: approval {'still ' if is_reminder else ''}needed"
    agent, user = (
        quoted(name or "", LONGEST_NAME) for name in (interrupt.agent_id, interrupt.user_id)
    )
    left = time_in_words((interrupt.expires_at - moment(now)).total_seconds())
    return Message(
        title=f"{title}, high urgency" if urgent else title,
        text=f"{quoted(interrupt.action, LONGEST_ACTION)}\n"
        f"{agent} asks {user} · {interrupt.urgency} urgency · {left} left\nDecide on this page:",
        link=interrupt.review_url,
        urgent=urgent,
    )
