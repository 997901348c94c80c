"""Failures that are logged once when they begin and once when they end."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import anyio

from loopin_mcp.errors import LoopinError, UnavailableError

# How long after a partial fault others like it are expected.
PARTIAL_S = 10.0

logger = logging.getLogger("loopin_mcp")


@dataclass(frozen=True)
class Fault:
    """What is wrong with a database, safe to show to anyone, and the remedy for its operator.

    Damage may affect only parts of the database, and does not end by itself. A partial fault
    concerns only some uses, as a full disk does those that need more room.
    """

    what: str
    remedy: str
    is_damage: bool = False
    is_partial: bool = False


class Breakdown:
    """One thing that a database may be unable to do, such as `be read`.

    `database` names it in logs. `fault_of` gives None for an error that is not the database's. The
    breakdown `lasts` from a failure to the next success.
    """

    def __init__(
        self, database: str, what: str, fault_of: Callable[[Exception], Fault | None]
    ) -> None:
        self._database = database
        self._what = what
        self._fault_of = fault_of
        self.lasts = False
        self._is_damaged = False
        self._partial_until = 0.0

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Use the database in this block.

        Raises:
            UnavailableError: The database failed.
        """
        try:
            yield
        except Exception as error:
            fault = self._fault_of(error)
            if fault is None:
                raise
            is_known = self.lasts or (fault.is_damage and self._is_damaged)
            # A successful read of another part does not repair the damage.
            self._is_damaged |= fault.is_damage
            self.lasts |= not fault.is_damage
            if fault.is_partial:
                self._partial_until = anyio.current_time() + PARTIAL_S
            if not is_known:
                names = (self._database, self._what, fault.what, fault.remedy)
                logger.error("%s cannot %s: %s. %s.", *names)
            raise UnavailableError(
                f"The database cannot {self._what} right now: {fault.what}"
            ) from error
        if self.lasts:
            logger.info("%s can %s again", self._database, self._what)
            self.lasts = False

    def require_whole(self) -> None:
        """Refuse soon after a partial fault, although some uses may succeed.

        Raises:
            UnavailableError: There was one in the last seconds.
        """
        if anyio.current_time() < self._partial_until:
            raise UnavailableError(f"The database can {self._what} only in part right now")


class Outage:
    """Logs once when `what` is delayed, and once when it continues, in the words given."""

    def __init__(
        self,
        logger: logging.Logger,
        what: str,
        begins: str = "are delayed",
        ends: str = "are no longer delayed",
    ) -> None:
        self.lasts = False
        self._logger = logger
        self._begins = f"{what} {begins}"
        self._ends = f"{what} {ends}"

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Suppress errors of this block, one round of a loop that then tries again."""
        try:
            yield
        # No failed round may end the API.
        except Exception as error:
            if not self.lasts:
                reason = error if isinstance(error, LoopinError) else type(error).__name__
                self._logger.warning("%s: %s", self._begins, reason)
            self.lasts = True
        else:
            if self.lasts:
                self._logger.info("%s", self._ends)
            self.lasts = False
