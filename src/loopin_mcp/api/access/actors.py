"""Actors: who did something to an interrupt, and through which channel."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Actor:
    """Someone as the API knows them by their key, never by a name in the request.

    `name` is a reviewer's name, or else `api-key`, `review-link` or `anonymous`. `channel` is
    `review-page`, `inbox`, `api`, `mcp`, or `system` for actions of the API itself.
    """

    name: str
    channel: str


SYSTEM = Actor("loopin", "system")
