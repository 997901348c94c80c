"""What is said of a failure once it begins and once it ends."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from loopin_mcp.errors import LoopinError, UnavailableError

logger = logging.getLogger("loopin_mcp")


@dataclass(frozen=True)
class Fault:
    """What is wrong with a database, in words for everybody, and what its operator can do.

    Damage lasts until then, though what is stored elsewhere can be used.
    """

    what: str
    remedy: str
    is_damage: bool = False


class Breakdown:
    """What a `database` of this name cannot do while it fails, such as `be read`.

    `fault_of` tells what is wrong, or None where an error is not the database's.
    """

    def __init__(
        self, database: str, what: str, fault_of: Callable[[Exception], Fault | None]
    ) -> None:
        self._database = database
        self._what = what
        self._fault_of = fault_of
        self._lasts = False
        self._is_damaged = False

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Have the database used in this block.

        Raises:
            UnavailableError: It failed.
        """
        try:
            yield
        except Exception as error:
            fault = self._fault_of(error)
            if fault is None:
                raise
            self._log(fault)
            raise UnavailableError(
                f"The database cannot {self._what} right now: {fault.what}"
            ) from error
        if self._lasts:
            logger.info("%s can %s again", self._database, self._what)
            self._lasts = False

    def _log(self, fault: Fault) -> None:
        is_known = self._lasts or (fault.is_damage and self._is_damaged)
        # What is read well elsewhere in between does not mend it.
        self._is_damaged |= fault.is_damage
        self._lasts |= not fault.is_damage
        if not is_known:
            said = (self._database, self._what, fault.what, fault.remedy)
            logger.error("%s cannot %s: %s. %s.", *said)


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
