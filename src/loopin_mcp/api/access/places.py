"""Finds the session of a request by the place in its path and its cookie."""

import re

from starlette.types import ASGIApp, Receive, Scope, Send

from loopin_mcp.api.access.sessions import Session, Sessions
from loopin_mcp.errors import UnavailableError

_PLACE = re.compile(rb"/~([A-Za-z0-9_-]{43})(/.*)")


class Places:
    """Takes a session's place off the path, and all cookies off the headers.

    A browser also sends the cookies of other programs on the host, up to 720 KB. A request that
    waits must not keep them in memory.
    """

    def __init__(self, app: ASGIApp, *, sessions: Sessions) -> None:
        self._app = app
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its session, if it has one."""
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        cookies = [value for name, value in headers if name == b"cookie"]
        # The server holds the same list, as long as nobody has made Starlette's Headers of it.
        headers[:] = [header for header in headers if header[0] != b"cookie"]
        if found := _PLACE.fullmatch(scope["raw_path"]):
            place = found[1].decode()
            path = scope["path"].removeprefix(f"/~{place}")
            session = await self._find(place, cookies) if _has_session(path) else None
            scope = {**scope, "path": path, "raw_path": found[2], "session": session}
        await self._app(scope, receive, send)

    async def _find(self, place: str, cookies: list[bytes]) -> Session | UnavailableError | None:
        try:
            return await self._sessions.find(place, cookies)
        except UnavailableError as error:
            # The page that needs the session reports it.
            return error


def _has_session(path: str) -> bool:
    return not path.startswith("/static/")
