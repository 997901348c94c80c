"""The wire models of standing approvals."""

from pydantic import Field

from loopin_mcp.wire import fields
from loopin_mcp.wire.models import Unset, Wire


class CoveredCall(Wire):
    """A call that a standing approval covered."""

    interrupt_id: fields.InterruptId
    action: str
    at: fields.Timestamp
    used_at: Unset[fields.Timestamp] = None


class StandingApproval(Wire):
    """An approval that covers more calls than the one it was given for, until it ends."""

    interrupt_id: fields.InterruptId
    user_id: str
    agent_id: str
    scope: fields.StandingScope
    session: str
    tool: str
    granted_by: str
    granted_at: fields.Timestamp
    until: fields.Timestamp
    count: int = Field(description="How many calls it covered")
    covered: tuple[CoveredCall, ...] = Field(description="The latest of them, newest first")


class Ended(Wire):
    """The receipt of the end of a standing approval."""

    interrupt_id: fields.InterruptId
    status: str = Field(description="ended")
