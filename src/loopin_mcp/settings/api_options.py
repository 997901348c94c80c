"""On which terms an API serves."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from loopin_mcp.settings.settings import DEFAULT_RATE_LIMIT, Settings
from loopin_mcp.settings.values import Network

GRACE_S = 1
# Where no host is in a hurry: to answer thousands takes a moment.
LONG_GRACE_S = 5


@dataclass(frozen=True)
class Options:
    """What an API asks, allows and does; without any it is open to whoever reaches it.

    Agents show `api_key`. With `reviewers`, by name their keys, nobody else decides. Review links
    begin with `public_url`, or else with the address it serves on. The `embedded` API also sends
    callbacks to this machine and proves its key to siblings; a key that a human chose could be
    guessed from such proofs. Requests in flight get `grace_s` at the end. `rate_limit` is how many
    interrupts one key may create in a minute. Callbacks are signed with `callback_secret`, and go
    to the networks of `callback_allow` besides public addresses. What was settled `retention_days`
    ago is deleted.
    """

    api_key: str | None = field(default=None, repr=False)
    reviewers: Mapping[str, str] = field(default_factory=dict, repr=False)
    public_url: str | None = None
    embedded: bool = False
    opens_inbox: bool = False
    grace_s: int = GRACE_S
    rate_limit: int = DEFAULT_RATE_LIMIT
    callback_secret: bytes | None = field(default=None, repr=False)
    callback_allow: tuple[Network, ...] = ()
    retention_days: int | None = None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Those of `loopin-mcp api`."""
        return cls(
            api_key=settings.api_key_secret,
            reviewers=settings.reviewer_keys or {},
            public_url=settings.public_url,
            opens_inbox=settings.open_review == "on",
            grace_s=LONG_GRACE_S,
            rate_limit=settings.rate_limit,
            callback_secret=settings.callback_secret,
            callback_allow=settings.callback_allow,
            retention_days=settings.retention_days,
        )

    @classmethod
    def embedded_of(cls, settings: Settings, api_key: str) -> Self:
        """Those of the embedded API, whose key is made by itself."""
        return replace(
            cls.of(settings),
            api_key=api_key,
            embedded=True,
            opens_inbox=settings.open_review != "off",
            grace_s=GRACE_S,
        )
