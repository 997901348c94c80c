"""Signatures of callbacks, compared with another implementation, and the secret for them."""

import base64
import time

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from loopin_mcp.api.outbox.callbacks import signed_headers
from loopin_mcp.errors import ConfigurationError
from loopin_mcp.settings.settings import Settings

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
BODY = '{"interruptId":"int-1","status":"approved","reason":"§ 7, naïve — 決定"}'


def secret_of(value: str) -> bytes | None:
    return Settings.load({"CALLBACK_SECRET": value}, "api").callback_secret


def test_signature_is_one_that_others_accept() -> None:
    headers = signed_headers(secret_of(SECRET), "msg-1", int(time.time()), BODY.encode())

    Webhook(SECRET).verify(BODY, dict(headers))


def test_signature_is_that_of_the_published_example() -> None:
    # From the tests of the reference libraries.
    secret = secret_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

    headers = signed_headers(
        secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}'
    )

    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.parametrize(
    ("message_id", "late_s", "body"),
    [("msg-2", 0, BODY), ("msg-1", 1, BODY), ("msg-1", 0, BODY.replace("approved", "rejected"))],
    ids=["id", "time", "body"],
)
def test_signature_is_for_this_message_alone(message_id: str, late_s: int, body: str) -> None:
    now = int(time.time())
    signed = signed_headers(secret_of(SECRET), "msg-1", now, BODY.encode())
    changed = {"webhook-id": message_id, "webhook-timestamp": str(now + late_s)}

    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body, {**signed, **changed})


def test_without_a_secret_there_is_an_id_and_no_signature() -> None:
    assert signed_headers(None, "msg-1", 1_750_000_000, b"{}") == {
        "webhook-id": "msg-1",
        "webhook-timestamp": "1750000000",
    }


@pytest.mark.parametrize("size", [24, 64])
def test_secret_of_any_length_of_the_standard_is_taken(size: int) -> None:
    assert secret_of("whsec_" + base64.b64encode(b"\xfb" * size).decode()) == b"\xfb" * size


@pytest.mark.parametrize(
    "value",
    [
        SECRET.removeprefix("whsec_"),
        "whpk_" + SECRET.removeprefix("whsec_"),
        "whsec_",
        "whsec_" + base64.b64encode(bytes(23)).decode(),
        "whsec_" + base64.b64encode(bytes(65)).decode(),
        SECRET.rstrip("="),
        SECRET + "!",
        "whsec_" + base64.urlsafe_b64encode(b"\xfb" * 32).decode(),
        SECRET.replace("A", "Ä"),
    ],
)
def test_secret_that_receivers_would_read_otherwise_is_refused_unseen(value: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        secret_of(value)

    assert str(refused.value) == (
        "CALLBACK_SECRET must be whsec_ and the base64 of 24 to 64 random bytes, such as "
        'echo "whsec_$(openssl rand -base64 32)" prints.'
    )
    assert refused.value.__context__ is None


def test_secret_is_not_shown() -> None:
    settings = Settings.load({"CALLBACK_SECRET": SECRET}, "api")

    assert "callback_secret" not in repr(settings)
    assert "CALLBACK_SECRET" in Settings.secret_variables()
