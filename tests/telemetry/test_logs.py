"""The log as JSON, and its levels: on stderr, one object per line, without secrets."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from loopin_mcp.errors import ConfigurationError
from loopin_mcp.settings.settings import Settings
from loopin_mcp.telemetry.logs import JSONLines, log_as
from loopin_mcp.telemetry.traces import Trace, within_trace
from tests.support import PATIENCE_S, ServedAPI
from tests.support.host import Host, initialize
from tests.support.questions import NEW
from tests.support.secrets import AGENTS_KEY, CALLBACK_URL, shows_secret

TRACE = Trace("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")
JSON = {"LOOPIN_LOG_FORMAT": "json"}
DEBUG = {"LOOPIN_LOG_LEVEL": "debug"}


def record_of(message: str, *args: object, **more: Any) -> logging.LogRecord:  # noqa: ANN401
    made = logging.getLogger("loopin_mcp").makeRecord(
        "loopin_mcp", logging.WARNING, "f.py", 1, message, args, more.get("exc_info"), extra=more
    )
    made.created = 1_750_000_000.25
    return made


def test_record_is_one_line_of_json() -> None:
    with within_trace(TRACE):
        line = JSONLines().format(record_of("Said %s", "a\nb \u2028 ä"))

    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line) == {
        "time": "2025-06-15T15:06:40.250Z",
        "level": "warning",
        "logger": "loopin_mcp",
        "message": "Said a\nb \u2028 ä",
        "requestId": TRACE.trace_id,
        "spanId": TRACE.span_id,
    }


def test_exception_is_one_field_and_a_record_outside_of_requests_has_no_id() -> None:
    try:
        raise ZeroDivisionError("by nothing")
    except ZeroDivisionError as error:
        fault = (type(error), error, error.__traceback__)
    made = record_of("Failed")
    made.exc_info = fault

    fields = json.loads(JSONLines().format(made))

    assert fields["exception"].startswith("Traceback (most recent call last):\n")
    assert fields["exception"].endswith("ZeroDivisionError: by nothing")
    assert "requestId" not in fields


def lines_of(logged: str) -> list[dict[str, Any]]:
    """The records in a log: each line is one, apart from the last word of the command."""
    return [json.loads(line) for line in logged.splitlines() if line != "Stopped."]


@pytest.mark.subprocess
def test_api_logs_requests_by_their_routes(tmp_path: Path) -> None:
    key = {"X-API-Key": AGENTS_KEY}
    served = ServedAPI(tmp_path, {"API_KEY_SECRET": AGENTS_KEY} | JSON | DEBUG)
    new = NEW | {"callbackUrl": CALLBACK_URL.replace("127.0.0.1", "receiver.example")}
    with httpx.Client(base_url=served.url, headers=key, timeout=PATIENCE_S) as client:
        created = client.post("/interrupts", json=new)
        interrupt_id = created.json()["interruptId"]
        client.get(f"/interrupts/{interrupt_id}", headers={"traceparent": TRACE.parent})
        client.get("/nowhere?key=x", headers={"X-API-Key": "wrong"})
    logged = served.stop()

    requests = [line for line in lines_of(logged) if "route" in line]
    assert [(each["method"], each["route"], each["status"]) for each in requests] == [
        ("POST", "/interrupts", 201),
        ("GET", "/interrupts/{interrupt_id}", 200),
        ("GET", "other", 401),
    ]
    assert [each["requestId"] for each in requests[:2]] == [
        created.headers["x-request-id"],
        TRACE.trace_id,
    ]
    assert all(each["level"] == "debug" and each["durationMs"] > 0 for each in requests)
    assert interrupt_id not in logged
    assert not shows_secret(logged)


@pytest.mark.subprocess
def test_what_the_api_serves_is_a_record_too(tmp_path: Path) -> None:
    served = ServedAPI(tmp_path, JSON)
    logged = served.stop()

    assert lines_of(logged) == []


@pytest.mark.subprocess
def test_mcp_server_logs_tool_calls_with_their_request_ids(start: Callable[..., Host]) -> None:
    host = start(LOOPIN_USER_ID="u", **JSON, **DEBUG)
    initialize(host)
    meta = {"traceparent": TRACE.parent}
    listed = {"name": "list_pending_interrupts", "arguments": {}, "_meta": meta}
    assert "error" not in host.ask("tools/call", listed)
    _, said = host.end()
    logged = lines_of(said)

    calls = [line for line in logged if line["message"].startswith("Tool call")]
    assert [(each["message"], each["requestId"]) for each in calls] == [
        ("Tool call: list_pending_interrupts", TRACE.trace_id)
    ]
    [request] = [line for line in logged if line.get("route") == "/interrupts/pending/{user_id}"]
    assert request["requestId"] == TRACE.trace_id


@pytest.mark.parametrize(
    ("variable", "choices"),
    [
        ("LOOPIN_LOG_FORMAT", "text or json"),
        ("LOOPIN_LOG_LEVEL", "debug, info, warning or error"),
    ],
)
@pytest.mark.parametrize("others", [{}, {"LOOPIN_API_URL": "https://loopin.example"}])
def test_bad_value_is_refused_with_the_choices(
    variable: str, choices: str, others: dict[str, str]
) -> None:
    with pytest.raises(ConfigurationError, match=f"^{variable} must be {choices}: 'loud'"):
        Settings.load({variable: "loud", **others})


@pytest.mark.parametrize(
    ("level", "own", "others"),
    [("debug", "DEBUG", "INFO"), ("info", "INFO", "INFO"), ("error", "ERROR", "ERROR")],
)
def test_only_the_own_log_says_more(level: str, own: str, others: str) -> None:
    root, mine = logging.getLogger(), logging.getLogger("loopin_mcp")
    before = root.level, mine.level
    root.setLevel(logging.INFO)
    try:
        log_as("text", level)
        found = mine.getEffectiveLevel(), logging.getLogger("httpcore").getEffectiveLevel()
    finally:
        root.setLevel(before[0])
        mine.setLevel(before[1])

    assert [logging.getLevelName(each) for each in found] == [own, others]
