"""What templates apply to values: text whole, times, people, differences."""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from markupsafe import Markup, escape
from pydantic import JsonValue

from loopin_mcp.api.access.actors import SYSTEM
from loopin_mcp.api.audit.digests import canonical
from loopin_mcp.wire.fields import JSONObject
from loopin_mcp.wire.models import Interrupt
from loopin_mcp.wire.plain_text import is_unseen, time_in_words

_NOT_PLAIN = re.compile(r"[^ -~\n\t]")
_JSON_STRING = re.compile(r'("(?:[^"\\]|\\.)*")(?=(:)?)')

KINDS = ("changed", "added", "unchanged")

# Those of whom it is known alone what they showed. Once, "inbox" was a name too.
UNNAMED = {
    "review-link": "Someone with the link",
    "api-key": "API key",
    "inbox": "Someone signed in to the inbox",
    "anonymous": "Anonymous",
    SYSTEM.name: "LoopIn",
}
_CHANNELS = {
    "review-page": "on this page",
    "inbox": "in the inbox",
    "api": "via the API",
    "mcp": "via an MCP server",
}


def visible(text: str) -> Markup:
    """The text as HTML, each character that would not be seen replaced by its code."""
    return Markup(_NOT_PLAIN.sub(_shown, escape(text)))  # noqa: S704 - it is escaped first


def visible_json(value: JsonValue) -> Markup:
    """Formatted JSON as HTML, each string isolated lest its direction reorder its neighbours."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    # Outside its strings, JSON holds nothing to escape.
    return Markup(_JSON_STRING.sub(_isolated, text))  # noqa: S704 - its strings are escaped


def _isolated(match: re.Match[str]) -> str:
    kind = "json-name" if match[2] else "json-text"
    return f'<bdi class="{kind}">{visible(match[1])}</bdi>'


def _shown(match: re.Match[str]) -> str:
    character, text, index = match[0], match.string, match.start()
    if not is_unseen(text, index) or (character == "\r" and text[index + 1 : index + 2] == "\n"):
        return character
    name = unicodedata.name(character, "unnamed character")
    # A bdi, since `dir=auto` around it looks past one for the text's own direction.
    return f'<bdi class="hidden-character" title="{name}">U+{ord(character):04X}</bdi>'


@dataclass(frozen=True)
class Difference:
    """A field that the human gave, of one of the `KINDS`, beside what was asked."""

    name: str
    kind: str
    asked: JsonValue
    decided: JsonValue


def differences(interrupt: Interrupt) -> tuple[Difference, ...]:
    """Every field of the modified parameters of an interrupt beside its context."""
    asked, decided = interrupt.context or {}, interrupt.modified_params or {}
    return tuple(
        Difference(name, _kind(asked, name, value), asked.get(name), value)
        for name, value in decided.items()
    )


def summed_up(fields: Iterable[Difference]) -> str:
    """How many fields are of each kind, in words."""
    counts = Counter(field.kind for field in fields)
    found = [f"{counts[kind]} {kind}" for kind in KINDS if counts[kind]]
    return ", ".join(found) or "an empty object"


def _kind(asked: JSONObject, name: str, value: JsonValue) -> str:
    if name not in asked:
        return "added"
    # In Python a truth equals a one.
    return "unchanged" if canonical(asked[name]) == canonical(value) else "changed"


def absolute_time(time: datetime) -> str:
    """A moment as a human reads it, in UTC."""
    return f"{time.astimezone(UTC):%d %B %Y, %H:%M:%S} UTC".lstrip("0")


def relative_time(time: datetime, now: datetime) -> str:
    """The distance of a moment from now: "in 59 minutes", "3 days ago"."""
    seconds = (time - now).total_seconds()
    if abs(seconds) < 1:
        return "now"
    distance = time_in_words(abs(seconds))
    return f"in {distance}" if seconds > 0 else f"{distance} ago"


def who_decided(interrupt: Interrupt) -> str:
    """Who decided and by which way, as far as it is known."""
    return who_did(interrupt.decided_by or "anonymous", interrupt.decided_via or "")


def who_did(name: str, channel: str) -> str:
    """Who did something and by which way, as far as it is known."""
    return ", ".join(filter(None, (UNNAMED.get(name, name), _CHANNELS.get(channel))))


def formatted(value: JsonValue) -> Markup:
    """A value as HTML: text as it is, all else as JSON, and so with its quotes blank text."""
    return visible(value) if isinstance(value, str) and value.strip() else visible_json(value)
