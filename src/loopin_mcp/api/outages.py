"""Keeps the log short while a loop fails round after round."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from loopin_mcp.errors import LoopinError


class Outage:
    """Logs that `what` has to wait when that begins, and when it is over."""

    def __init__(self, logger: logging.Logger, what: str) -> None:
        self.lasts = False
        self._logger = logger
        self._what = what

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Let pass what cannot be done right now; the next round is to try again."""
        try:
            yield
        # Whatever goes wrong in a round must not end the API.
        except Exception as error:
            if not self.lasts:
                reason = error if isinstance(error, LoopinError) else type(error).__name__
                self._logger.warning("%s wait: %s", self._what, reason)
            self.lasts = True
        else:
            if self.lasts:
                self._logger.info("%s wait no more", self._what)
            self.lasts = False
