"""Sends one request through to a human and back."""

from collections.abc import Callable
from dataclasses import dataclass

import anyio

from loopin_mcp.client.addresses import Locate
from loopin_mcp.client.client import LoopinClient
from loopin_mcp.commands.doctor.checks import REPORT, Finding, problem
from loopin_mcp.errors import ConflictError, LoopinError
from loopin_mcp.settings.settings import Settings
from loopin_mcp.wire.models import Interrupt, NewInterrupt

LIVE = "Live test"
WAIT_S = 300
CANCEL_S = 2.0

_ACTION = "This is a test from loopin-mcp doctor"
_AGAIN = "Run `loopin-mcp doctor --live` again, and decide within five minutes."


@dataclass(frozen=True)
class Human:
    """How to reach the human: `say` prints, and `start_browser`, if any, opens a page."""

    say: Callable[[str], None]
    start_browser: Callable[[str], None] | None = None

    def show(self, url: str) -> None:
        """Show the page of the request."""
        self.say(f"Decide on the test request at {url}")
        self.say("Waiting for the decision, at most five minutes (Ctrl+C cancels) …")
        if self.start_browser is not None:
            try:
                self.start_browser(url)
            except OSError as error:
                self.say(f"Cannot start the browser: {error.strerror}. Open the link yourself.")


async def ask(
    settings: Settings, locate: Locate, human: Human, wait_s: float = WAIT_S
) -> list[Finding]:
    """Ask the human, and wait; cancels the request if nobody decides or this is cancelled."""
    new = NewInterrupt(
        agent_id="loopin-mcp doctor",
        user_id=settings.default_user_id or "loopin-mcp doctor",
        action=_ACTION,
        context={"note": "Nothing happens, whatever you decide."},
        urgency="low",
        expires_in=WAIT_S,
    )
    try:
        async with LoopinClient(locate=locate, timeout_s=settings.timeout_s) as client:
            created = await client.create_interrupt(new)
            try:
                await anyio.to_thread.run_sync(human.show, created.review_url or "")
                interrupt = await client.wait_for_decision(created.interrupt_id, wait_s)
            except BaseException:
                await _cancel(client, created.interrupt_id)
                raise
            if interrupt.is_pending:
                await _cancel(client, created.interrupt_id)
            return await _outcome(client, interrupt)
    except LoopinError as error:
        return [problem(LIVE, error, _AGAIN)]


async def _cancel(client: LoopinClient, interrupt_id: str) -> None:
    with anyio.move_on_after(CANCEL_S, shield=True):
        await client.cancel_interrupt(interrupt_id)


async def _outcome(client: LoopinClient, interrupt: Interrupt) -> list[Finding]:
    if interrupt.decision is None:
        return [Finding(LIVE, "warning", "nobody decided in time", _AGAIN)]
    by = f" by {interrupt.decided_by}" if interrupt.decided_by else ""
    said = f"{interrupt.decision}{by}, and the answer arrived here"
    if interrupt.decision != "approved":
        return [Finding(LIVE, "pass", said)]
    await client.use_approval(interrupt.interrupt_id)
    try:
        await client.use_approval(interrupt.interrupt_id)
    except ConflictError:
        return [Finding(LIVE, "pass", f"{said}, where it could be used once")]
    return [Finding(LIVE, "failure", f"{said}, where it could be used twice", REPORT)]
