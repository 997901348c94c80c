"""Looks up the addresses of names, without waiting for a name server that hangs."""

import asyncio
import contextlib
import socket
import threading

MOST_AT_ONCE = 200

_Outcome = asyncio.Future[list[str]]


class Lookups:
    """Looks up names as this machine does, bounded in number.

    Each runs in a thread, which the system may hold for a minute, so nobody waits for its end.
    """

    def __init__(self, most_at_once: int = MOST_AT_ONCE) -> None:
        self._most_at_once = most_at_once
        self._under_way = 0

    async def addresses_of(self, host: str) -> list[str]:
        """The addresses of a host, best first; a number in any spelling is an address too.

        Raises:
            OSError: There are none, or they are not known right now.
        """
        if self._under_way == self._most_at_once:
            raise OSError("too many names are being looked up")
        outcome: _Outcome = asyncio.get_running_loop().create_future()
        thread = threading.Thread(target=self._run, args=(host, outcome), daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            raise OSError("there are too many threads") from error
        self._under_way += 1
        return await outcome

    def _run(self, host: str, outcome: _Outcome) -> None:
        found: list[str] | OSError
        try:
            # Bytes, since Python would refuse some names by other errors.
            entries = socket.getaddrinfo(host.encode("ascii"), None, type=socket.SOCK_STREAM)
            found = [str(entry[4][0]) for entry in entries]
        except OSError as error:
            found = error
        # A process that ends closes its loop before all threads have ended.
        with contextlib.suppress(RuntimeError):
            outcome.get_loop().call_soon_threadsafe(self._end, outcome, found)

    def _end(self, outcome: _Outcome, found: list[str] | OSError) -> None:
        self._under_way -= 1
        if outcome.done():
            return
        if isinstance(found, OSError):
            outcome.set_exception(found)
        else:
            outcome.set_result(found)
