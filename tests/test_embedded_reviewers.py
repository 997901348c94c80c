"""Copies of the embedded API with different reviewers do not share an API."""

from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from mcp import Client

from loopin_mcp import Decision, LoopinClient
from loopin_mcp.embedded import embedded_api
from loopin_mcp.errors import ForbiddenError
from loopin_mcp.mcp_server.tools import create_server
from loopin_mcp.settings.settings import Settings
from tests.support import new_interrupt
from tests.support.confirmation import ACCEPT, Human
from tests.support.server import call, in_each_era, refusal
from tests.support.visitors import sees_the_inbox, sign_in

ALICE, BOB = {"alice": "a" * 32}, {"bob": "b" * 32}


@pytest.mark.parametrize("others", [None, BOB], ids=["none", "others"])
async def test_copy_that_serves_already_lets_nobody_decide_for_other_reviewers(
    tmp_path: Path, free_port: int, others: dict[str, str] | None
) -> None:
    settings = Settings(data_dir=tmp_path, port=free_port, reviewer_keys=ALICE)

    async with (
        embedded_api(replace(settings, reviewer_keys=others)) as earlier,
        embedded_api(settings) as locate,
        embedded_api(settings) as sibling,
        LoopinClient(locate=locate) as agent,
    ):
        other = await earlier()
        created = await agent.create_interrupt(new_interrupt())
        with pytest.raises(ForbiddenError, match="Only a reviewer may decide"):
            await agent.decide_interrupt(created.interrupt_id, Decision(decision="approved"))
        read = await agent.get_interrupt_status(created.interrupt_id)
        addresses = [await locate(), await sibling()]

    assert read.status == "pending"
    assert addresses[0] == addresses[1] != other


async def test_copy_that_takes_the_port_over_ends_the_sessions_of_the_one_before(
    tmp_path: Path, free_port: int
) -> None:
    settings = Settings(data_dir=tmp_path, port=free_port, reviewer_keys=ALICE)

    async with (
        embedded_api(settings) as later,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{free_port}", trust_env=False) as browser,
    ):
        async with embedded_api(settings) as earlier:
            await earlier()
            await sign_in(browser, ALICE["alice"])
            # A copy that joins ends nothing.
            await later()
            before = await sees_the_inbox(browser)
        await later()
        after = await sees_the_inbox(browser)
        await sign_in(browser, ALICE["alice"])
        again = await sees_the_inbox(browser)

    assert (before, after, again) == (True, False, True)


@in_each_era
async def test_nobody_is_asked_to_confirm_what_only_a_reviewer_may_decide(
    tmp_path: Path, free_port: int, era: str
) -> None:
    human = Human(ACCEPT)
    settings = Settings(data_dir=tmp_path, port=free_port, reviewer_keys=ALICE, user_id="u")

    async with Client(create_server(settings), mode=era, elicitation_callback=human) as host:
        created = await call(host, "create_interrupt", action="Pay", context={}, agentId="a")
        decision = {"interruptId": created["interruptId"], "decision": "approved"}
        told = await refusal(host, "decide_interrupt", **decision)

    assert told.startswith("Only a reviewer may decide")
    assert human.forms == []
