"""The store on every database there is."""

import anyio
import pytest

from loopin_mcp.api.store import Store
from loopin_mcp.errors import ConflictError, InvalidRequestError, NotFoundError
from loopin_mcp.models import (
    ActionCount,
    Analytics,
    Cancelled,
    Decided,
    Decision,
    Interrupt,
    Verdict,
)
from tests.support import PUBLIC_URL, Clock, new_interrupt

APPROVED = Decision(decision="approved")


async def test_created_interrupt_is_read_back_whole(store: Store, clock: Clock) -> None:
    created = await store.create_interrupt(new_interrupt(expires_in=60), clock())

    read = await store.get_interrupt_status(created.interrupt_id, clock())

    assert read == Interrupt.model_validate(
        {
            "interruptId": created.interrupt_id,
            "agentId": "agent-1",
            "userId": "user-1",
            "status": "pending",
            "action": "Transfer $4,200 to vendor account ending in 9821",
            "context": {"amount": 4200, "currency": "USD"},
            "urgency": "medium",
            "createdAt": "2025-06-15T15:06:40.000Z",
            "expiresAt": "2025-06-15T15:07:40.000Z",
            "reviewUrl": f"{PUBLIC_URL}/review/{created.interrupt_id}",
        }
    )
    assert created.expires_at == read.expires_at
    assert created.review_url == read.review_url
