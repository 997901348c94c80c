"""Signals end commands: the first one lets them clean up, another Ctrl+C ends them at once."""

import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import pytest

from loopin_mcp.commands.keeping.backup import back_up
from loopin_mcp.commands.keeping.restore import Terminal, restore
from loopin_mcp.commands.process import refusing
from loopin_mcp.commands.signals import Stop, run
from loopin_mcp.settings.settings import Settings
from tests.support import PATIENCE_S, ServedAPI
from tests.support.forging import KEY
from tests.support.keeping import filled

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
NUMBERS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
# A request whose body never comes.
SLOW = (
    b"POST /interrupts HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"
    b"Content-Length: 9\r\nExpect: 100-continue\r\n\r\n"
)


@pytest.fixture(autouse=True)
def no_handlers(handlers: None) -> None:
    """As in a new process; under `nohup`, a run of tests has SIGHUP ignored."""
    for number in NUMBERS:
        signal.signal(number, signal.SIG_DFL)


def code_of(work: Callable[[], object]) -> object:
    """The exit code of a command that does this work."""
    with pytest.raises(SystemExit) as ended, refusing():
        work()
    return ended.value.code


@pytest.mark.parametrize("number", NUMBERS)
def test_backup_that_a_signal_ends_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    filled(tmp_path / "data" / "api.db")
    settings, copies = Settings(data_dir=tmp_path / "data"), tmp_path / "copies"
    copies.mkdir()
    seen: list[Path] = []

    def end(_: str) -> None:
        seen.extend(copies.rglob("*.db"))
        signal.raise_signal(number)

    def work() -> None:
        back_up(settings, copies / "a.db", embedded=False, force=False, say=end, progress=end)

    assert code_of(work) == 128 + number
    assert [path.name for path in seen] == ["a.db"]
    assert [*copies.iterdir()] == []


@pytest.mark.parametrize("number", NUMBERS)
def test_restore_that_a_signal_ends_changes_nothing(tmp_path: Path, number: signal.Signals) -> None:
    filled(tmp_path / "backup.db")
    settings = Settings(data_dir=tmp_path / "data", audit_keys=(KEY,))

    def end(_: str) -> bool:
        signal.raise_signal(number)
        return True

    terminal = Terminal(print, print, end)

    def work() -> None:
        restore(settings, tmp_path / "backup.db", terminal, embedded=False)

    assert code_of(work) == 128 + number
    assert [*settings.data_dir.iterdir()] == []


def test_only_another_ctrl_c_disturbs_the_end() -> None:
    steps = []

    async def wait() -> None:
        try:
            signal.raise_signal(signal.SIGHUP)
            await anyio.sleep_forever()
        finally:
            signal.raise_signal(signal.SIGTERM)
            steps.append("cleaned up")

    assert code_of(lambda: run(wait)) == 128 + signal.SIGHUP
    assert steps == ["cleaned up"]


def test_signal_wakes_a_loop_that_waits() -> None:
    def interrupt() -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)

    async def wait() -> None:
        thread = threading.Thread(target=interrupt)
        thread.start()
        await anyio.sleep_forever()

    assert code_of(lambda: run(wait)) == 128 + signal.SIGTERM


def test_ignored_end_of_the_terminal_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    stop = Stop.on_signals()

    assert [signal.getsignal(each) for each in NUMBERS] == [stop, stop, signal.SIG_IGN]


@pytest.mark.subprocess
def test_another_ctrl_c_ends_an_api_that_stops_at_once(tmp_path: Path) -> None:
    api = ServedAPI(tmp_path, {})
    place = urlsplit(api.url)
    where = (place.hostname or "", place.port or 0)
    with (
        socket.create_connection(where, PATIENCE_S) as slow,
        socket.create_connection(where, PATIENCE_S) as idle,
    ):
        slow.sendall(SLOW % place.netloc.encode())
        assert slow.recv(1000).startswith(b"HTTP/1.1 100 ")
        api.process.send_signal(signal.SIGINT)
        # It closes idle connections once it stops, and lets the slow request end.
        assert idle.recv(1) == b""
        api.process.send_signal(signal.SIGINT)
        _, stderr = api.process.communicate(timeout=PATIENCE_S)

    assert api.process.returncode == 130
    assert "Traceback" not in stderr
    assert "Stopped." not in stderr
