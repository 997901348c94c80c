"""Signs callbacks, so that a receiver knows who sent one and that it is as it was sent."""

import base64
import hashlib
import hmac
from collections.abc import Mapping


def signed_headers(
    secret: bytes | None, message_id: str, timestamp_s: int, body: bytes
) -> Mapping[str, str]:
    """The headers of one attempt to send a callback; without a secret they bear no signature.

    By Standard Webhooks: `message_id` stays the same for all attempts, `timestamp_s` is that of
    this one. See https://www.standardwebhooks.com.
    """
    headers = {"webhook-id": message_id, "webhook-timestamp": str(timestamp_s)}
    if secret is None:
        return headers
    content = b"%s.%d.%s" % (message_id.encode(), timestamp_s, body)
    signature = base64.b64encode(hmac.digest(secret, content, hashlib.sha256)).decode()
    return headers | {"webhook-signature": f"v1,{signature}"}
