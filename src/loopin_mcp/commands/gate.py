"""The command of a host's hook: it answers on stdout, or ends with code 2 and says why not.

Hosts run the tool after most failures of a hook, and if it has no answer in time. Code 2 stops the
tool in each of them, so that is how this ends if it has no answer.
"""

import os
import re
import select
import signal
import sys
import threading
import time
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, NoReturn

from loopin_mcp.errors import LoopinError, first_of, ungrouped

if TYPE_CHECKING:
    from loopin_mcp.client.client import LoopinClient
    from loopin_mcp.gate.calls import Verdict
    from loopin_mcp.gate.dialects import Event
    from loopin_mcp.gate.questions import Question
    from loopin_mcp.settings.settings import Settings

BLOCKED = 2
# How much of the time is kept for the answer: at most these seconds, and at most this part.
_END_S, _END_PART = 3.0, 0.25
_MOST_BYTES = 32 * 1024 * 1024
_SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK")
_AT_TERMINAL = (
    "`loopin-mcp gate` is the command of a host's hook. It waits for the JSON of a tool call on "
    "stdin. `loopin-mcp install` sets it up.\n"
)
_LATE = "LoopIn has no answer within {:g} seconds, so this call is not approved: try again later"


class Gate:
    """One question to a human about the tool call on stdin, within `timeout_s` seconds.

    It leaves tools to the host if the pattern `match` is not found in their names.
    """

    def __init__(self, timeout_s: float, match: str = "", *, defer: bool) -> None:
        self._timeout_s, self._match, self._defer = timeout_s, match, defer
        self._end = time.monotonic() + timeout_s
        self._is_answering = threading.Event()

    def run(self, load_settings: "Callable[[], Settings]") -> NoReturn:
        """Answer the host, or block the call, and end the process."""
        threading.Thread(target=self._end_in_time, daemon=True).start()
        _on_signals(lambda *_: block("The gate was stopped, so this call is not approved"))
        try:
            if sys.stdin is None or sys.stdout is None:
                block("The gate needs stdin and stdout, so this call is not approved")
            self._write(self._answer(load_settings))
        except BaseException as error:
            block(_reason(error))
        os._exit(0)

    def _end_in_time(self) -> None:
        """Block the call at the deadline, whatever the rest of the process does."""
        time.sleep(max(0, self._end - time.monotonic()))
        if self._is_answering.is_set():
            # It ends by itself, unless the host does not read.
            time.sleep(1)
        block(_LATE.format(self._timeout_s))

    def _answer(self, load_settings: "Callable[[], Settings]") -> str:
        from loopin_mcp.gate.calls import Verdict
        from loopin_mcp.gate.dialects import read_event

        event = read_event(_read_stdin())
        if event.call.is_own or not re.search(self._match, event.call.tool):
            return event.answer(Verdict("none"))
        from loopin_mcp.telemetry.traces import new_trace, within_trace

        with within_trace(new_trace()):
            return event.answer(self._verdict_on(event, load_settings()))

    def _verdict_on(self, event: "Event", settings: "Settings") -> "Verdict":
        """The verdict that exists already, or else the one that a human is asked for."""
        from loopin_mcp.gate.direct import decided_already
        from loopin_mcp.gate.questions import question_about

        defer = self._defer and event.can_defer
        can_edit = event.dialect.can_edit
        question = question_about(event.call, settings, can_edit=can_edit, waits_long=defer)
        verdict = decided_already(question, settings)
        if verdict is None:
            import anyio

            verdict = anyio.run(self._ask, question, settings, defer)
        return verdict

    async def _ask(self, question: "Question", settings: "Settings", defer: bool) -> "Verdict":
        from loopin_mcp.gate.approval import ask

        threading.Thread(target=_end_with_host, daemon=True).start()
        with ungrouped():
            async with _client_of(settings) as client:
                left_s = self._end - time.monotonic() - min(_END_S, _END_PART * self._timeout_s)
                return await ask(client, question, left_s, defer=defer)

    def _write(self, answer: str) -> None:
        """Write the answer, which no signal and no deadline turns into another one."""
        self._is_answering.set()
        _on_signals(signal.SIG_IGN)
        _write_all(1, answer)


def block(reason: str) -> NoReturn:
    """End the process so that the host does not run the tool, and say why on stderr."""
    with suppress(BaseException):
        # Without a stderr, something else may have its number.
        if sys.stderr is not None:
            _write_all(2, f"LoopIn: {' '.join(reason.split()).rstrip('.')}.\n")
    os._exit(BLOCKED)


def _end_with_host() -> None:
    """Block the call once nobody can read the answer, so that no approval is wasted."""
    if sys.platform != "win32":
        stdout = select.poll()
        # This waits for nothing but its end.
        stdout.register(1, 0)
        stdout.poll()
        block("The host has ended, so this call is not approved")


def _reason(caught: BaseException) -> str:
    error = first_of(caught) if isinstance(caught, Exception) else caught
    if isinstance(error, LoopinError):
        return str(error)
    *_, place = traceback.extract_tb(error.__traceback__)
    where = f"{place.filename}:{place.lineno}"
    return f"Unexpected {type(error).__name__} at {where}, so this call is not approved"


def _write_all(descriptor: int, text: str) -> None:
    data = text.encode("utf-8", "backslashreplace")
    while data:
        data = data[os.write(descriptor, data) :]


def _on_signals(action: "Callable[..., object] | signal.Handlers") -> None:
    for name in _SIGNALS:
        if number := getattr(signal, name, None):
            signal.signal(number, action)


def _read_stdin() -> str:
    """All that the host writes, until it closes stdin.

    Raises:
        LoopinError: It is too long, or not UTF-8.
    """
    if sys.stdin.isatty():
        _write_all(2, _AT_TERMINAL)
    data = sys.stdin.buffer.read(_MOST_BYTES + 1)
    try:
        if len(data) <= _MOST_BYTES:
            return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    raise LoopinError(
        "What the host wrote about this tool call is too long or not UTF-8, so it is not approved."
    )


@asynccontextmanager
async def _client_of(settings: "Settings") -> "AsyncIterator[LoopinClient]":
    """A client of the API in the settings, or of the embedded one, which this serves if need be."""
    from loopin_mcp.client.client import LoopinClient

    timeout_s = settings.timeout_s
    if settings.api_url:
        async with LoopinClient(settings.api_url, settings.api_key, timeout_s=timeout_s) as client:
            yield client
        return
    from loopin_mcp.embedded import embedded_api

    async with (
        embedded_api(settings) as locate,
        LoopinClient(locate=locate, timeout_s=timeout_s) as client,
    ):
        yield client
