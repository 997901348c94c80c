"""Reads the interrupts that rows hold, and tells the log of those that are damaged."""

import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

from loopin_mcp.api.rows import interrupt_of
from loopin_mcp.api.statements import Row, Value
from loopin_mcp.errors import UnavailableError
from loopin_mcp.models import Interrupt

_T = TypeVar("_T")

logger = logging.getLogger("loopin_mcp")


class Reading:
    """Interrupts whose links begin with `public_url`. The log tells of each damaged one once."""

    def __init__(self, public_url: str) -> None:
        self._public_url = public_url
        self._told: set[Value] = set()

    def interrupt(self, row: Row) -> Interrupt:
        """The interrupt that a row holds.

        Raises:
            UnavailableError: What is stored of it is damaged.
        """
        return interrupt_of(row, self._public_url)

    def interrupts(self, rows: Iterable[Row]) -> list[Interrupt]:
        """The interrupts that rows hold, without those that are damaged."""
        return self.undamaged(rows, self.interrupt)

    def undamaged(self, rows: Iterable[Row], read: Callable[[Row], _T]) -> list[_T]:
        """What is read of the rows of interrupts, without those that are damaged."""
        found = []
        for row in rows:
            try:
                found.append(read(row))
            except UnavailableError as error:
                self.tell_damage(row, error)
        return found

    def tell_damage(self, row: Row, error: UnavailableError) -> None:
        """Have the log tell that an interrupt is damaged, unless it has."""
        if row["interrupt_id"] not in self._told:
            self._told.add(row["interrupt_id"])
            logger.error("%s, and is left out: see loopin-mcp audit verify", error)
