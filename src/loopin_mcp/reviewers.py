"""Reads the reviewers' keys; what cannot be used is refused by its reviewer, and no key shown."""

import re
import unicodedata
from collections.abc import Mapping

from loopin_mcp.errors import ConfigurationError
from loopin_mcp.values import checked_key

SHORTEST_KEY = 32
LONGEST_REVIEWER = 100
# What the API calls those whose names it does not know, itself, and the ways to decide.
_TAKEN = frozenset(
    ("anonymous", "api", "apikey", "inbox", "loopin", "mcp", "reviewlink", "reviewpage", "system")
)
MAKE_ONE = "python3 -c 'import secrets; print(secrets.token_urlsafe(32))' makes one."


def checked_reviewers(variable: str, value: str) -> Mapping[str, str]:
    """The keys of reviewers by their names, written `name=key,name=key`.

    Raises:
        ConfigurationError: A name could be taken for another, or a key guessed; or there are none.
    """
    reviewers: dict[str, str] = {}
    entries = [entry.strip() for entry in value.split(",") if entry.strip()]
    for number, entry in enumerate(entries, 1):
        name, _, key = (part.strip() for part in entry.partition("="))
        # A lone key may end in signs of equality.
        if not name or not key.strip("="):
            raise ConfigurationError(f"{variable}: entry {number} is not written name=key.")
        # A name as long as a key may be one, put in the wrong place.
        is_name = len(name) < SHORTEST_KEY and name.isprintable()
        who = name if is_name else f"entry {number}"
        if remedy := _remedy(name, key, reviewers):
            raise ConfigurationError(f"{variable}: {who} {remedy}")
        reviewers[name] = checked_key(f"{variable}: the key of {who}", key)
    if not reviewers:
        raise ConfigurationError(f"{variable} names nobody: write name=key,name=key.")
    return reviewers


def refuse_shared_key(reviewers: Mapping[str, str], api_key: str | None) -> None:
    """Let no reviewer have the agents' key.

    Raises:
        ConfigurationError: One has it.
    """
    for name, key in reviewers.items():
        if key == api_key:
            raise ConfigurationError(
                f"REVIEWER_KEYS: {name} has the key that agents have, which is API_KEY_SECRET: "
                f"give them one of their own. {MAKE_ONE}"
            )


def _remedy(name: str, key: str, others: Mapping[str, str]) -> str | None:
    """What is wrong with an entry, and how to mend it."""
    if len(name) > LONGEST_REVIEWER or not name.isprintable():
        return f"needs a name of at most {LONGEST_REVIEWER} printable characters."
    if re.sub(r"[\W_]", "", _folded(name)) in _TAKEN:
        return "is what the API calls others: choose another name."
    if _folded(name) in map(_folded, others):
        return "is there twice: give each reviewer a name of their own."
    if mark := re.search("[;\"'`]", key):
        return f"has a key with {mark[0]} in it: separate reviewers by commas, without quotes."
    if len(key) < SHORTEST_KEY:
        return f"needs a key of {SHORTEST_KEY} characters or more. {MAKE_ONE}"
    if key in others.values():
        return f"has the key of another reviewer: give them one of their own. {MAKE_ONE}"
    return None


def _folded(name: str) -> str:
    """What names that look alike have in common."""
    return unicodedata.normalize("NFKC", name).casefold()
