"""The error table, walked both ways."""

from pathlib import Path

import pytest

from loopin_mcp.errors import APIError, RateLimitedError, UnavailableError, error_for

GOLDEN = Path(__file__).parent / "golden" / "errors.txt"
TABLE = [line.split(maxsplit=2) for line in GOLDEN.read_text(encoding="utf-8").splitlines()]


def test_every_error_has_its_status_and_remedy() -> None:
    kinds = sorted(APIError.__subclasses__(), key=lambda kind: kind.status)

    table = [[str(kind("said").status), kind.__name__, kind.remedy] for kind in kinds]

    assert table == TABLE


@pytest.mark.parametrize(("status", "name", "remedy"), TABLE)
def test_every_status_has_its_error(status: str, name: str, remedy: str) -> None:
    kind = error_for(int(status))

    assert (kind.__name__, kind.remedy) == (name, remedy)


@pytest.mark.parametrize("status", [500, 501, 502, 504, 599])
def test_every_fault_of_the_server_is_unavailability(status: int) -> None:
    assert error_for(status) is UnavailableError


@pytest.mark.parametrize("status", [204, 405, 418])
def test_a_status_outside_the_table_is_an_api_error(status: int) -> None:
    assert error_for(status) is APIError


def test_an_error_keeps_the_status_and_the_wait_that_were_answered() -> None:
    error = UnavailableError("Down", 502, retry_after_s=3)

    assert (str(error), error.status, error.retry_after_s) == ("Down", 502, 3)
    assert RateLimitedError("Slowly").retry_after_s is None
