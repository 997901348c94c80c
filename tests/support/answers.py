"""Interrupts that were decided, and the analytics page that counts them."""

from loopin_mcp.api.store.store import Store
from loopin_mcp.wire.models import Decision
from tests.support import AGENT, REVIEWER, Clock, api_client, new_interrupt
from tests.support.page import Page

APPROVED = Decision(decision="approved")
REJECTED = Decision(decision="rejected")
DAY_S = 86_400
MASKED = "Transfer <amount> to vendor account ending in <number>"


async def answered(
    store: Store, clock: Clock, decision: Decision, after_s: float = 60, **changes: object
) -> None:
    """Create an interrupt and decide it after this time."""
    created = await store.create_interrupt(new_interrupt(**changes), AGENT)
    clock.advance(after_s)
    await store.decide_interrupt(created.interrupt_id, decision, REVIEWER)


async def shown(store: Store, query: str = "", status: int = 200) -> Page:
    """The analytics page of an API without a key."""
    async with api_client(store) as browser:
        answer = await browser.get(f"/analytics{query}")
    assert (answer.status_code, answer.headers["cache-control"]) == (status, "no-store")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return Page(answer)
