"""Filters of the templates: text that cannot mislead, times, people."""

import json
import re
import unicodedata
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from markupsafe import Markup, escape
from pydantic import JsonValue
from pydantic_core import to_json

from loopin_mcp.api.access.actors import SYSTEM
from loopin_mcp.wire.misleading import Piece, has_left_to_right, pieces
from loopin_mcp.wire.models import Interrupt
from loopin_mcp.wire.plain_text import time_in_words

# The attributes that `visible` adds hold single spaces only.
_NOT_OF_NAMES = re.compile(r"[\r\n\t]| {2,}|^ +| +$")
_JSON_STRING = re.compile(r'("(?:[^"\\]|\\.)*")(?=(:)?)')

# A longer request is read and decided on its own page, not in a list or together with others.
LONGEST_JSON = 8 * 1024
# The most characters of HTML: of one text in a list, and of all values in one of its rows. A code
# takes seventy.
LONGEST_HTML, LONGEST_ROW, ROW_HTML = 6 * 1024, 48 * 1024, 150
# More lines would move what decides together far away.
_MOST_LINES = 200
# Texts that would look like another value without their quotes.
LIKE_OTHERS = frozenset(("true", "false", "null", "[]", "{}"))
# How many characters of a longer text are shown.
CUT_TO, LONGEST_IN_ROW = 50, 240

# Actors without a name of their own. Earlier versions also stored "inbox" as a name.
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
    "standing-approval": "by a standing approval",
}
_WAYS = {
    "standing-approval": "by a standing approval",
    "inbox": "in the inbox",
    "mcp": "via an MCP server",
    "review-link": "via the review link",
    "api-key": "with the API key",
    "anonymous": "anonymous",
}


def visible(text: str) -> Markup:
    """The text as HTML, with each character that could mislead replaced by its code.

    In text of both directions, words that are written from right to left are isolated.
    """
    return visible_pieces(pieces(text), isolates=has_left_to_right(text))


def visible_pieces(found: Iterable[Piece], *, isolates: bool) -> Markup:
    """The pieces of a text as HTML; if it `isolates`, words from right to left are apart."""
    parts = []
    for kind, part in found:
        if kind == "coded":
            parts.append("".join(map(_coded, part)))
        elif kind == "rtl" and isolates:
            parts.append(f'<bdi dir="rtl">{escape(part)}</bdi>')
        else:
            parts.append(escape(part))
    return Markup("".join(parts))  # noqa: S704 - its parts are escaped


def visible_name(name: str) -> Markup:
    """A name as HTML on one line, with its line breaks, tabs and rows of blanks by their codes."""
    return Markup(_NOT_OF_NAMES.sub(_coded_all, visible(name)))  # noqa: S704 - it is escaped


def brief(text: str, show: Callable[[str], Markup] = visible) -> Markup:
    """The text as HTML, or its beginning if it takes much HTML, for the rows of a list."""
    whole = show(text)
    return whole if len(whole) <= LONGEST_HTML else show(text[:CUT_TO]) + " …"


def beginning(text: str) -> Markup:
    """The text as HTML, or its beginning if it is long: for what is read elsewhere as a whole."""
    return brief(text if len(text) <= LONGEST_IN_ROW else f"{text[:LONGEST_IN_ROW]} …")


def fits_in_list(interrupt: Interrupt) -> bool:
    """Whether all of an interrupt is short enough, also as HTML, to be decided in a list."""
    values = (interrupt.context, interrupt.modified_params)
    names = (interrupt.agent_id or "", interrupt.user_id or "")
    written = to_json(values)
    return (
        len(written) <= LONGEST_JSON
        and written.count(rb"\n") <= _MOST_LINES
        and len(visible(interrupt.action)) <= LONGEST_HTML
        and all(len(visible_name(name)) <= LONGEST_HTML for name in names)
        and len(visible_json([*values])) + ROW_HTML * len(interrupt.context or ()) <= LONGEST_ROW
    )


def visible_json(value: JsonValue) -> Markup:
    """Formatted JSON as HTML, each string isolated so that its direction reorders nothing else."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    # Outside its strings, JSON has nothing to escape; their own quotes need not be in text.
    return Markup(_JSON_STRING.sub(_isolated, text))  # noqa: S704 - its strings are escaped


def _isolated(match: re.Match[str]) -> str:
    kind = ' class="json-name"' if match[2] else ""
    return f'<bdi{kind}>"{visible(match[1][1:-1])}"</bdi>'


def _coded_all(found: re.Match[str]) -> str:
    return "".join(map(_coded, found[0]))


def _coded(character: str) -> str:
    name = unicodedata.name(character, "unnamed character")
    # A bdi, because `dir=auto` ignores it when it looks for the direction of the text.
    return f'<bdi class="hidden-character" title="{name}">U+{ord(character):04X}</bdi>'


def absolute_time(time: datetime) -> str:
    """A time in words, in UTC: "7 March 2026, 14:05:09 UTC"."""
    return f"{time.astimezone(UTC):%d %B %Y, %H:%M:%S} UTC".lstrip("0")


def relative_time(time: datetime, now: datetime) -> str:
    """A time relative to now: "in 59 minutes", "3 days ago"."""
    seconds = (time - now).total_seconds()
    if abs(seconds) < 1:
        return "now"
    distance = time_in_words(abs(seconds))
    return f"in {distance}" if seconds > 0 else f"{distance} ago"


def clock_after(time: datetime, seconds: float) -> str:
    """The time of day so much later, in UTC: "14:05 UTC"."""
    return f"{time.astimezone(UTC) + timedelta(seconds=seconds):%H:%M} UTC"


def held_command(interrupt: Interrupt) -> str:
    """The shell command of a call that a host holds, or nothing: many have the same action."""
    command = (interrupt.context or {}).get("command") if interrupt.call else None
    return command if isinstance(command, str) else ""


def who_decided(interrupt: Interrupt) -> str:
    """Who decided and how, as far as it is known."""
    return who_did(interrupt.decided_by or "anonymous", interrupt.decided_via or "")


def way_of(interrupt: Interrupt) -> str:
    """Who decided, or else how; empty if nobody did."""
    name = interrupt.decided_by or ""
    if name not in _WAYS:
        return name and f"by {name}"
    return _WAYS.get(interrupt.decided_via or "", _WAYS[name])


def who_did(name: str, channel: str) -> str:
    """Who did something and how, as far as it is known."""
    return ", ".join(filter(None, (UNNAMED.get(name, name), _CHANNELS.get(channel))))


def formatted(value: JsonValue, *, quotes: bool = False) -> Markup:
    """A value as HTML: text as it is, everything else as JSON.

    Text keeps its `quotes` if it is blank, or would look like another value.
    """
    if isinstance(value, str) and value.strip() and value not in LIKE_OTHERS and not quotes:
        return visible(value)
    return visible_json(value)
