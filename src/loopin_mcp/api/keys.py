"""The keys of an API: whose they are, and what their holders may do."""

import hmac
from collections.abc import Mapping
from hashlib import sha256
from typing import Self

from loopin_mcp.api.options import Options
from loopin_mcp.errors import ForbiddenError

API_KEY = "api-key"
ANONYMOUS = "anonymous"


class Keys:
    """The agents' key and those of reviewers, by name.

    `deciders` names those who may decide and sign in to the pages: the reviewers, or where there
    are none whoever holds the agents' key. An API without any key is open to everybody.
    """

    def __init__(self, api_key: str | None, reviewers: Mapping[str, str]) -> None:
        agents = {API_KEY: api_key} if api_key else {}
        self.has_reviewers = bool(reviewers)
        self._keys_of_deciders = {**(reviewers or agents)}
        self.deciders = frozenset(self._keys_of_deciders)
        # Where agents need no key, to show none is as good as one.
        callers = agents or {ANONYMOUS: ""}
        self._digests = {name: _digest(key) for name, key in {**callers, **reviewers}.items()}

    @classmethod
    def of(cls, options: Options) -> Self:
        """Those of an API on such options."""
        return cls(options.api_key, options.reviewers)

    def holder_of(self, shown: str) -> str | None:
        """Who holds the key that is shown, empty if none is; None if nobody does.

        It takes as long for a wrong key as for a right one, and for none.
        """
        holder = None if self.deciders else ANONYMOUS
        digest = _digest(shown)
        for name, known in self._digests.items():
            if hmac.compare_digest(digest, known):
                holder = name
        return holder

    def signing_key(self, name: str, purpose: str) -> bytes:
        """A key for one purpose alone, made of that of a decider."""
        return hmac.digest(self._keys_of_deciders[name].encode(), purpose.encode(), "sha256")

    def may_decide(self, name: str) -> bool:
        """Whether a holder may decide, and sign in to the pages."""
        return not self.deciders or name in self.deciders

    def require_decider(self, name: str) -> None:
        """Let nobody pass who may not decide.

        Raises:
            ForbiddenError: It says who may.
        """
        if not self.may_decide(name):
            raise ForbiddenError(
                "Only a reviewer may decide: signed in on the review page or in the inbox, or "
                "with a reviewer's key"
            )


def _digest(key: str) -> bytes:
    """What keys are compared by, being of one length."""
    return sha256(key.encode()).digest()
