"""What becomes of requests that are in flight when the API ends."""

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from loopin_mcp.api.guards import refusal
from loopin_mcp.errors import UnavailableError


class Endings:
    """The requests in flight whose answers have not begun.

    A thread that stores something is let finish, so that what it stored is still told.
    """

    def __init__(self) -> None:
        self._in_flight: set[anyio.CancelScope] = set()

    def over(self, app: ASGIApp) -> ASGIApp:
        """The app, whose requests can be ended, each with an answer."""

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            async def send_and_go_on(message: Message) -> None:
                self._in_flight.discard(in_flight)
                await send(message)

            with anyio.CancelScope() as in_flight:
                self._in_flight.add(in_flight)
                try:
                    await app(scope, receive, send_and_go_on)
                finally:
                    self._in_flight.discard(in_flight)
            if in_flight.cancelled_caught:
                error = UnavailableError("The API is ending", retry_after_s=1)
                await refusal(error)(scope, receive, send)

        return answer

    def end_all(self) -> None:
        """Answer all with 503."""
        for in_flight in tuple(self._in_flight):
            in_flight.cancel()
