"""Reports the progress of a wait to the host; some hosts show it to the user."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from loopin_mcp.errors import ungrouped
from loopin_mcp.mcp_server.context import Call

PROGRESS_EVERY_S = 5.0

_Outcome = TypeVar("_Outcome")


async def with_progress(
    ctx: Call, wait: Callable[[float], Awaitable[_Outcome]], wait_s: float, every_s: float
) -> _Outcome:
    """The outcome of `wait(wait_s)`, with a report to the host every `every_s` seconds until then.

    Raises:
        LoopinError: `wait` raised it.
    """
    with ungrouped():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_report, ctx, wait_s, every_s)
            outcome = await wait(wait_s)
            tasks.cancel_scope.cancel()
    return outcome


async def _report(ctx: Call, wait_s: float, every_s: float) -> None:
    started = anyio.current_time()
    while True:
        await anyio.sleep(every_s)
        waited_s = round(anyio.current_time() - started, 2)
        left_s = max(0, wait_s - waited_s)
        message = f"Waited {waited_s:.0f} s for a human's decision, {left_s:.0f} s left"
        await ctx.report_progress(waited_s, wait_s, message)
