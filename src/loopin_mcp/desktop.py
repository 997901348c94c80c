"""Detects a desktop, and opens the browser on it."""

import html
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path

# As long as a sign-in link works; a browser may have to start first.
KEPT_S = 60

_PAGE = """\
<!doctype html>
<meta charset="utf-8">
<meta http-equiv="refresh" content="0; url={link}">
<title>LoopIn</title>
<p><a href="{link}">Open LoopIn</a></p>
"""
# This program outlives the process that starts it.
_PROGRAM = """\
import os, sys, time, webbrowser
webbrowser.open(sys.argv[1])
time.sleep(float(sys.argv[3]))
os.unlink(sys.argv[2])
"""


def has_desktop(environment: Mapping[str, str]) -> bool:
    """Whether a browser would open a window; without one it might take over the terminal."""
    if sys.platform in ("win32", "darwin"):
        # Over SSH the user sits at another machine.
        return not environment.get("SSH_CONNECTION")
    return any(environment.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def start_browser(url: str, kept_s: float = KEPT_S) -> None:
    """Open a page in the browser, from a separate process.

    All users of a machine can see the arguments of a program, and the link may sign in its holder
    or let them decide. So the browser gets a file that redirects there. Only this user can read
    it, and it is deleted after `kept_s` seconds.

    Raises:
        OSError: The program cannot be started, or the file cannot be written.
    """
    page = _page_to(url)
    try:
        process = subprocess.Popen(  # noqa: S603 - a fixed command, with a file made here
            # Isolated, so that no webbrowser.py in the working directory runs instead.
            [sys.executable, "-I", "-c", _PROGRAM, page.as_uri(), str(page), str(kept_s)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except OSError:
        page.unlink()
        raise
    threading.Thread(target=process.wait, daemon=True).start()


def _page_to(url: str) -> Path:
    # A browser from a snap cannot read hidden or temporary directories.
    home = os.path.expanduser("~")  # noqa: PTH111 - Path.home has an error of its own
    descriptor, name = tempfile.mkstemp(prefix="loopin-", suffix=".html", dir=home)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(_PAGE.format(link=html.escape(url)))
    return Path(name)
