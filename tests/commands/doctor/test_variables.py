"""What the doctor says about settings."""

import pytest

from loopin_mcp.commands.doctor.checks import Finding
from loopin_mcp.commands.doctor.variables import check_variables
from tests.support.secrets import LONG, shows_secret


def check(**environment: str) -> list[Finding]:
    return check_variables("Settings", environment)


def test_valid_settings_pass_with_their_number() -> None:
    found = check(LOOPIN_PORT="3002", LOOPIN_USER_ID="alice", PATH="/bin")

    assert found == [Finding("Settings", "pass", "all valid, 2 set")]


def test_each_bad_value_is_a_failure_that_names_its_variable() -> None:
    found = check(LOOPIN_PORT="70000", LOOPIN_TOOLS="nonsense", LOOPIN_TIMEOUT="10")

    assert [(each.status, each.found.split()[0]) for each in found] == [
        ("failure", "LOOPIN_TOOLS"),
        ("failure", "LOOPIN_PORT"),
    ]
    assert all(each.remedy for each in found)


def test_settings_of_the_server_over_http_are_checked_too() -> None:
    found = check(LOOPIN_MCP_TOKEN="${TOKEN}", LOOPIN_MCP_PORT="x", PORT="x")

    assert [(each.status, each.found.split()[0]) for each in found[:2]] == [
        ("failure", "LOOPIN_MCP_TOKEN"),
        ("failure", "LOOPIN_MCP_PORT"),
    ]


@pytest.mark.parametrize(("token", "statuses"), [("short", ["warning"]), (LONG, ["pass"])])
def test_token_that_could_be_guessed_is_a_warning(token: str, statuses: list[str]) -> None:
    found = check(LOOPIN_MCP_TOKEN=token)

    assert [each.status for each in found] == statuses
    assert not shows_secret(repr(found))


def test_settings_of_an_api_are_not_read_beside_the_url_of_another() -> None:
    assert check(LOOPIN_API_URL="https://loopin.test", LOOPIN_PORT="nonsense")[0].status == "pass"


def test_fault_of_two_settings_together_is_found() -> None:
    found = check(REVIEWER_KEYS=f"alice={LONG}")

    assert [each.status for each in found] == ["failure"]
    assert not shows_secret(repr(found))


@pytest.mark.parametrize(
    ("variable", "remedy"),
    [
        ("LOOPIN_TIMOUT", "Rename it to LOOPIN_TIMEOUT, or unset it."),
        ("LOOPIN_ZZZZ_QQQQ", "Unset it."),
        ("LOOPIN_" + "A" * 100_000, "Unset it."),
    ],
)
def test_unknown_name_is_a_warning_with_the_nearest_known(variable: str, remedy: str) -> None:
    [found] = check(**{variable: "1"})

    assert (found.status, found.remedy) == ("warning", remedy)
    assert len(found.found) < 200
