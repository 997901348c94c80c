"""The events of an interrupt, as the API gives them."""

from typing import Any

import httpx

from loopin_mcp.api.audit.trail import chain_fault
from loopin_mcp.wire.models import Event


async def trail_of(api: httpx.AsyncClient, interrupt_id: str) -> list[dict[str, Any]]:
    """The events of an interrupt; the chain is intact and ends in the eventsHead of its status."""
    answer = await api.get(f"/interrupts/{interrupt_id}/events")
    status = await api.get(f"/interrupts/{interrupt_id}")
    assert answer.status_code == 200, answer.text
    events: list[dict[str, Any]] = answer.json()
    assert chain_fault(map(Event.model_validate, events)) is None
    assert events[-1]["hash"] == status.json()["eventsHead"]
    return events


def told(events: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(event["type"], event["actor"], event["channel"], event["detail"]) for event in events]
