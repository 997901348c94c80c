"""Resolves host names in threads, so that a hanging name server blocks nobody."""

import socket
from functools import partial

from loopin_mcp.api.outbox.threads import in_daemon_thread

MOST_AT_ONCE = 200


class Lookups:
    """Resolves names with the system's resolver, at most `most_at_once` at a time."""

    def __init__(self, most_at_once: int = MOST_AT_ONCE) -> None:
        self._free = most_at_once

    async def addresses_of(self, host: str) -> list[str]:
        """The addresses of a host, best first.

        Raises:
            OSError: The host does not resolve, or too many lookups are running.
        """
        if not self._free:
            raise OSError("too many names are being looked up")
        self._free -= 1
        # Python's own encoding of a str raises other errors for some names.
        look_up = partial(socket.getaddrinfo, host.encode("ascii"), None, type=socket.SOCK_STREAM)
        try:
            entries = await in_daemon_thread(look_up, self._end)
        except RuntimeError as error:
            raise OSError("there are too many threads") from error
        return [str(entry[4][0]) for entry in entries]

    def _end(self) -> None:
        self._free += 1
