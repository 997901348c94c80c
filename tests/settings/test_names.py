"""The names of settings: the same in every program, and plain ones for `loopin-mcp api` only."""

import logging

import pytest

from loopin_mcp.errors import ConfigurationError
from loopin_mcp.settings.settings import Reader, Settings

ALICE = "alices-key-that-is-long-enough-0001"
BOB = "bobs-key-that-is-long-enough-000002"
AWAY = {"SSH_CONNECTION": "192.0.2.1 50000 192.0.2.2 22", "LOOPIN_OPEN_REVIEW": "off"}
# What the shell of another project may hold.
OF_OTHERS = {
    "PORT": "x",
    "HOST": "nonsense",
    "API_KEY_SECRET": "not a key",
    "RATE_LIMIT": "10/s",
    "CALLBACK_ALLOW": "everything",
    "CALLBACK_SECRET": "theirs",
    "RETENTION_DAYS": "1",
    "DATABASE_URL": "mysql://theirs",
}
BROKEN = {
    "LOOPIN_DATA_DIR": "relative",
    "LOOPIN_PORT": "x",
    "LOOPIN_REVIEWER_KEYS": "alice",
    "LOOPIN_NOTIFY": "${TOKEN}",
    "LOOPIN_OPEN_REVIEW": "perhaps",
}
readers_of_prefixed_names_only = pytest.mark.parametrize("reader", ["mcp_server", "embedded"])


@readers_of_prefixed_names_only
def test_settings_of_other_projects_change_nothing(reader: Reader) -> None:
    assert Settings.load(OF_OTHERS | AWAY, reader) == Settings.load(AWAY, reader)


@pytest.mark.parametrize("reader", ["mcp_server", "embedded", "api"])
def test_prefixed_names_count_everywhere(reader: Reader) -> None:
    settings = Settings.load(
        {
            "LOOPIN_PORT": "4001",
            "LOOPIN_RATE_LIMIT": "7",
            "LOOPIN_RETENTION_DAYS": "30",
            "LOOPIN_REVIEWER_KEYS": f"alice={ALICE}",
        },
        reader,
    )

    assert (settings.port, settings.rate_limit, settings.retention_days) == (4001, 7, 30)
    assert settings.reviewer_keys == {"alice": ALICE}


def test_api_takes_plain_names_and_prefers_the_prefixed() -> None:
    plain = {"PORT": "4001", "RATE_LIMIT": "7", "REVIEWER_KEYS": f"alice={ALICE}"}
    prefixed = {"LOOPIN_PORT": "4002", "LOOPIN_RATE_LIMIT": "", "LOOPIN_REVIEWER_KEYS": f"b={BOB}"}

    settings = Settings.load(plain | prefixed, "api")

    assert (settings.port, settings.rate_limit) == (4002, 7)
    assert settings.reviewer_keys == {"b": BOB}


@pytest.mark.parametrize(("variable", "value"), [("PORT", "x"), ("LOOPIN_PORT", "x")])
def test_wrong_value_is_named_as_it_was_written(variable: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{variable} must be a port number"):
        Settings.load({variable: value}, "api")


def test_with_a_remote_api_the_settings_of_an_api_are_not_read() -> None:
    remote = {"LOOPIN_API_URL": "https://loopin.test", "REVIEWER_KEYS": f"alice={ALICE}"}

    assert Settings.load(remote | OF_OTHERS | BROKEN | {"DISPLAY": ""}) == Settings(
        api_url="https://loopin.test"
    )


def test_api_does_not_read_the_settings_of_other_mcp_servers() -> None:
    of_tools = {
        "LOOPIN_API_URL": "nonsense",
        "LOOPIN_API_KEY": "ä",
        "LOOPIN_GATE": "perhaps",
        "LOOPIN_TIMEOUT": "x",
        "LOOPIN_MCP_TOKEN": "ä",
        "LOOPIN_MCP_PORT": "x",
    }

    assert Settings.load(of_tools | AWAY, "api") == Settings.load(AWAY, "api")


def test_api_reads_the_settings_of_its_own_tools() -> None:
    settings = Settings.load(
        {
            "LOOPIN_USER_ID": "alice",
            "LOOPIN_AGENT_ID": "bot",
            "LOOPIN_TOOLS": "create_interrupt",
            "LOOPIN_CONFIRM": "required",
            "LOOPIN_MAX_WAIT": "20",
        },
        "api",
    )

    assert (settings.user_id, settings.agent_id) == ("alice", "bot")
    assert (settings.tools, settings.confirm) == (("create_interrupt",), "required")
    assert settings.max_wait_s == 20


def test_plain_names_are_those_of_what_hosts_connect_to() -> None:
    over_http = Settings.load({"HOST": "::1", "PORT": "4003", "LOOPIN_PORT": "4002"}, "mcp_http")
    over_stdio = Settings.load({"HOST": "::1", "PORT": "x", "LOOPIN_MCP_PORT": "x"})

    assert (over_http.host, over_http.mcp_port, over_http.port) == ("::1", 4003, 4002)
    assert (over_stdio.host, over_stdio.mcp_port) == ("127.0.0.1", 3003)


def test_port_of_the_mcp_server_is_preferred_under_its_own_name() -> None:
    settings = Settings.load({"PORT": "x", "LOOPIN_MCP_PORT": "4003"}, "mcp_http")

    assert settings.mcp_port == 4003


def test_host_counts_over_http_also_with_a_remote_api() -> None:
    remote = {"LOOPIN_API_URL": "https://loopin.test", "LOOPIN_HOST": "192.0.2.1"}

    assert Settings.load(remote, "mcp_http").host == "192.0.2.1"


@pytest.mark.parametrize("reader", ["mcp_server", "mcp_http"])
def test_mcp_server_does_not_pass_over_reviewers_under_the_plain_name(reader: Reader) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        Settings.load({"REVIEWER_KEYS": f"alice={ALICE}"}, reader)

    assert str(refusal.value) == (
        "REVIEWER_KEYS is read by `loopin-mcp api` only, and without reviewers anyone with a link "
        "can decide: set LOOPIN_REVIEWER_KEYS instead, or unset REVIEWER_KEYS."
    )


def test_command_that_decides_nothing_passes_over_reviewers_under_the_plain_name() -> None:
    settings = Settings.load({"REVIEWER_KEYS": f"alice={ALICE}"}, "embedded")

    assert settings.reviewer_keys is None


def test_secret_under_the_plain_name_is_logged_by_its_name(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "loopin_mcp")

    Settings.load(OF_OTHERS)
    Settings.load(OF_OTHERS, "embedded")

    assert [record.getMessage() for record in caplog.records] == [
        "CALLBACK_SECRET is not read here. If it is for LoopIn, name it LOOPIN_CALLBACK_SECRET"
    ]


def test_secrets_leave_the_environment_under_both_names() -> None:
    secrets = {"REVIEWER_KEYS", "LOOPIN_REVIEWER_KEYS", "LOOPIN_MCP_TOKEN"}

    assert secrets <= {*Settings.secret_variables()}
