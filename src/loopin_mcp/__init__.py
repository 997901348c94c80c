"""loopin-mcp: a human approval gate for AI agents."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from loopin_mcp.client.addresses import Address
    from loopin_mcp.client.client import LoopinClient
    from loopin_mcp.client.tool_calls import CallAnswer, ask_about_call
    from loopin_mcp.errors import (
        APIError,
        ConfigurationError,
        ConflictError,
        ForbiddenError,
        InvalidRequestError,
        LoopinError,
        NotFoundError,
        RateLimitedError,
        TamperedError,
        TooLargeError,
        UnauthorizedError,
        UnavailableError,
        UnprocessableError,
        UnreachableError,
        UnsupportedTypeError,
    )
    from loopin_mcp.wire.models import (
        ActionCount,
        Analytics,
        Cancelled,
        Created,
        Decided,
        Decision,
        Health,
        HostCall,
        Interrupt,
        NewInterrupt,
        PendingPage,
        SignInLink,
        Used,
    )
else:

    def __getattr__(name: str) -> object:
        """A public class, loaded at its first use, since the command has to start fast."""
        from importlib import import_module

        places = (vars(import_module(place)) for place in _MODULES if name in __all__)
        found = next((place[name] for place in places if name in place), None)
        if found is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return found

    def __dir__() -> list[str]:
        return __all__


_MODULES = (
    "loopin_mcp.errors",
    "loopin_mcp.wire.models",
    "loopin_mcp.client.addresses",
    "loopin_mcp.client.client",
    "loopin_mcp.client.tool_calls",
)
__all__ = [
    "APIError",
    "ActionCount",
    "Address",
    "Analytics",
    "CallAnswer",
    "Cancelled",
    "ConfigurationError",
    "ConflictError",
    "Created",
    "Decided",
    "Decision",
    "ForbiddenError",
    "Health",
    "HostCall",
    "Interrupt",
    "InvalidRequestError",
    "LoopinClient",
    "LoopinError",
    "NewInterrupt",
    "NotFoundError",
    "PendingPage",
    "RateLimitedError",
    "SignInLink",
    "TamperedError",
    "TooLargeError",
    "UnauthorizedError",
    "UnavailableError",
    "UnprocessableError",
    "UnreachableError",
    "UnsupportedTypeError",
    "Used",
    "ask_about_call",
]
