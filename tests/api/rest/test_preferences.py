"""The syntax of the `Prefer` header (RFC 7240)."""

import pytest

from loopin_mcp.api.rest.headers import preferred_wait_s


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ([], None),
        (["wait=10"], 10),
        (["wait=0"], 0),
        (["wait=60"], 60),
        (["wait=61"], 60),
        (["wait=" + "9" * 5000], 60),
        (["WAIT = 7"], 7),
        (["respond-async, wait=10"], 10),
        (['return="a, wait=3", wait=10'], 10),
        (['return="a\\", wait=3", wait=10'], 10),
        (["wait=10; because=slow"], 10),
        (["wait=10, wait=20"], 10),
        (["handling=lenient", "wait=20"], 20),
        (['wait="15"'], 15),
        (["wait"], None),
        (["wait="], None),
        (["wait=soon"], None),
        (["wait=-1"], None),
        (["wait=1.5"], None),
        (["wait=\u0661"], None),
        (["waiting=10"], None),
        ([","], None),
        (['wait="'], None),
    ],
)
def test_wait_is_read_wherever_it_stands(headers: list[str], wait_s: int | None) -> None:
    assert preferred_wait_s(headers) == wait_s
