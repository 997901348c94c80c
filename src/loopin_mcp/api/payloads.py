"""What a human is asked: the payload of an interrupt, and the digest that stands for it."""

from loopin_mcp.api.canonical import digest
from loopin_mcp.models import Interrupt, NewInterrupt

# The fields of a status answer that make the payload.
PAYLOAD = ("agentId", "userId", "action", "context", "urgency")


def payload_digest(interrupt: NewInterrupt | Interrupt) -> str:
    """The SHA-256 of the RFC 8785 form of what a human is asked, and nothing else."""
    fields = interrupt.model_dump(mode="json", by_alias=True)
    return digest({name: fields[name] for name in PAYLOAD})
