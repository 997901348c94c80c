"""Compares a store with its model after each step."""

import itertools
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from anyio.from_thread import BlockingPortal
from hypothesis.stateful import RuleBasedStateMachine, invariant

from loopin_mcp.api.audit.events import event_of
from loopin_mcp.api.audit.trail import chain_fault
from loopin_mcp.api.database.steps import Database, Row
from loopin_mcp.api.store.store import Store
from loopin_mcp.wire.models import Interrupt, PendingPage
from tests.support import PUBLIC_URL, Clock
from tests.support.store_model import Model

T = TypeVar("T")
Open = Callable[[], Coroutine[Any, Any, Database]]


class StoreComparison(RuleBasedStateMachine):
    """A store on the database that `fresh` opens; `again` reopens it."""

    def __init__(self, portal: BlockingPortal, fresh: Open, again: Open) -> None:
        super().__init__()
        self.portal = portal
        self.again = again
        self.clock = Clock()
        self.model = Model()
        self.database = self.run(fresh())
        self.store = Store(self.database, PUBLIC_URL, self.clock)

    def run(self, what: Coroutine[Any, Any, T]) -> T:
        result: T = self.portal.call(lambda: what)
        return result

    async def _read(self, interrupt_ids: list[str]) -> list[Interrupt]:
        return [each.interrupt() async for each in self.store.awaited.read(interrupt_ids)]

    def teardown(self) -> None:
        self.run(self.database.aclose())

    @invariant()
    def interrupts_are_as_the_model_has_them(self) -> None:
        ids = list(self.model.asked)
        found = self.run(self._read(ids)) if ids else []
        self.model.digests = {each.interrupt_id: each.payload_digest for each in found}
        statuses = {each.interrupt_id: each.status for each in found}
        assert statuses == self.model.statuses(self.clock())
        heads = {each.interrupt_id: each.events_head for each in found}
        assert self._heads() == heads

    def _heads(self) -> dict[str, str | None]:
        """The heads of all chains, which are checked against the model."""
        sql = "SELECT * FROM events ORDER BY interrupt_id, sequence"
        rows = self.run(self.database.read(sql))
        heads: dict[str, str | None] = {}
        for interrupt_id, group in itertools.groupby(map(event_of, rows), lambda e: e.interrupt_id):
            chain = list(group)
            assert chain_fault(chain) is None
            assert [event.type for event in chain] == self.model.asked[interrupt_id].events
            heads[interrupt_id] = chain[-1].hash
        return heads

    @invariant()
    def deliveries_are_owed_as_the_model_has_them(self) -> None:
        rows = self.run(self.database.read("SELECT * FROM deliveries"))
        owed = {_owed_as(row): (row["due_ms"], row["tries"]) for row in rows}
        assert owed == self.model.owed
        assert len(rows) == len(owed)

    @invariant()
    def lists_and_figures_are_as_the_model_has_them(self) -> None:
        for user in ("ada", "bo"):
            assert self._listed(user) == self.model.pending(user, self.clock())
            found = self.run(self.store.get_interrupt_analytics(user))
            assert found == self.model.analytics(user, self.clock())

    def _listed(self, user: str) -> list[str]:
        pages: list[PendingPage] = []
        while not pages or pages[-1].next_cursor:
            cursor = pages[-1].next_cursor if pages else None
            page = self.store.list_pending_interrupts(user, limit=2, cursor=cursor)
            pages.append(self.run(page))
        return [each.interrupt_id for page in pages for each in page.interrupts]


def _owed_as(row: Row) -> tuple[str, str, str]:
    kind = str(row["kind"])
    channel = "" if kind == "callback" else str(row["destination"])
    return str(row["interrupt_id"]), kind, channel
