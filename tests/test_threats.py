"""A model that tries to approve itself, and other attackers, in each set-up of docs/security.md."""

import re
from collections.abc import Callable, Iterator
from urllib.parse import urljoin

import httpx
import pytest

from tests.support.threats import SETUPS, Setup, running
from tests.support.web import browse
from tests.test_docs import SECURITY, table

pytestmark = pytest.mark.subprocess

APPROVE = {"decision": "approved"}
FOREIGN = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
THREATS = {
    threat: ["yes" in cell for cell in cells] for threat, *cells in table(SECURITY, "Who tries")
}


def the_model_calls_its_tool(setup: Setup, interrupt_id: str, _link: str) -> None:
    setup.call("decide_interrupt", interruptId=interrupt_id, decision="approved")


def decide_together(
    web: httpx.Client, root: str, interrupt_id: str, headers: dict[str, str] | None = None
) -> None:
    """Decide as the inbox decides several."""
    form = {"pick": interrupt_id}
    compared = web.post(urljoin(root, "inbox/compare"), data=form, headers=headers).text
    shown = re.search(f"{interrupt_id} [0-9a-f]{{64}}", compared)
    pick = shown[0] if shown else f"{interrupt_id} {'0' * 64}"
    web.post(urljoin(root, "inbox/decide"), data=APPROVE | {"pick": pick}, headers=headers)


def open_the_link(_setup: Setup, interrupt_id: str, link: str) -> None:
    with browse() as web:
        web.get(link)
        web.post(link, data=APPROVE)
        decide_together(web, urljoin(link, "../"), interrupt_id)
        web.post(urljoin(link, f"../interrupts/{interrupt_id}/decide"), json=APPROVE)


def use_key(key: str, interrupt_id: str, link: str) -> None:
    """Everything that a key gives access to."""
    with browse() as web:
        headers = {"X-API-Key": key}
        decide = urljoin(link, f"../interrupts/{interrupt_id}/decide")
        web.post(decide, json=APPROVE, headers=headers)
        place = web.post(urljoin(link, "../sign-in"), data={"key": key}).url
        links = web.post(urljoin(link, "../sign-in-links"), headers=headers)
        if links.status_code == 201:
            place = web.get(links.json()["url"]).url
        web.post(place.join(f"review/{interrupt_id}"), data=APPROVE)
        decide_together(web, str(place), interrupt_id)


def use_what_lies_on_the_account(setup: Setup, interrupt_id: str, link: str) -> None:
    open_the_link(setup, interrupt_id, link)
    for key in setup.found_here:
        use_key(key, interrupt_id, link)


def use_the_agents_key(setup: Setup, interrupt_id: str, link: str) -> None:
    use_key(setup.agents_key, interrupt_id, link)


def come_from_another_page(setup: Setup, interrupt_id: str, link: str) -> None:
    """The requests that a foreign page can send in a signed-in human's browser."""
    with browse() as web:
        place = web.post(urljoin(link, "../sign-in"), data={"key": setup.humans_key}).url
        forms = (link, str(place.join(f"review/{interrupt_id}")))
        for headers in (FOREIGN, {"Sec-Fetch-Site": "same-site"}, {"Host": "rebound.example"}):
            for form in forms:
                web.post(form, data=APPROVE, headers=headers)
            decide_together(web, str(place), interrupt_id, headers)
        decide = urljoin(link, f"../interrupts/{interrupt_id}/decide")
        web.post(decide, json=APPROVE, headers=FOREIGN)
        web.post(decide, json=APPROVE, headers={"Host": "rebound.example"})


ATTACKS: dict[str, Callable[[Setup, str, str], None]] = {
    "A model calls `decide_interrupt` itself": the_model_calls_its_tool,
    "An agent opens the review link with a web tool": open_the_link,
    "An agent with a shell on your account": use_what_lies_on_the_account,
    "A web page of another origin, in your browser": come_from_another_page,
    "Somebody has the API key": use_the_agents_key,
}


@pytest.fixture(scope="module", params=range(len(SETUPS)), ids=lambda column: str(column))
def column(request: pytest.FixtureRequest) -> int:
    """A column of the table."""
    number: int = request.param
    return number


@pytest.fixture(scope="module")
def setup(column: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setup]:
    """The set-up of the column."""
    with running(column, tmp_path_factory.mktemp("setup") / "data") as setup:
        yield setup


def test_table_names_every_threat_that_is_tried() -> None:
    elsewhere = {"Another user of the machine", "Somebody who listens on the network"}

    assert set(THREATS) == ATTACKS.keys() | elsewhere
    assert f"| Who tries | {' | '.join(SETUPS)} |" in SECURITY


@pytest.mark.parametrize("threat", ATTACKS)
def test_attack_succeeds_where_the_docs_say_so_and_nowhere_else(
    setup: Setup, column: int, threat: str
) -> None:
    interrupt_id, link = setup.ask_human()

    ATTACKS[threat](setup, interrupt_id, link)

    is_held_off = THREATS[threat][column]
    status = setup.status_of(interrupt_id)
    assert status["status"] == ("pending" if is_held_off else "approved")
    assert status["approved"] is not is_held_off


def test_human_decides_in_each_set_up(setup: Setup) -> None:
    interrupt_id, link = setup.ask_human()

    with browse() as web:
        place = web.post(urljoin(link, "../sign-in"), data={"key": setup.humans_key}).url
        web.post(place.join(f"review/{interrupt_id}"), data=APPROVE)

    status = setup.status_of(interrupt_id)
    assert (status["approved"], status["decidedVia"]) == (True, "review-page")
    has_name = setup.humans_key != setup.agents_key
    assert status["decidedBy"] == ("alice" if has_name else "api-key")


def test_model_is_told_who_decides(setup: Setup, column: int) -> None:
    interrupt_id, _ = setup.ask_human()

    answer = setup.call("decide_interrupt", interruptId=interrupt_id, decision="approved")

    if column in (0, 3):
        assert answer["structuredContent"]["status"] == "resolved"
        assert setup.status_of(interrupt_id)["decidedVia"] == "mcp"
    elif column == 1:
        assert "decide_interrupt" in str(answer)
    elif column == 5:
        assert answer["isError"] is True
        assert "cannot decide about a tool call" in answer["content"][0]["text"]
    else:
        assert answer["isError"] is True
        assert answer["content"][0]["text"].startswith("Only a reviewer may decide: ")
