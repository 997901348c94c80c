"""Standing approvals on the pages: granted on the review page, listed and ended in the inbox."""

import httpx
import pytest

from loopin_mcp import Decision
from loopin_mcp.api.database.steps import execute
from loopin_mcp.api.store.outcomes import Standing
from loopin_mcp.api.store.store import Store
from loopin_mcp.wire.models import HostCall
from tests.support import AGENT, REVIEWER, Clock, new_interrupt
from tests.support.page import Page, decide
from tests.support.visitors import sign_in

FOR_TOOL = Standing("tool", 3600)


async def ask(store: Store, digest: str = "a" * 64, **changes: object) -> str:
    call = HostCall(session="s-1", tool="Bash", digest=digest)
    new = new_interrupt(call=call, action="Run a shell command", **changes)
    created, _ = await store.create_interrupt_for_call(new, AGENT, lambda: None)
    return created.interrupt_id


async def granted(store: Store) -> str:
    interrupt_id = await ask(store)
    decision = Decision(decision="approved")
    await store.decide_interrupt(interrupt_id, decision, REVIEWER, FOR_TOOL)
    return interrupt_id


async def test_page_of_a_call_offers_how_often_its_approval_counts(
    api: httpx.AsyncClient, sqlite_store: Store
) -> None:
    page = Page(await api.get(f"/review/{await ask(sqlite_store)}"))

    assert page["option"][:3] == [
        "Once",
        "15 minutes · This very call · until 15:21 UTC",
        "1 hour · This very call · until 16:06 UTC",
    ]
    assert page["option"][-1] == "8 hours · All calls of Bash in this session · until 23:06 UTC"
    assert {"Bash", "s-1"} <= set(page["dd"])


async def test_lists_show_the_command_of_each_call(
    inbox: httpx.AsyncClient, sqlite_store: Store
) -> None:
    await ask(sqlite_store, context={"command": "npm test <fast>"})
    await ask(sqlite_store, "b" * 64, context={"change": "+a"})
    await sqlite_store.create_interrupt(new_interrupt(context={"command": "not held"}), AGENT)

    page = Page(await inbox.get("/"))

    assert [text for text in page["code"] if text] == ["npm test <fast>"]


async def test_example_of_modified_parameters_is_about_a_call(
    api: httpx.AsyncClient, sqlite_store: Store
) -> None:
    context = {"change": "+y", "new_string": "y"}
    page = Page(await api.get(f"/review/{await ask(sqlite_store)}"))
    edit = await ask(sqlite_store, "b" * 64, context=context, editable=["new_string"])

    assert '{"command": "git push"}' in page["code"]
    assert '{"new_string": "…"}' in Page(await api.get(f"/review/{edit}"))["code"]


async def test_page_offers_it_for_nothing_else(api: httpx.AsyncClient, sqlite_store: Store) -> None:
    urgent = await ask(sqlite_store, urgency="high")
    ordinary = await sqlite_store.create_interrupt(new_interrupt(), AGENT)

    for interrupt_id in (urgent, ordinary.interrupt_id):
        assert Page(await api.get(f"/review/{interrupt_id}"))["select"] == []


async def test_choice_on_the_page_makes_an_approval_stand(
    api: httpx.AsyncClient, sqlite_store: Store
) -> None:
    interrupt_id = await ask(sqlite_store)

    answer = await decide(api, f"/review/{interrupt_id}", decision="approved", standing="tool 900")

    assert answer.status_code == 303
    [standing] = await sqlite_store.approvals.list_standing()
    assert (standing.scope, standing.granted_by) == ("tool", "review-link")
    page = Page(await api.get(f"/review/{interrupt_id}"))
    assert "All calls of Bash in this session" in page["dd"]
    assert "Not yet. An agent that has stopped waiting can try the same call again." in page["dd"]


@pytest.mark.parametrize(
    ("form", "fault"),
    [
        ({"standing": "tool 901"}, "This must be one of the choices."),
        ({"standing": "all 900"}, "This must be one of the choices."),
        (
            {"standing": "tool 900", "modifiedParams": '{"amount": 1}', "newKeys": '["amount"]'},
            "This can cover further calls only without changes.",
        ),
    ],
)
async def test_choice_that_cannot_be_is_refused(
    api: httpx.AsyncClient, sqlite_store: Store, form: dict[str, str], fault: str
) -> None:
    interrupt_id = await ask(sqlite_store)

    answer = await decide(api, f"/review/{interrupt_id}", decision="approved", **form)

    assert (answer.status_code, Page(answer)["fault"]) == (400, [fault])
    assert (await sqlite_store.get_interrupt_status(interrupt_id)).is_pending


async def test_rejection_does_not_stand_whatever_was_chosen(
    api: httpx.AsyncClient, sqlite_store: Store
) -> None:
    interrupt_id = await ask(sqlite_store)

    await decide(api, f"/review/{interrupt_id}", decision="rejected", standing="tool 900")

    assert (await sqlite_store.get_interrupt_status(interrupt_id)).status == "rejected"


async def test_inbox_lists_what_stands_and_what_it_covered(
    inbox: httpx.AsyncClient, sqlite_store: Store, clock: Clock
) -> None:
    interrupt_id = await granted(sqlite_store)
    assert "Covered no call yet" in (await inbox.get("/")).text
    covered = await ask(sqlite_store, "b" * 64)

    page = Page(await inbox.get("/"))

    assert "All calls of Bash" in page["action"]
    assert "Covered 1 call" in page["summary"]
    links = [each.get("href") for each in page.attributes if each[""] == "a"]
    assert any(link and link.endswith(f"review/{covered}") for link in links)
    text = " ".join(page["section"])
    assert "session s-1 · agent-1 for user-1 · granted by alice" in text
    assert ", not used" in text
    await sqlite_store.approvals.use_approval(covered, AGENT)
    assert ", not used" not in (await inbox.get("/")).text
    shown = Page(await inbox.get(f"/review/{covered}"))
    assert "alice, by a standing approval" in shown["dd"]
    assert f"/review/{interrupt_id}" in str(shown.attributes)


async def test_inbox_ends_a_standing_approval(
    inbox: httpx.AsyncClient, sqlite_store: Store, clock: Clock
) -> None:
    interrupt_id = await granted(sqlite_store)
    clock.advance(1)

    answer = await inbox.post(f"/inbox/{interrupt_id}/end", follow_redirects=False)

    assert answer.status_code == 303
    assert await sqlite_store.approvals.list_standing() == ()
    assert "Standing approval ended" in (await inbox.get(f"/review/{interrupt_id}")).text
    again = await inbox.post(f"/inbox/{interrupt_id}/end")
    assert again.status_code == 409
    assert "not a standing approval" in again.text


async def test_nobody_ends_it_from_another_page_or_signed_out(
    inbox: httpx.AsyncClient, visitor: httpx.AsyncClient, sqlite_store: Store
) -> None:
    interrupt_id = await granted(sqlite_store)
    foreign = await inbox.post(
        f"/inbox/{interrupt_id}/end", headers={"Origin": "https://elsewhere.example"}
    )
    inbox.cookies.clear()
    signed_out = await visitor.post(f"/inbox/{interrupt_id}/end")

    assert (foreign.status_code, signed_out.status_code) == (403, 401)
    assert len(await sqlite_store.approvals.list_standing()) == 1


async def test_page_of_a_forged_standing_approval_does_not_believe_it(
    api: httpx.AsyncClient, sqlite_store: Store
) -> None:
    interrupt_id = await granted(sqlite_store)
    database = sqlite_store._database
    await execute(database, "DROP TRIGGER events_stay")
    await execute(
        database,
        """UPDATE events SET detail = '{"decision": "approved", "standing": "all"}'
        WHERE interrupt_id = :id AND type = 'decided'""",
        id=interrupt_id,
    )

    answer = await api.get(f"/review/{interrupt_id}")

    assert answer.status_code == 200
    assert "has been changed" in answer.text


async def test_signed_in_reviewer_sees_no_list_if_nothing_stands(inbox: httpx.AsyncClient) -> None:
    await sign_in(inbox)

    assert "Standing approvals" not in (await inbox.get("/")).text


async def test_values_of_a_call_are_shown_as_code(
    api: httpx.AsyncClient, sqlite_store: Store
) -> None:
    of_call = await ask(sqlite_store, context={"command": "make -> x"})
    ordinary = await sqlite_store.create_interrupt(new_interrupt(context={"note": "x"}), AGENT)

    page = Page(await api.get(f"/review/{of_call}"))
    assert page["json"] == ["make -> x"]
    page = Page(await api.get(f"/review/{ordinary.interrupt_id}"))
    assert page["json"] == []
