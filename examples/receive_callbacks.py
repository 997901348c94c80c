"""A receiver of callbacks: accepts signed ones, each once, and prints the decision.

    CALLBACK_SECRET=whsec_… python examples/receive_callbacks.py 8000

The secret is that of the API, which calls this machine only if CALLBACK_ALLOW=127.0.0.1 says so
(the embedded one does by itself). The receiver needs the standard library alone, and shows all
that one has to do: check the signature over the bytes as they came, refuse what is old, and act
once on what comes twice. One that does more than print keeps the ids in its database, in the
transaction of what it does.
"""

import base64
import contextlib
import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar

TOLERANCE_S = 300


class Receiver(BaseHTTPRequestHandler):
    """Answers 204 to what LoopIn has signed, and 401 to all else."""

    secret: ClassVar[bytes]
    seen: ClassVar[set[str]] = set()
    timeout = 10

    def do_POST(self) -> None:
        """Check a callback, and act on it unless it came before."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or len(length) > 6:
            self.answer(413)
            return
        body = self.rfile.read(int(length))
        message_id = self.headers.get("webhook-id", "")
        if not self.is_genuine(message_id, body):
            self.answer(401)
            return
        # LoopIn sends it again until it has an answer, so the same id may come more than once.
        if message_id not in self.seen:
            act_on(json.loads(body))
            self.seen.add(message_id)
        self.answer(204)

    def is_genuine(self, message_id: str, body: bytes) -> bool:
        """Whether it was signed with the secret within five minutes; see standardwebhooks.com."""
        timestamp = self.headers.get("webhook-timestamp", "")
        if not timestamp.isdecimal() or abs(time.time() - float(timestamp)) > TOLERANCE_S:
            return False
        content = f"{message_id}.{timestamp}.".encode() + body
        signature = base64.b64encode(hmac.digest(self.secret, content, hashlib.sha256))
        offered = self.headers.get("webhook-signature", "").encode().split()
        return any(hmac.compare_digest(b"v1," + signature, one) for one in offered)

    def answer(self, status: int) -> None:
        """Answer with a status only."""
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


def act_on(interrupt: dict[str, Any]) -> None:
    """Do what was decided; here it is only printed."""
    changed = interrupt.get("modifiedParams")
    values = f", with {json.dumps(changed)}" if changed else ""
    print(f"{interrupt['interruptId']} is {interrupt['status']}{values}", flush=True)


try:
    port = int(sys.argv[1])
    _, key = os.environ.get("CALLBACK_SECRET", "").split("whsec_")
    Receiver.secret = base64.b64decode(key, validate=True)
except (IndexError, ValueError):
    sys.exit(__doc__)
try:
    server = HTTPServer(("127.0.0.1", port), Receiver)
except (OSError, OverflowError) as error:
    sys.exit(f"Cannot listen on port {port}: {error}")
with server, contextlib.suppress(KeyboardInterrupt):
    print(f"Waiting for callbacks at http://127.0.0.1:{server.server_port}/", flush=True)
    server.serve_forever()
