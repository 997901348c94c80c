"""What a human is asked: the payload of an interrupt, and the digest that stands for it."""

from loopin_mcp.api.canonical import digest
from loopin_mcp.models import Interrupt, NewInterrupt


def payload_digest(interrupt: NewInterrupt | Interrupt) -> str:
    """The SHA-256 of the RFC 8785 form of what a human is asked, and nothing else."""
    return digest(
        {
            "agentId": interrupt.agent_id,
            "userId": interrupt.user_id,
            "action": interrupt.action,
            "context": interrupt.context,
            "urgency": interrupt.urgency,
        }
    )
