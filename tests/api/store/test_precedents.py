"""What was asked and decided before a request."""

from loopin_mcp.api.access.actors import Actor
from loopin_mcp.api.database.steps import Database
from loopin_mcp.api.store.history.precedents import Precedents, Record
from loopin_mcp.api.store.store import Store
from loopin_mcp.wire.models import Decision, Interrupt
from tests.support import AGENT, REVIEWER, Clock, new_interrupt
from tests.support.auditing import edit

APPROVED = Decision(decision="approved")
CHANGED = Decision(decision="approved", modified_params={"amount": 1})
DAY_S = 86_400


def rejected(reason: str | None = None) -> Decision:
    return Decision(decision="rejected", reason=reason)


async def ask(store: Store, **changes: object) -> Interrupt:
    fields = {"expires_in": 30 * DAY_S, **changes}
    created = await store.create_interrupt(new_interrupt(**fields), AGENT)
    return await store.get_interrupt_status(created.interrupt_id)


async def settle(
    store: Store, clock: Clock, decision: Decision, actor: Actor = REVIEWER, **changes: object
) -> Interrupt:
    """A request that was decided after a second."""
    asked = await ask(store, **changes)
    clock.advance(1)
    await store.decide_interrupt(asked.interrupt_id, decision, actor)
    return await store.get_interrupt_status(asked.interrupt_id)


async def test_first_request_of_an_agent_has_no_precedents(store: Store) -> None:
    asked = await ask(store)

    assert await store.precedents.unusual(asked) == Precedents(
        record=Record(asked=1), is_new=True, alike=(), last=None, rejected=None, waiting=0
    )


async def test_record_of_an_agent_counts_thirty_days(store: Store, clock: Clock) -> None:
    await settle(store, clock, rejected("too old"))
    clock.advance(30 * DAY_S)
    kinds = (APPROVED, CHANGED, rejected("first"), rejected("last"), APPROVED)
    for number, decision in enumerate(kinds):
        user = f"user-{number}"
        await settle(store, clock, decision, user_id=user, action=f"Do {'abcde'[number]}")
    await settle(store, clock, rejected("of another"), agent_id="agent-2")
    asked = await ask(store, action="Do f")

    found = await store.precedents.unusual(asked)

    assert found.record == Record(asked=6, approved=3, changed=1, rejected=2)
    assert (found.is_new, found.last, found.alike) == (False, None, ())
    assert found.rejected is not None
    assert found.rejected.reason == "last"


async def test_those_alike_are_of_the_same_agent_and_type(store: Store, clock: Clock) -> None:
    alike = [await settle(store, clock, APPROVED, action=f"Pay ${n}") for n in range(7)]
    await settle(store, clock, APPROVED, action="Pay $1", agent_id="agent-2")
    await settle(store, clock, APPROVED, action="Refund $1")
    asked, *others = [await ask(store, action=f"Pay ${n}") for n in range(3)]

    found = await store.precedents.unusual(asked)

    assert [each.interrupt_id for each in found.alike] == [
        each.interrupt_id for each in alike[:1:-1]
    ]
    assert (found.last, found.waiting) == (found.alike[0], len(others))


async def test_last_one_may_wait_if_none_was_settled(store: Store) -> None:
    first, second, third = [await ask(store) for _ in range(3)]

    found = await store.precedents.unusual(second)

    assert found.last is not None
    assert (found.last.interrupt_id, found.waiting) == (first.interrupt_id, 2)
    assert third.interrupt_id != first.interrupt_id


async def test_long_values_are_read_of_the_last_one_only(store: Store, clock: Clock) -> None:
    short = await settle(store, clock, APPROVED)
    for _ in range(2):
        last = await settle(store, clock, APPROVED, context={"text": "x" * 5000})

    found = await store.precedents.unusual(await ask(store))

    ids = [each.interrupt_id for each in found.alike]
    assert ids == [last.interrupt_id, short.interrupt_id]


async def test_what_was_tampered_with_is_not_a_precedent(
    store: Store, database: Database, clock: Clock
) -> None:
    honest = await settle(store, clock, APPROVED, context={"amount": 1})
    forged = await settle(store, clock, APPROVED)
    refused = await settle(store, clock, rejected("no"), action="Do it")
    await edit(database, forged.interrupt_id, "UPDATE interrupts SET context = '{}' WHERE TRUE")
    await edit(database, refused.interrupt_id, "UPDATE interrupts SET reason = 'x' WHERE TRUE")

    found = await store.precedents.unusual(await ask(store))

    assert found.last is not None
    assert (found.last.interrupt_id, len(found.alike)) == (honest.interrupt_id, 1)
    assert (found.rejected, found.record.rejected) == (None, 1)


async def test_last_reasons_of_a_reviewer_are_offered_once_each(store: Store, clock: Clock) -> None:
    for reason in ("oldest", "a", "b", "b", " ", None, "c", "a"):
        await settle(store, clock, rejected(reason), Actor("bob", "inbox"))
    await settle(store, clock, Decision(decision="approved", reason="fine"), Actor("bob", "inbox"))
    await settle(store, clock, rejected("by link"), Actor("review-link", "review-page"))

    assert await store.precedents.recent_reasons("bob") == ("a", "c", "b")
    assert await store.precedents.recent_reasons("bob", "review-link") == ("by link", "a", "c")
    assert await store.precedents.recent_reasons("carol") == ()


async def test_long_action_of_any_script_is_stored(store: Store) -> None:
    # Its characters cannot be compressed.
    action = "".join(chr(0x4E00 + number * 7919 % 20_000) for number in range(2000))

    asked = await ask(store, action=action)

    [top] = (await store.get_interrupt_analytics("user-1")).top_action_types
    assert (asked.action, top.action) == (action, f"{action[:299]}…")
