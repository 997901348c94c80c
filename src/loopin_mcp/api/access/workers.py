"""Removes the service workers that another program left in a browser."""

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

# It takes the place of the worker, leaves, and has the worker's pages loaded from this API.
_SCRIPT = """\
addEventListener("install", () => skipWaiting());
addEventListener("activate", (event) => event.waitUntil((async () => {
  await clients.claim();
  await registration.unregister();
  for (const page of await clients.matchAll()) page.navigate(page.url);
})()));
"""


class NoWorkers:
    """Answers the browser's look for a new version of any service worker.

    A program that had the port before may have installed one, which would see all that is sent
    here. This API has none.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with a script that removes the worker."""
        is_look = (b"service-worker", b"script") in scope["headers"]
        answer = Response(_SCRIPT, media_type="text/javascript") if is_look else self._app
        await answer(scope, receive, send)
