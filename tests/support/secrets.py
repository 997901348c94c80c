"""Recognizable secrets, and the search for them in output."""

import base64
import traceback
from collections.abc import Iterator

# Every secret consists of repetitions of it, so that parts are found too.
MARK = "Zq7x"
LONG = MARK * 9
AGENTS_KEY = f"agents-{LONG}"
ALICES_KEY = f"alice-{LONG}"
BOBS_KEY = f"bob-{LONG}"
SIGNING_SECRET = f"whsec_{MARK * 12}"
CALLBACK_URL = f"http://127.0.0.1:1/{LONG}?token={LONG}#{MARK}"
DATABASE_URL = f"postgresql://loopin:{LONG}@127.0.0.1:1/loopin"
NOTIFY = f"json://{MARK}:{LONG}@127.0.0.1:1/{LONG}?-key={LONG}"
SECRETS = {
    "LOOPIN_API_KEY_SECRET": AGENTS_KEY,
    "LOOPIN_AUDIT_KEY": f"audit-{LONG},{LONG}",
    "LOOPIN_REVIEWER_KEYS": f"alice={ALICES_KEY},bob={BOBS_KEY}",
    "LOOPIN_CALLBACK_SECRET": SIGNING_SECRET,
    "LOOPIN_CALLBACK_ALLOW": "127.0.0.0/8",
    "LOOPIN_DATABASE_URL": DATABASE_URL,
    "LOOPIN_API_KEY": AGENTS_KEY,
    "LOOPIN_NOTIFY": NOTIFY,
    "LOOPIN_NOTIFY_HIGH": NOTIFY,
}
_DECODED = repr(base64.b64decode(SIGNING_SECRET[6:]))[2:-1]
# The base64 of its repetitions contains these, at any offset.
_ENCODED = [
    base64.b64encode((MARK * 2)[start:].encode() + MARK.encode()).decode()[:8] for start in range(4)
]


def shows_secret(text: str) -> bool:
    """Whether a text contains a secret, a part of one, or an encoded one."""
    lower = text.lower()
    return MARK.lower() in lower or _DECODED in text or any(code in text for code in _ENCODED)


def all_of(error: BaseException) -> str:
    """Everything that an error shows, with its causes."""
    return "\n".join(
        text
        for link in _chain(error, [])
        for text in (str(link), repr(link), *traceback.format_exception(link))
    )


def _chain(error: BaseException | None, seen: list[BaseException]) -> Iterator[BaseException]:
    if error is None or error in seen:
        return
    seen.append(error)
    yield error
    yield from _chain(error.__cause__, seen)
    yield from _chain(error.__context__, seen)
    if isinstance(error, BaseExceptionGroup):
        for member in error.exceptions:
            yield from _chain(member, seen)
