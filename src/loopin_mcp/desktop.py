"""Whether there is a desktop here, and the browser on it."""

import html
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path

# As long as a link that signs in is good; a browser may have to start first.
KEPT_S = 60

_PAGE = """\
<!doctype html>
<meta charset="utf-8">
<meta http-equiv="refresh" content="0; url={link}">
<title>LoopIn</title>
<p><a href="{link}">Open LoopIn</a></p>
"""
# It outlives whoever starts it.
_PROGRAM = """\
import os, sys, time, webbrowser
webbrowser.open(sys.argv[1])
time.sleep(float(sys.argv[3]))
os.unlink(sys.argv[2])
"""


def has_desktop(environment: Mapping[str, str]) -> bool:
    """Whether a browser would get a window; without one it could take over the terminal."""
    if sys.platform in ("win32", "darwin"):
        # Whoever came over SSH sits elsewhere.
        return not environment.get("SSH_CONNECTION")
    return any(environment.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def start_browser(url: str, kept_s: float = KEPT_S) -> None:
    """Open a page in the browser, and let it be: it shares nothing with this process.

    All users of a machine can see with what a program was started, and the link may sign in or
    let its holder decide. So the browser is given a file that leads there, which this user alone
    can read and which goes after `kept_s` seconds.

    Raises:
        OSError: No program can be started, or no file written.
    """
    page = _page_to(url)
    try:
        process = subprocess.Popen(  # noqa: S603 - a fixed command, with a file made here
            # Isolated, lest a webbrowser.py in the working directory be run instead.
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
    # A browser that came as a snap can read neither hidden directories nor the one for
    # temporary files.
    home = os.path.expanduser("~")  # noqa: PTH111 - Path.home has an error of its own
    descriptor, name = tempfile.mkstemp(prefix="loopin-", suffix=".html", dir=home)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(_PAGE.format(link=html.escape(url)))
    return Path(name)
