"""Actors: who did something to an interrupt, and through which channel."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Actor:
    """Someone as the API knows them, never as they call themselves.

    `name` is a reviewer's name, `api-key` or `review-link` for what they used instead, or
    `anonymous`. `channel` is `review-page`, `inbox`, `api`, `mcp`, or `system` for actions of the
    API itself.
    """

    name: str
    channel: str


SYSTEM = Actor("loopin", "system")
