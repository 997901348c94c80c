"""The settings, and the values that they accept."""

import getpass
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from loopin_mcp.errors import ConfigurationError
from loopin_mcp.settings.settings import TOOLS, Settings
from tests.support import load_everywhere

OF_MCP_SERVER = {
    "LOOPIN_API_URL": "https://loopin.test/base/",
    "LOOPIN_API_KEY": " secret-of-the-agents\n",
    "LOOPIN_USER_ID": "user-1",
    "LOOPIN_AGENT_ID": "agent-1",
    "LOOPIN_TOOLS": "create_interrupt, get_interrupt_status,,create_interrupt",
    "LOOPIN_CONFIRM": "required",
    "LOOPIN_MAX_WAIT": "0.5",
    "LOOPIN_TIMEOUT": "86400",
    "UNRELATED": "ignored",
}
OF_API = {
    "LOOPIN_DATA_DIR": "/var/lib/loopin",
    "PORT": "0",
    "HOST": "192.0.2.1",
    "LOOPIN_BASE_URL": "http://[::1]:8080",
    "API_KEY_SECRET": "secret-of-the-api",
    "DATABASE_URL": "postgresql://loopin:secret-of-the-database@db/loopin",
    "LOOPIN_NOTIFY": "json://secret-user:pw@notices.test, ntfy://secret-topic",
    "LOOPIN_NOTIFY_HIGH": "tgram://secret-token/1",
    "LOOPIN_OPEN_REVIEW": "on",
}
ENVIRONMENT = OF_MCP_SERVER | OF_API

NO_URL = "is not a URL. Set it to a base URL, such as https://loopin.example.com."
NOT_WEB = NO_URL.replace("is not a URL", "must be an http or https URL")
NOT_BASE = NO_URL.replace("is not a URL", "must be a base URL in ASCII, without query and spaces")
CREDENTIALS = (
    "must not hold a user name or password: take them out, and set LOOPIN_API_KEY to the API's key."
)
BAD_KEY = "must be printable ASCII without spaces or line breaks: copy the key again."
SECONDS = "must be a number of seconds, more than 0 and at most 86400:"
PORT = "must be a port number from 0 to 65535:"
TOOL_LIST = f"Use a comma-separated list of {', '.join(TOOLS)}."


def test_every_variable_of_the_mcp_server_is_read() -> None:
    settings = Settings.load(ENVIRONMENT)

    assert settings == Settings(
        api_url="https://loopin.test/base",
        api_key="secret-of-the-agents",
        user_id="user-1",
        agent_id="agent-1",
        tools=("create_interrupt", "get_interrupt_status"),
        confirm="required",
        max_wait_s=0.5,
        timeout_s=86_400.0,
    )


def test_every_variable_of_the_api_is_read() -> None:
    settings = Settings.load(ENVIRONMENT, "api")

    assert settings == Settings(
        user_id="user-1",
        agent_id="agent-1",
        tools=("create_interrupt", "get_interrupt_status"),
        confirm="required",
        max_wait_s=0.5,
        data_dir=Path("/var/lib/loopin").absolute(),
        port=0,
        host="192.0.2.1",
        public_url="http://[::1]:8080",
        api_key_secret="secret-of-the-api",
        database_url="postgresql://loopin:secret-of-the-database@db/loopin",
        notify="json://secret-user:pw@notices.test, ntfy://secret-topic",
        notify_high="tgram://secret-token/1",
        open_review="on",
    )


def test_every_variable_of_the_mcp_server_over_http_is_read() -> None:
    over_http = {"LOOPIN_MCP_TOKEN": "secret-of-the-hosts", "PORT": "4003", "HOST": "192.0.2.1"}

    settings = Settings.load(OF_MCP_SERVER | over_http, "mcp_http")

    assert settings == replace(
        Settings.load(OF_MCP_SERVER),
        mcp_token="secret-of-the-hosts",
        mcp_port=4003,
        host="192.0.2.1",
    )


@pytest.mark.parametrize("environment", [{}, dict.fromkeys(ENVIRONMENT, " ")])
def test_unset_and_empty_variables_leave_the_defaults(environment: dict[str, str]) -> None:
    # Without it, some platforms always have a desktop.
    away = {"SSH_CONNECTION": "192.0.2.1 50000 192.0.2.2 22"}

    assert Settings.load(environment | away) == Settings()


@pytest.mark.parametrize(
    ("platform", "environment", "open_review"),
    [
        ("linux", {}, "off"),
        ("linux", {"DISPLAY": ":0"}, "auto"),
        ("linux", {"WAYLAND_DISPLAY": "wayland-0"}, "auto"),
        ("linux", {"SSH_CONNECTION": "x"}, "off"),
        ("linux", {"SSH_CONNECTION": "x", "DISPLAY": "localhost:10.0"}, "auto"),
        ("linux", {"LOOPIN_OPEN_REVIEW": "auto"}, "off"),
        ("linux", {"LOOPIN_OPEN_REVIEW": "on"}, "on"),
        ("linux", {"LOOPIN_OPEN_REVIEW": "off", "DISPLAY": ":0"}, "off"),
        ("darwin", {}, "auto"),
        ("darwin", {"SSH_CONNECTION": "x"}, "off"),
        ("win32", {}, "auto"),
    ],
)
def test_inbox_opens_by_itself_only_where_there_is_a_desktop(
    platform: str, environment: dict[str, str], open_review: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", platform)

    assert Settings.load(environment).open_review == open_review


def test_secrets_are_not_shown() -> None:
    shown = f"{Settings.load(ENVIRONMENT)} {Settings.load(ENVIRONMENT, 'api')}"

    assert "secret" not in shown.replace("api_key_secret", "")
    assert "https://loopin.test/base" in shown
    assert "192.0.2.1" in shown


def test_home_is_understood_in_the_data_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setenv("USERPROFILE", "/home/somebody")

    settings = Settings.load({"LOOPIN_DATA_DIR": "~/loopin"})

    assert settings.data_dir == Path("/home/somebody/loopin").absolute()


@pytest.mark.parametrize("path", ["", "/base"])
@pytest.mark.parametrize("slashes", ["/", "//"])
def test_slash_at_the_end_of_a_base_is_left_out(path: str, slashes: str) -> None:
    base = f"https://loopin.test{path}"

    remote = Settings.load({"LOOPIN_API_URL": base + slashes})
    own = Settings.load({"LOOPIN_BASE_URL": base + slashes})

    assert (remote.api_url, own.public_url) == (base, base)


@pytest.mark.parametrize("variable", ["LOOPIN_API_URL", "LOOPIN_BASE_URL"])
@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("http://[::1", NO_URL),
        ("http://loopin.test:port", NO_URL),
        ("http://loopin.test:65536", NO_URL),
        ("http://loopin.test:0", NOT_WEB),
        ("loopin.test", NOT_WEB),
        ("ftp://loopin.test", NOT_WEB),
        ("file:///etc/passwd", NOT_WEB),
        ("http://", NOT_WEB),
        ("http://:3002", NOT_WEB),
        ("https://user:hidden@loopin.test", CREDENTIALS),
        ("https://hidden@loopin.test", CREDENTIALS),
        ("https://@loopin.test", CREDENTIALS),
        ("https://loopin.test\\@hidden.test", CREDENTIALS),
        ("https://loopin.test/?key=hidden", NOT_BASE),
        ("https://loopin.test/?", NOT_BASE),
        ("https://loopin.test#hidden", NOT_BASE),
        ("https://loopin.test/#", NOT_BASE),
        ("https://loopin.test/a b", NOT_BASE),
        ("https://loopin.test/ü", NOT_BASE),
    ],
)
def test_url_that_cannot_be_a_base_is_refused(variable: str, value: str, fault: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        Settings.load({variable: value})

    if variable == "LOOPIN_BASE_URL":
        fault = fault.replace(", and set LOOPIN_API_KEY to the API's key", "")
    assert str(refusal.value) == f"{variable} {fault}"


@pytest.mark.parametrize(
    ("variable", "value", "fault"),
    [
        ("LOOPIN_API_KEY", "hidden key", BAD_KEY),
        ("LOOPIN_API_KEY", "hidden\nkey", BAD_KEY),
        ("LOOPIN_API_KEY_SECRET", "hidden-kéy", BAD_KEY),
        ("LOOPIN_TIMEOUT", "ten", f"{SECONDS} 'ten'."),
        ("LOOPIN_TIMEOUT", "nan", f"{SECONDS} 'nan'."),
        ("LOOPIN_TIMEOUT", "0", f"{SECONDS} '0'."),
        ("LOOPIN_TIMEOUT", "1_0", f"{SECONDS} '1_0'."),
        ("LOOPIN_TIMEOUT", "１０", f"{SECONDS} '１０'."),
        ("LOOPIN_TIMEOUT", "1 0", f"{SECONDS} '1 0'."),
        ("LOOPIN_TIMEOUT", "10s", f"{SECONDS} '10s'."),
        ("LOOPIN_MAX_WAIT", "-1", f"{SECONDS} '-1'."),
        ("LOOPIN_MAX_WAIT", "86401", f"{SECONDS} '86401'."),
        ("LOOPIN_PORT", "65536", f"{PORT} '65536'."),
        ("LOOPIN_PORT", "-1", f"{PORT} '-1'."),
        ("LOOPIN_PORT", "3_002", f"{PORT} '3_002'."),
        ("LOOPIN_PORT", "3002.0", f"{PORT} '3002.0'."),
        ("LOOPIN_RATE_LIMIT", "0", "must be a whole number from 1 to 999999999: '0'."),
        ("LOOPIN_RETENTION_DAYS", "-1", "must be a whole number from 1 to 999999999: '-1'."),
        (
            "LOOPIN_CALLBACK_ALLOW",
            "10.1.2.3/8",
            "must be off, or list networks such as 10.1.0.0/16 or 192.168.1.7, and public for all "
            "public addresses: 10.1.2.3/8 has host bits set.",
        ),
        ("LOOPIN_PORT", "٣", f"{PORT} '٣'."),
        ("LOOPIN_PORT", "9" * 5000, f"{PORT} '{'9' * 5000}'."),
        ("LOOPIN_CONFIRM", "always", "must be auto, off or required: 'always'."),
        ("LOOPIN_CONFIRM", "true", "must be auto, off or required: 'true'."),
        ("LOOPIN_OPEN_REVIEW", "never", "must be auto, on or off: 'never'."),
        ("LOOPIN_TOOLS", ",", f"has unknown tools: ','. {TOOL_LIST}"),
        (
            "LOOPIN_TOOLS",
            "approve,cancel_interrupt,reject",
            f"has unknown tools: 'approve, reject'. {TOOL_LIST}",
        ),
        (
            "LOOPIN_DATA_DIR",
            "~nobody-of-that-name/loopin",
            "begins with the home of an unknown user: '~nobody-of-that-name/loopin'.",
        ),
        *(
            ("LOOPIN_DATA_DIR", path, f"must be an absolute path, or begin with ~/: {path!r}.")
            for path in (".", "loopin", "./data", "../loopin", "file:///srv/loopin")
        ),
        (
            "LOOPIN_DATABASE_URL",
            "sqlite:///~/loopin.db",
            "must be sqlite:/// and a path without ~.",
        ),
    ],
)
def test_value_that_cannot_be_used_is_refused(variable: str, value: str, fault: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        load_everywhere({variable: value})

    assert str(refusal.value) == f"{variable} {fault}"


@pytest.mark.parametrize("url", ["sqlite:////srv/loopin.db", "postgresql://loopin@db.test/x"])
def test_url_of_a_database_is_taken_as_it_is(url: str) -> None:
    assert Settings.load({"DATABASE_URL": url}, "api").database_url == url


@pytest.mark.parametrize("word", ["false", "False", "no", "N", "0", "OFF"])
def test_what_yaml_makes_of_off_is_off(word: str) -> None:
    settings = Settings.load({"LOOPIN_CONFIRM": word, "LOOPIN_OPEN_REVIEW": word})

    assert (settings.confirm, settings.open_review) == ("off", "off")


@pytest.mark.parametrize("word", ["true", "TRUE", "yes", "y", "1", "On"])
def test_what_yaml_makes_of_on_is_on(word: str) -> None:
    assert Settings.load({"LOOPIN_OPEN_REVIEW": word}).open_review == "on"


@pytest.mark.parametrize(
    ("settings", "user_id"),
    [
        (Settings(user_id="user-1"), "user-1"),
        (Settings(user_id="user-1", api_url="https://loopin.test"), "user-1"),
        (Settings(api_url="https://loopin.test"), None),
        (Settings(), "login-name"),
    ],
)
def test_login_name_stands_in_on_the_embedded_api_only(
    settings: Settings, user_id: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "login-name")

    assert settings.default_user_id == user_id


def test_account_without_a_name_gives_no_default_user(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 54321")

    monkeypatch.setattr(getpass, "getuser", nameless)

    assert Settings().default_user_id is None


@pytest.mark.parametrize("variable", ["LOOPIN_USER_ID", "LOOPIN_AGENT_ID"])
@pytest.mark.parametrize("name", ["x" * 201, "a\0b"])
def test_name_that_no_call_would_take_is_refused_at_once(variable: str, name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{variable} must be at most 200 characters"):
        Settings.load({variable: name})


@pytest.mark.parametrize(
    ("value", "reasons"),
    [
        ("Too much; Not by me ;; Too much", ("Too much", "Not by me")),
        ("One\nTwo\r\nThree", ("One", "Two", "Three")),
        ("off", ()),
    ],
)
def test_reasons_to_reject_are_separated(value: str, reasons: tuple[str, ...]) -> None:
    assert Settings.load({"REJECT_REASONS": value}, "api").reject_reasons == reasons


@pytest.mark.parametrize("value", ["a;b;c;d", "x" * 101])
def test_reasons_that_fit_no_button_are_refused(value: str) -> None:
    with pytest.raises(ConfigurationError, match="LOOPIN_REJECT_REASONS must have at most 3"):
        Settings.load({"LOOPIN_REJECT_REASONS": value})
