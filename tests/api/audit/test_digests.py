"""Digests and hashes, checked without code of this project."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from loopin_mcp.api.store.store import Store
from tests.support import START_TIMEOUT_S
from tests.support.questions import create
from tests.test_docs import PAGES, snippets

[SNIPPET] = [text for text in snippets(PAGES["docs/api.md"], "python") if "sha256" in text]
ODD = {"amount": 1.10, "big": 1e22, "é": ["\u2028", None, -0.0], "\U0001f600": {"\ufb33": True}}


def checked(directory: Path, interrupt: str, events: str) -> str:
    """The complaint of the program in the documentation, if any."""
    (directory / "interrupt.json").write_text(interrupt, encoding="utf-8")
    (directory / "events.json").write_text(events, encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-c", SNIPPET],
        cwd=directory,
        stderr=subprocess.PIPE,
        text=True,
        timeout=START_TIMEOUT_S,
    )
    return run.stderr.rpartition("AssertionError: ")[2].strip()


async def told(api: httpx.AsyncClient) -> tuple[str, str]:
    """A decided interrupt and its events, as the API returns them."""
    path = f"/interrupts/{(await create(api, context=ODD))['interruptId']}"
    await api.post(f"{path}/decide", json={"decision": "approved", "modifiedParams": ODD})
    return (await api.get(path)).text, (await api.get(f"{path}/events")).text


@pytest.mark.subprocess
async def test_program_of_the_documentation_finds_all_as_it_was(
    api: httpx.AsyncClient, tmp_path: Path
) -> None:
    assert checked(tmp_path, *await told(api)) == ""


@pytest.mark.subprocess
@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('"action":"Pay"', '"action":"Pay more"', "Another question"),
        ('"urgency":"medium"', '"urgency":"high"', "Another question"),
        ('"eventsHead":"', '"eventsHead":"0', "The end is missing"),
        ('"decision":"approved"', '"decision":"rejected"', "An event was changed"),
        ('"sequence":2', '"sequence":3', "An event was changed"),
        ('"previousHash":""', '"previousHash":"0"', "An event is missing"),
    ],
)
async def test_program_of_the_documentation_finds_what_was_changed(
    api: httpx.AsyncClient, tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    interrupt, events = await told(api)
    if old in events:
        changed = (interrupt, events.replace(old, new, 1))
    else:
        changed = (interrupt.replace(old, new, 1), events)

    assert checked(tmp_path, *changed) == complaint


async def test_equal_questions_have_equal_digests_whoever_writes_them(
    api: httpx.AsyncClient,
) -> None:
    digests = set()
    for context in ({"a": 1, "b": 2.0}, {"b": 2, "a": 1.0}):
        created = await create(api, context=context, callbackUrl="https://example.com/x")
        read = (await api.get(f"/interrupts/{created['interruptId']}")).json()
        digests.add(read["payloadDigest"])

    assert len(digests) == 1


@pytest.mark.parametrize(
    "other", [{"agentId": "b"}, {"userId": "v"}, {"action": "Pay "}, {"urgency": "high"}]
)
async def test_other_questions_have_other_digests(
    api: httpx.AsyncClient, other: dict[str, str]
) -> None:
    created = [await create(api), await create(api, **other)]
    digests = {
        (await api.get(f"/interrupts/{each['interruptId']}")).json()["payloadDigest"]
        for each in created
    }

    assert len(digests) == 2


async def test_decision_for_another_question_is_refused(api: httpx.AsyncClient) -> None:
    created = await create(api)
    path = f"/interrupts/{created['interruptId']}"
    approve = {"decision": "approved", "payloadDigest": "0" * 64}

    refused = await api.post(f"{path}/decide", json=approve)
    read = (await api.get(path)).json()
    approve["payloadDigest"] = read["payloadDigest"]
    taken = await api.post(f"{path}/decide", json=approve)

    assert refused.status_code == 409
    assert "payloadDigest" in refused.json()["error"]
    assert read["status"] == "pending"
    assert taken.status_code == 200


@pytest.mark.parametrize(
    ("digest", "status"),
    [("", 409), ("0" * 63, 409), ("A" * 64, 409), ("0" * 64 + "\n", 409), (7, 400), ("\0", 400)],
)
async def test_what_is_no_digest_is_refused_by_name(
    api: httpx.AsyncClient, digest: object, status: int
) -> None:
    created = await create(api)

    answer = await api.post(
        f"/interrupts/{created['interruptId']}/decide",
        json={"decision": "approved", "payloadDigest": digest},
    )

    assert answer.status_code == status
    assert answer.json()["error"].startswith("payloadDigest ")


async def test_question_that_was_tampered_with_cannot_be_decided(
    api: httpx.AsyncClient, sqlite_store: Store, tmp_path: Path
) -> None:
    path = f"/interrupts/{(await create(api))['interruptId']}"
    with sqlite3.connect(tmp_path / "loopin.db") as forger:
        forger.execute("DROP TRIGGER interrupts_stay")
        forger.execute("UPDATE interrupts SET context = '{\"amount\": 9}'")
    forger.close()

    decided = await api.post(f"{path}/decide", json={"decision": "approved"})

    assert (decided.status_code, "was changed after it was created" in decided.text) == (409, True)
    assert (await api.get(path)).status_code == 409
    assert (await api.delete(path)).status_code == 409
