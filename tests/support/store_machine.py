"""The changes of a store that hypothesis chooses from."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    initialize,
    multiple,
    rule,
)

from loopin_mcp.api.access.actors import Actor
from loopin_mcp.api.audit.events import EventType
from loopin_mcp.api.store.creation import IdempotencyKey
from loopin_mcp.api.store.deliveries import Delivery, Outcome
from loopin_mcp.api.store.outbox import ChannelDigests
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import ConflictError, NotFoundError, UnprocessableError
from loopin_mcp.wire.fields import Verdict
from loopin_mcp.wire.models import Created, Decision, NewInterrupt
from tests.support import AGENT, PUBLIC_URL, REVIEWER, new_interrupt, take_due
from tests.support.store_comparison import StoreComparison
from tests.support.store_model import Asked, owed_as

LEASE_MS = 20_000

questions = st.builds(
    new_interrupt,
    user_id=st.sampled_from(["ada", "bo"]),
    action=st.sampled_from(["Pay", "Send", "Delete"]),
    expires_in=st.sampled_from([1, 60, 3600, 90_000]),
    callback_url=st.sampled_from([None, "https://example.com/", "https://example.org/"]),
)
# A moment, a minute, an hour, a day and a year.
spans_ms = st.sampled_from([1, 60_000, 3_600_000, 86_400_000, 31_536_000_000])

some_channels = st.sampled_from([("phone", "chat"), ("phone",), ()])
near_expiry = st.sampled_from([None, None, 0, 1])


class StoreMachine(StoreComparison):
    """Makes the same changes to the store and to the model."""

    interrupts: Bundle[str] = Bundle("interrupts")
    deliveries: Bundle[Delivery] = Bundle("deliveries")

    @initialize(channels=some_channels)
    def notify(self, channels: tuple[str, ...]) -> None:
        self.store.deliveries.channels = ChannelDigests(channels)
        self.model.channels = channels

    @rule(channels=some_channels)
    def reopen(self, channels: tuple[str, ...]) -> None:
        self.run(self.database.aclose())
        self.database = self.run(self.again())
        self.store = Store(self.database, PUBLIC_URL, self.clock)
        self.notify(channels)

    @rule(span_ms=spans_ms)
    def let_time_pass(self, span_ms: int) -> None:
        self.clock.now += span_ms

    @rule(span_ms=spans_ms)
    def set_the_clock_back(self, span_ms: int) -> None:
        self.clock.now -= span_ms

    @rule(which=st.integers(0, 30), off_ms=st.sampled_from([-1, 0, 1]))
    def set_the_clock_to_a_moment_that_matters(self, which: int, off_ms: int) -> None:
        if moments := self.model.moments():
            self.clock.now = moments[which % len(moments)] + off_ms

    @rule(target=interrupts, question=questions)
    def create(self, question: NewInterrupt) -> str:
        created = self.run(self.store.create_interrupt(question, AGENT))
        return self._asked(question, created)

    @rule(target=interrupts, question=questions, key=st.sampled_from(["one", "two"]))
    def create_once(self, question: NewInterrupt, key: str) -> MultipleResults[str]:
        known = self.model.known(key, self.clock())
        once = self.store.create_interrupt_once(question, AGENT, IdempotencyKey("api-key", key))
        if known and known[0] != question:
            with pytest.raises(UnprocessableError):
                self.run(once)
            return multiple()
        created, was_there = self.run(once)
        assert was_there == (known is not None)
        if known:
            assert created.interrupt_id == known[1]
            return multiple()
        self.model.keys[key] = (question, created.interrupt_id, self.clock())
        return multiple(self._asked(question, created))

    def _asked(self, question: NewInterrupt, created: Created) -> str:
        expires_ms = self.clock() + question.expires_in * 1000
        self.model.create(
            Asked(
                created.interrupt_id,
                question.user_id,
                question.action,
                question.callback_url is not None,
                self.clock(),
                expires_ms,
            )
        )
        return created.interrupt_id

    @rule(
        interrupt_id=interrupts,
        verdict=st.sampled_from(["approved", "rejected"]),
        digest=st.sampled_from(["right", "wrong", "none"]),
        to_expiry_ms=near_expiry,
    )
    def decide(
        self, interrupt_id: str, verdict: Verdict, digest: str, to_expiry_ms: int | None
    ) -> None:
        self._go_near_expiry(interrupt_id, to_expiry_ms)
        digests = {"wrong": "0" * 64, "right": self.model.digests.get(interrupt_id)}
        decision = Decision(decision=verdict, payload_digest=digests.get(digest))
        refused = self.model.refusal(interrupt_id, self.clock())
        if digest == "wrong":
            refused = refused or ConflictError
        decide = self.store.decide_interrupt(interrupt_id, decision, REVIEWER)
        if refused:
            with pytest.raises(refused):
                self.run(decide)
        else:
            self.run(decide)
            self.model.settle(interrupt_id, verdict, self.clock())

    @rule(interrupt_id=interrupts, to_expiry_ms=near_expiry)
    def cancel(self, interrupt_id: str, to_expiry_ms: int | None) -> None:
        self._go_near_expiry(interrupt_id, to_expiry_ms)
        cancel = self.store.cancel_interrupt(interrupt_id, AGENT)
        if refused := self.model.refusal(interrupt_id, self.clock()):
            with pytest.raises(refused):
                self.run(cancel)
        else:
            self.run(cancel)
            self.model.settle(interrupt_id, "cancelled", self.clock())

    def _go_near_expiry(self, interrupt_id: str, to_expiry_ms: int | None) -> None:
        asked = self.model.asked.get(interrupt_id)
        if asked and to_expiry_ms is not None:
            self.clock.now = asked.expires_ms - to_expiry_ms

    @rule()
    def expire(self) -> None:
        self.run(self.store.expire_interrupts())
        self.model.expire(self.clock())

    @rule(interrupt_id=interrupts, viewer=st.sampled_from(["alice", "bob"]))
    def view(self, interrupt_id: str, viewer: str) -> None:
        view = self.store.record_view(interrupt_id, Actor(viewer, "inbox"))
        if interrupt_id in self.model.asked:
            self.run(view)
            self.model.view(interrupt_id, viewer, self.clock())
        else:
            with pytest.raises(NotFoundError):
                self.run(view)

    @rule()
    def bring_forward(self) -> None:
        self.run(self.store.deliveries.bring_forward())
        self.model.bring_forward(self.clock())

    @rule(target=deliveries, limit=st.sampled_from([1, 100]))
    def take_deliveries(self, limit: int) -> MultipleResults[Delivery]:
        due = self.model.due(self.clock())
        taken = self.run(take_due(self.store, lease_ms=LEASE_MS, limit=limit))
        ids = {owed_as(delivery) for delivery in taken}
        assert ids <= due
        assert len(taken) == len(ids) == min(limit, len(due))
        for delivery in taken:
            assert delivery.tries == self.model.take(delivery)
        return multiple(*taken)

    @rule(delivery=deliveries, span_ms=spans_ms)
    def postpone_delivery(self, delivery: Delivery, span_ms: int) -> None:
        self.run(self.store.deliveries.postpone(delivery, self.clock() + span_ms))
        self.model.postpone(delivery, self.clock() + span_ms)

    @rule(delivery=deliveries, arrives=st.booleans())
    def settle_delivery(self, delivery: Delivery, arrives: bool) -> None:
        event: EventType | None = "notified" if arrives else None
        if delivery.kind == "callback":
            event = "callback-delivered" if arrives else "callback-given-up"
        outcome: Outcome | None = (event, {}) if event else None
        self.run(self.store.deliveries.settle(delivery, outcome))
        self.model.conclude(delivery, event, self.clock())

    @rule()
    def forget_keys(self) -> None:
        self.run(self.store.retention.forget_keys())
        self.model.forget(self.clock())

    @rule(span_ms=spans_ms)
    def delete_old(self, span_ms: int) -> None:
        found = self.run(self.store.retention.delete_settled(span_ms))
        assert found == (self.model.delete(self.clock() - span_ms), 0)
