"""The error table, in both directions."""

import pytest

from loopin_mcp.errors import (
    APIError,
    ConflictError,
    RateLimitedError,
    TamperedError,
    UnavailableError,
    error_for,
)


@pytest.mark.parametrize("kind", APIError.__subclasses__())
def test_every_error_stands_for_its_status_and_every_status_for_its_error(
    kind: type[APIError],
) -> None:
    assert error_for(kind("said").status) is kind


def test_error_of_a_shared_status_is_told_apart_by_its_code() -> None:
    assert error_for(409, TamperedError.code) is TamperedError
    assert error_for(409, "later") is ConflictError


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
