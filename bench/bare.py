"""A bare MCP server to compare with: two tools that do nothing, or only one HTTP call each.

python bench/bare.py [httpx]
"""

import os
import sys
from typing import Any

from mcp.server import MCPServer

server = MCPServer("bare")


def serve_alone() -> None:
    """Tools that answer at once."""

    @server.tool()
    async def create_interrupt(action: str, context: dict[str, Any]) -> dict[str, Any]:
        return {"interruptId": "int-1", "status": "pending", "action": action, "context": context}

    @server.tool()
    async def get_interrupt_status(
        interruptId: str,  # noqa: N803 - the wire name
        waitSeconds: float | None = None,  # noqa: N803
    ) -> dict[str, Any]:
        return {"interruptId": interruptId, "status": "pending", "waitSeconds": waitSeconds}


def serve_with_httpx() -> None:
    """Tools that pass on the API's answer."""
    import httpx
    import sniffio  # noqa: F401 - without it, httpcore looks for it in each request

    http = httpx.AsyncClient(base_url=os.environ["LOOPIN_API_URL"])

    @server.tool()
    async def create_interrupt(action: str, context: dict[str, Any]) -> dict[str, Any]:
        body = {"agentId": "bare", "userId": "bench", "action": action, "context": context}
        answer: dict[str, Any] = (await http.post("/interrupts", json=body)).json()
        return answer

    @server.tool()
    async def get_interrupt_status(
        interruptId: str,  # noqa: N803
        waitSeconds: float | None = None,  # noqa: N803
    ) -> dict[str, Any]:
        answer: dict[str, Any] = (await http.get(f"/interrupts/{interruptId}")).json()
        return answer


if sys.argv[1:] == ["httpx"]:
    serve_with_httpx()
else:
    serve_alone()
server.run("stdio")
