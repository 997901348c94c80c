"""Whether there is a desktop here, and the browser on it."""

import subprocess
import sys
import threading
from collections.abc import Mapping


def has_desktop(environment: Mapping[str, str]) -> bool:
    """Whether a browser would get a window; without one it could take over the terminal."""
    if sys.platform in ("win32", "darwin"):
        # Whoever came over SSH sits elsewhere.
        return not environment.get("SSH_CONNECTION")
    return any(environment.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def start_browser(url: str) -> None:
    """Open a page in the browser, and let it be: it shares nothing with this process.

    Raises:
        OSError: No program can be started.
    """
    process = subprocess.Popen(  # noqa: S603 - a fixed command, with a URL made here
        # Isolated, lest a webbrowser.py in the working directory be run instead.
        [sys.executable, "-I", "-m", "webbrowser", url],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )
    threading.Thread(target=process.wait, daemon=True).start()
