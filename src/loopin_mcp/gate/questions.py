"""The request that a human sees about a tool call."""

from dataclasses import dataclass
from functools import cached_property

from loopin_mcp.errors import LoopinError
from loopin_mcp.gate.calls import JSONObject, ToolCall
from loopin_mcp.gate.facts import Facts, facts_of
from loopin_mcp.settings.settings import Settings
from loopin_mcp.settings.values import LONGEST_NAME

_HOUR_S = 3600
_SHOWN_OF_SESSION = 8


@dataclass(frozen=True)
class Question:
    """What a human is asked about a call, and whether the host can run it with other values."""

    call: ToolCall
    facts: Facts
    agent_id: str
    user_id: str
    # How long the human has to decide, and the host then to use an approval.
    lasts_s: int = _HOUR_S
    can_edit: bool = True

    @property
    def editable(self) -> list[str]:
        """The fields of the input that a human sees as they are, and the host takes edited."""
        if self.facts.is_masked or not self.can_edit:
            return []
        return [name for name in self.facts.context if name in self.call.input]

    @cached_property
    def request(self) -> JSONObject:
        """The new interrupt, as it goes over the wire."""
        return {
            "agentId": self.agent_id,
            "userId": self.user_id,
            "action": self.facts.action,
            "context": self.facts.context,
            "editable": [*self.editable],
            "urgency": self.facts.urgency,
            "expiresIn": self.lasts_s,
            "useWithin": self.lasts_s,
            "call": {
                "session": self.call.session,
                "tool": self.call.tool,
                "digest": self.call.digest,
            },
        }

    def require_same_facts(self) -> None:
        """Refuse a call that would do something else now: files change while a human decides.

        Raises:
            LoopinError: It would.
        """
        if facts_of(self.call) != self.facts:
            raise LoopinError(
                "The files that this call is about have changed since a human was asked, so it is "
                "not approved: try it again, so that a human sees it as it is now."
            )


def question_about(
    call: ToolCall, settings: Settings, *, can_edit: bool = True, waits_long: bool = False
) -> Question:
    """The question about a call; if it `waits_long`, the human has a day instead of an hour.

    Raises:
        LoopinError: Nobody is named to be asked.
    """
    user_id = settings.default_user_id
    if not user_id:
        raise LoopinError(
            "LOOPIN_USER_ID is not set, so LoopIn has nobody to ask: run `loopin-mcp install "
            "HOST --user NAME`, or set it."
        )
    lasts_s = 24 * _HOUR_S if waits_long else _HOUR_S
    agent_id = _agent_id(call, settings.agent_id)
    return Question(call, facts_of(call), agent_id, user_id, lasts_s, can_edit)


def _agent_id(call: ToolCall, name: str | None) -> str:
    session = f" (session {call.session[:_SHOWN_OF_SESSION]})"
    return (name or call.agent)[: LONGEST_NAME - len(session)] + session
