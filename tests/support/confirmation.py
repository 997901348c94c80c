"""For tests of the confirmation: a mocked API, and a human who answers the form."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import anyio
import httpx
import respx
from mcp import Client
from mcp.client import ClientRequestContext
from mcp_types import ElicitRequestFormParams, ElicitRequestParams, ElicitResult, ErrorData

from loopin_mcp.mcp_server.tools import create_server
from loopin_mcp.settings.settings import Settings
from tests.support import PATIENCE_S
from tests.support.server import ERAS, HOST

URL = "https://loopin.example.com"
LINK = f"{URL}/review/i"
INTERRUPT = {
    "interruptId": "i",
    "status": "pending",
    "action": "Pay 5 EUR",
    "agentId": "agent-1",
    "userId": "alice",
    "reviewUrl": LINK,
}
PENDING = "so nothing was recorded and the interrupt stays pending. Do not decide yourself: the"
LEFT = f"{PENDING} human can decide at {LINK}"
FORM = {
    "type": "object",
    "properties": {
        "confirmed": {
            "type": "boolean",
            "title": "I have decided this",
            "description": "An agent reports this as your decision. Confirm only if it is. "
            "Decisions are final.",
        }
    },
    "required": ["confirmed"],
}
APPROVAL = {"interruptId": "i", "decision": "approved"}
YES: dict[str, Any] = {"confirmed": True}
ACCEPT = ElicitResult(action="accept", content=YES)
DECLINE = ElicitResult(action="decline")


class API:
    """A mocked API with one interrupt, which keeps the decisions that it gets."""

    def __init__(self, mock: respx.MockRouter) -> None:
        self.decisions: list[dict[str, Any]] = []
        self.status = mock.get(f"{URL}/interrupts/i").respond(json=INTERRUPT)
        self.decide = mock.post(f"{URL}/interrupts/i/decide").mock(side_effect=self._decide)

    def _decide(self, request: httpx.Request) -> httpx.Response:
        self.decisions.append(json.loads(request.content))
        decision = self.decisions[-1]["decision"]
        receipt = {"interruptId": "i", "status": "resolved", "decision": decision}
        return httpx.Response(200, json=receipt)


@contextmanager
def mocked_api(**changes: object) -> Iterator[API]:
    """The API, with these changes of its interrupt."""
    with respx.mock(assert_all_called=False) as mock:
        api = API(mock)
        api.status.respond(json=INTERRUPT | changes)
        yield api


class Human:
    """A human who answers all forms of the host alike, or none."""

    def __init__(self, answer: ElicitResult | ErrorData | None) -> None:
        self.answer = answer
        self.forms: list[ElicitRequestFormParams] = []

    async def __call__(
        self, context: ClientRequestContext, params: ElicitRequestParams
    ) -> ElicitResult | ErrorData:
        assert isinstance(params, ElicitRequestFormParams)
        self.forms.append(params)
        if self.answer is None:
            await anyio.sleep_forever()
        assert self.answer is not None
        return self.answer


@asynccontextmanager
async def host(
    era: str,
    human: Human | None,
    confirm: str = "auto",
    answer_within_s: float = 45.0,
    **environment: str,
) -> AsyncIterator[Client]:
    """A host of this era that shows its forms to the human; without one it has no forms."""
    settings = Settings.load(
        {"LOOPIN_API_URL": URL, "LOOPIN_CONFIRM": confirm, **environment},
    )
    server = create_server(settings, answer_within_s=answer_within_s)
    with anyio.fail_after(PATIENCE_S):
        async with Client(server, mode=era, client_info=HOST, elicitation_callback=human) as client:
            assert client.protocol_version == ERAS[era]
            yield client
