"""The reviewers in LOOPIN_REVIEWER_KEYS: their names and keys."""

import re
import unicodedata
from collections.abc import Mapping

from loopin_mcp.errors import ConfigurationError
from loopin_mcp.settings.placeholders import refuse_placeholder
from loopin_mcp.settings.values import MAKE_ONE, SHORTEST_KEY, checked_key

LONGEST_REVIEWER = 100
# Names that the API uses for itself, for unnamed people, and for channels.
_TAKEN = frozenset(
    ("anonymous", "api", "apikey", "inbox", "loopin", "mcp", "reviewlink", "reviewpage", "system")
)


def checked_reviewers(variable: str, value: str) -> Mapping[str, str]:
    """The keys of reviewers by their names, written `name=key,name=key`.

    Raises:
        ConfigurationError: A name looks like another, a key could be guessed, or there are none.
    """
    reviewers: dict[str, str] = {}
    entries = [entry.strip() for entry in value.split(",") if entry.strip()]
    for number, entry in enumerate(entries, 1):
        name, _, key = (part.strip() for part in entry.partition("="))
        # A key without a name may end in equals signs.
        if not name or not key.strip("="):
            raise ConfigurationError(f"{variable}: entry {number} must be name=key.")
        # A name as long as a key may be a misplaced key, so it is not shown.
        is_name = len(name) < SHORTEST_KEY and name.isprintable()
        who = name if is_name else f"entry {number}"
        refuse_placeholder(f"{variable}: the key of {who}", key, secret=True)
        if remedy := _remedy(name, key, reviewers):
            raise ConfigurationError(f"{variable}: {who} {remedy}")
        reviewers[name] = checked_key(f"{variable}: the key of {who}", key)
    if not reviewers:
        raise ConfigurationError(f"{variable} has no reviewers: set it to name=key,name=key.")
    return reviewers


def refuse_shared_key(reviewers: Mapping[str, str], api_key: str | None) -> None:
    """Refuse a reviewer's key that is also the agents' key.

    Raises:
        ConfigurationError: A reviewer has the agents' key.
    """
    for name, key in reviewers.items():
        if key == api_key:
            raise ConfigurationError(
                f"REVIEWER_KEYS: {name} has the agents' key, API_KEY_SECRET: give them a key of "
                f"their own. {MAKE_ONE}"
            )


def _remedy(name: str, key: str, others: Mapping[str, str]) -> str | None:
    """What is wrong with an entry and how to correct it, or None."""
    if len(name) > LONGEST_REVIEWER or not name.isprintable():
        return f"needs a name of at most {LONGEST_REVIEWER} printable characters."
    if re.sub(r"[\W_]", "", _folded(name)) in _TAKEN:
        return "is a name that the API uses itself: choose another."
    if _folded(name) in map(_folded, others):
        return "appears twice: give each reviewer a different name."
    if mark := re.search("[;\"'`]", key):
        return f"has a key with {mark[0]} in it: separate reviewers by commas, without quotes."
    if len(key) < SHORTEST_KEY:
        return f"needs a key of {SHORTEST_KEY} characters or more. {MAKE_ONE}"
    if key in others.values():
        return f"has the key of another reviewer: give them a key of their own. {MAKE_ONE}"
    return None


def _folded(name: str) -> str:
    """The name in a form in which names that look alike are equal."""
    return unicodedata.normalize("NFKC", name).casefold()
