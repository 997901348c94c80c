"""Removes the service workers that another program left in a browser."""

from starlette.responses import Response
from starlette.types import Scope

# Where our own is; see pages/static/app/sw.js.
WORKER = "/sw.js"
# It takes the place of the worker, leaves, and has the worker's pages loaded from this API.
_SCRIPT = """\
addEventListener("install", () => skipWaiting());
addEventListener("activate", (event) => event.waitUntil((async () => {
  await clients.claim();
  await registration.unregister();
  for (const page of await clients.matchAll()) page.navigate(page.url);
})()));
"""


def removal_of_worker(scope: Scope) -> Response | None:
    """Answers the browser's look for a new version of any service worker.

    A program that had the port before may have installed one, which would see all that is sent
    here. This API has only one, which handles no pages, and leaves if it is installed for any.
    """
    is_look = (b"service-worker", b"script") in scope["headers"] and scope["path"] != WORKER
    return Response(_SCRIPT, media_type="text/javascript") if is_look else None
