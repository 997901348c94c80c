"""The syntax of Idempotency-Key (draft-ietf-httpapi-idempotency-key-header)."""

import httpx
import pytest

from loopin_mcp.api.store.store import Store
from tests.support.questions import NEW


@pytest.mark.parametrize(
    ("written", "also"),
    [
        ('"simple"', "simple"),
        ('"with space"', '  "with space" '),
        (r'"quote \" and backslash \\"', r'"quote \" and backslash \\"'),
        ('"' + "k" * 255 + '"', "k" * 255),
        ("!#$%&'()*+,-./:;<=>?@[]^_`{|}~", '"!#$%&\'()*+,-./:;<=>?@[]^_`{|}~"'),
    ],
)
async def test_key_is_a_string_with_quotes_or_without(
    api: httpx.AsyncClient, written: str, also: str
) -> None:
    first = await api.post("/interrupts", json=NEW, headers={"Idempotency-Key": written})
    again = await api.post("/interrupts", json=NEW, headers={"Idempotency-Key": also})

    assert (first.status_code, again.content) == (201, first.content)


@pytest.mark.parametrize(
    "written",
    [
        *("", '""', " ", '"', '"open', 'bare"', "two words", '"a"b', r'"\n"', '"é"', "é", '"a\tb"'),
        *("k" * 256, '"' + "k" * 256 + '"', '"a";p=1', '"a", "b"'),
    ],
)
async def test_other_key_is_refused_by_name(
    api: httpx.AsyncClient, sqlite_store: Store, written: str
) -> None:
    header = [(b"Idempotency-Key", written.encode())]
    answer = await api.post("/interrupts", json=NEW, headers=header)

    analytics = await sqlite_store.get_interrupt_analytics("u")
    assert (answer.status_code, analytics.total_interrupts) == (400, 0)
    assert answer.json()["error"] == (
        "Idempotency-Key must be one string of 1 to 255 printable ASCII characters in double quotes"
    )


async def test_two_keys_are_refused(api: httpx.AsyncClient) -> None:
    header = [("Idempotency-Key", '"a"'), ("Idempotency-Key", '"a"')]

    answer = await api.post("/interrupts", json=NEW, headers=header)

    assert answer.status_code == 400
