"""A terminal in which the window of a program runs."""

import fcntl
import os
import pty
import struct
import subprocess
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import PATIENCE_S

# What programs ask a terminal before they draw, and its answers: a place, two colours, a kind.
_ANSWERS = {
    b"\x1b[6n": b"\x1b[1;1R",
    b"\x1b]10;?": b"\x1b]10;rgb:ffff/ffff/ffff\x1b\\",
    b"\x1b]11;?": b"\x1b]11;rgb:0000/0000/0000\x1b\\",
    b"\x1b[c": b"\x1b[?1;2c",
}


@contextmanager
def in_terminal(command: list[str], environment: dict[str, str], directory: Path) -> Iterator[None]:
    """Run a program in a terminal of its own, and kill it at the end."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    process = subprocess.Popen(
        command,
        env={**environment, "TERM": "xterm-256color"},
        cwd=directory,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    reader = threading.Thread(target=_answer, args=[ours])
    reader.start()
    try:
        yield
    finally:
        process.kill()
        process.wait(PATIENCE_S)
        reader.join(PATIENCE_S)
        os.close(ours)


def _answer(terminal: int) -> None:
    """Read what the program draws until it ends, and answer its questions."""
    while True:
        try:
            drawn = os.read(terminal, 65_536)
        except OSError:
            return
        for question, answer in _ANSWERS.items():
            if question in drawn:
                os.write(terminal, answer)
