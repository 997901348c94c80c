"""Who did something to an interrupt, and by which way."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Actor:
    """Someone as the API knows them, never as they call themselves.

    `name` is a reviewer's, or says what was shown instead: `api-key`, `review-link`, or
    `anonymous` for nothing. `channel` is `review-page`, `inbox`, `api`, `mcp`, or `system` for
    what the API does by itself.
    """

    name: str
    channel: str


SYSTEM = Actor("loopin", "system")
