"""The options of an API, made from the settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from loopin_mcp.settings.settings import DEFAULT_RATE_LIMIT, DEFAULT_REASONS, Settings
from loopin_mcp.settings.values import Network

GRACE_S = 1
# No MCP host hurries this API, and answering thousands of requests takes a while.
LONG_GRACE_S = 5


@dataclass(frozen=True)
class Options:
    """What an API requires and does; by default it is open to everyone.

    Agents send `api_key`. If there are `reviewers` (keys by name), only they decide. Review links
    begin with `public_url`, or with the address of the listener. The `embedded` API proves its key
    to other copies; such proofs would let others guess a key that a human chose. When it stops,
    requests in flight get `grace_s` seconds. One key may create `rate_limit` interrupts a minute.
    The first of the `audit_keys` makes the hashes of the audit trail, each verifies them.
    `callback_secret` signs callbacks, which may go to the networks of `callback_allow` and, if it
    `calls_public`, to public addresses. Interrupts are deleted `retention_days` after they were
    settled. The pages offer `reject_reasons` to those who reject.
    """

    api_key: str | None = field(default=None, repr=False)
    reviewers: Mapping[str, str] = field(default_factory=dict, repr=False)
    public_url: str | None = None
    embedded: bool = False
    opens_inbox: bool = False
    grace_s: int = GRACE_S
    rate_limit: int = DEFAULT_RATE_LIMIT
    audit_keys: tuple[str, ...] = field(default=(), repr=False)
    callback_secret: bytes | None = field(default=None, repr=False)
    callback_allow: tuple[Network, ...] = ()
    calls_public: bool = True
    retention_days: int | None = None
    reject_reasons: tuple[str, ...] = DEFAULT_REASONS

    @property
    def is_local(self) -> bool:
        """Whether browsers reach it at the port that it listens on."""
        return self.embedded or self.public_url is None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The options of `loopin-mcp api`."""
        networks = tuple(each for each in settings.callback_allow or () if each != "public")
        return cls(
            api_key=settings.api_key_secret,
            reviewers=settings.reviewer_keys or {},
            public_url=settings.public_url,
            opens_inbox=settings.open_review == "on",
            grace_s=LONG_GRACE_S,
            rate_limit=settings.rate_limit,
            audit_keys=audit_keys_of(settings, settings.api_key_secret),
            callback_secret=settings.callback_secret,
            callback_allow=networks,
            # Networks are listed in addition to public addresses, unless callbacks are off.
            calls_public=settings.callback_allow != (),
            retention_days=settings.retention_days,
            reject_reasons=settings.reject_reasons,
        )

    @classmethod
    def embedded_of(cls, settings: Settings, api_key: str) -> Self:
        """The options of the embedded API, which makes its own key."""
        return replace(
            cls.of(settings),
            api_key=api_key,
            audit_keys=audit_keys_of(settings, api_key),
            embedded=True,
            # A model that can reach nothing else must not get a way out unasked.
            calls_public="public" in (settings.callback_allow or ()),
            opens_inbox=settings.open_review != "off",
            grace_s=GRACE_S,
        )


def audit_keys_of(settings: Settings, api_key: str | None) -> tuple[str, ...]:
    """LOOPIN_AUDIT_KEY, or else the key of the API, which its agents know."""
    return settings.audit_keys or ((api_key,) if api_key else ())
