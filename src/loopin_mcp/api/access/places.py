"""Finds the session of a request by the place in its path and its cookie."""

import re

from starlette.types import Scope

from loopin_mcp.api.access.sessions import Session, Sessions
from loopin_mcp.errors import UnavailableError

_PLACE = re.compile(rb"/~([A-Za-z0-9_-]{43})(/.*)")


class Places:
    """Finds sessions by their places and cookies.

    A browser also sends the cookies of other programs on the host, up to 720 KB. A request that
    waits must not keep them in memory.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def take(self, scope: Scope) -> None:
        """Take place and cookies off a request, and add its session if it has a place."""
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        cookies = [value for name, value in headers if name == b"cookie"]
        if cookies:
            # The server holds the same list, as long as nobody has made Starlette's Headers of it.
            headers[:] = [header for header in headers if header[0] != b"cookie"]
        if found := _PLACE.fullmatch(scope["raw_path"]):
            place = found[1].decode()
            path = scope["path"].removeprefix(f"/~{place}")
            session = await self._find(place, cookies) if _has_session(path) else None
            scope.update(path=path, raw_path=found[2], session=session)

    async def _find(self, place: str, cookies: list[bytes]) -> Session | UnavailableError | None:
        try:
            return await self._sessions.find(place, cookies)
        except UnavailableError as error:
            # The page that needs the session reports it.
            return error


def _has_session(path: str) -> bool:
    return not path.startswith("/static/")
