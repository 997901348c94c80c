"""Asks an API on this machine for a decision that exists already, without slow imports.

A call that needs no human should not wait until the client, its models and an event loop are
loaded. Everything unusual is left to them.
"""

import hmac
import json
import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPException
from urllib.parse import quote, urlsplit

from loopin_mcp.errors import LoopinError
from loopin_mcp.gate.calls import JSONObject, Verdict
from loopin_mcp.gate.questions import Question
from loopin_mcp.gate.verdicts import verdict_on
from loopin_mcp.settings.base_urls import LOOPBACK, is_loopback
from loopin_mcp.settings.embedded_files import load_api_key, noted_port
from loopin_mcp.settings.settings import Settings
from loopin_mcp.telemetry.traces import current_trace
from loopin_mcp.wire.siblings import proof_of_key, sibling_key
from loopin_mcp.wire.strict_json import read_strictly

_ANSWER_WITHIN_S = 2.0
_MOST_BYTES = 4 * 1024 * 1024


class _UnusualError(Exception):
    """An answer that only the full client can handle."""


class _API:
    """A LoopIn API on this machine."""

    def __init__(self, connection: HTTPConnection, path: str = "", key: str | None = None) -> None:
        self._connection, self._path, self._key = connection, path, key

    def send(self, method: str, path: str, body: JSONObject | None = None) -> JSONObject:
        """The object that the API answers."""
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if self._key:
            headers["X-API-Key"] = self._key
        if trace := current_trace():
            headers |= trace.headers
        text = None if body is None else json.dumps(body)
        self._connection.request(method, self._path + path, text, headers)
        answer = self._connection.getresponse()
        found = read_strictly(answer.read(_MOST_BYTES).decode())
        if answer.status not in (200, 201) or not isinstance(found, dict):
            raise _UnusualError
        return found


def decided_already(question: Question, settings: Settings) -> Verdict | None:
    """The verdict on a call that needs no human any more; None if it may need one.

    This uses an approval.
    """
    try:
        with _api_of(settings) as api:
            interrupt_id = api.send("POST", "/interrupts", question.request)["interruptId"]
            path = f"/interrupts/{quote(str(interrupt_id), safe='')}"
            interrupt = api.send("GET", path)
            if interrupt["interruptId"] != interrupt_id:
                return None
            verdict = verdict_on(interrupt, question)
            used = verdict.kind == "deny" or api.send("POST", f"{path}/use")["status"] == "used"
            return verdict if used else None
    # The client says what is wrong, if something is.
    except (
        _UnusualError,
        LoopinError,
        HTTPException,
        OSError,
        ValueError,
        KeyError,
        RecursionError,
    ):
        return None


@contextmanager
def _api_of(settings: Settings) -> Iterator[_API]:
    """The API in the settings, or the embedded one that another copy serves.

    Raises:
        ConfigurationError: The data directory cannot be used.
    """
    if settings.api_url:
        url = urlsplit(settings.api_url)
        if url.scheme != "http" or not is_loopback(url.hostname or ""):
            raise _UnusualError
        with closing(_connection(url.hostname or "", url.port or 80)) as connection:
            yield _API(connection, url.path.rstrip("/"), settings.api_key)
        return
    port = noted_port(settings.data_dir)
    if port is None:
        raise _UnusualError
    key = load_api_key(settings.data_dir)
    with closing(_connection(LOOPBACK, port)) as connection:
        _prove(_API(connection), port, sibling_key(key, settings.reviewer_keys or {}))
        yield _API(connection, key=key)


def _connection(host: str, port: int) -> HTTPConnection:
    connection = HTTPConnection(host, port, timeout=_ANSWER_WITHIN_S)
    connection.connect()
    # Another program may have the port by then, and it has proved nothing.
    connection.auto_open = False
    return connection


def _prove(api: _API, port: int, key: str) -> None:
    """Make sure that the listener has this key, before it gets one."""
    challenge = secrets.token_hex(16)
    found = api.send("GET", f"/health?challenge={challenge}").get("proof")
    if not hmac.compare_digest(str(found).encode(), proof_of_key(key, challenge, port).encode()):
        raise _UnusualError
