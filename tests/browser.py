"""A browser that opens nothing: it tells a receiver what it was started with."""

import sys
from pathlib import Path

from tests.api.receiver import Receiver

_PROGRAM = """
import json, os, sys, urllib.request
print("This is no JSON-RPC", flush=True)
print("Nor is this", file=sys.stderr, flush=True)
told = json.dumps({{"url": sys.argv[1], "environment": dict(os.environ)}}).encode()
opener = urllib.request.build_opener(urllib.request.ProxyHandler({{}}))
opener.open("http://127.0.0.1:{port}/", told).close()
"""


def browser_of(receiver: Receiver, directory: Path) -> dict[str, str]:
    """The variables of a desktop with such a browser."""
    program = directory / "browser.py"
    program.write_text(_PROGRAM.format(port=receiver.server_port), encoding="utf-8")
    return {"BROWSER": f"{sys.executable} {program} %s", "DISPLAY": ":9"}
