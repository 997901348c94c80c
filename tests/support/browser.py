"""A browser that opens nothing, and reports how it was started and where it was led."""

import sys
from pathlib import Path

from tests.support.receiver import Receiver

_PROGRAM = """
import html, json, os, re, stat, sys, urllib.request
print("This is no JSON-RPC", flush=True)
print("Nor is this", file=sys.stderr, flush=True)
file = urllib.request.url2pathname(sys.argv[1].removeprefix("file://"))
link = re.search('href="([^"]*)"', open(file, encoding="utf-8").read())[1]
told = {{
    "url": html.unescape(link),
    "file": file,
    "mode": stat.filemode(os.stat(file).st_mode),
    "arguments": sys.orig_argv,
    "environment": dict(os.environ),
}}
told = json.dumps(told).encode()
opener = urllib.request.build_opener(urllib.request.ProxyHandler({{}}))
opener.open("http://127.0.0.1:{port}/", told).close()
"""


def browser_of(receiver: Receiver, directory: Path) -> dict[str, str]:
    """The variables of a desktop with such a browser."""
    program = directory / "browser.py"
    program.write_text(_PROGRAM.format(port=receiver.server_port), encoding="utf-8")
    home = {"HOME": str(directory), "USERPROFILE": str(directory)}
    return {"BROWSER": f"{sys.executable} {program} %s", "DISPLAY": ":9", **home}
