"""A request as an agent sends it."""

from typing import Any

import httpx

NEW = {"agentId": "a", "userId": "u", "action": "Pay", "context": {"amount": 1}}
JSON = {"Content-Type": "application/json"}


async def create(api: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    answer = await api.post("/interrupts", json=NEW | changes)
    assert answer.status_code == 201, answer.text
    created: dict[str, Any] = answer.json()
    return created
