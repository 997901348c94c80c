"""What a model can do about each kind of error."""

from loopin_mcp.errors import (
    APIError,
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
)

# The most specific class of an error counts.
REMEDIES: dict[type[Exception], str] = {
    UnreachableError: "Ask the user to check the LoopIn API, and LOOPIN_API_URL and LOOPIN_TIMEOUT "
    "if they are set.",
    APIError: "Ask the user to check that LOOPIN_API_URL names a LoopIn API.",
    InvalidRequestError: "Correct the named field and call again.",
    UnauthorizedError: "The API key is missing or wrong: ask the user to set LOOPIN_API_KEY to the "
    "key of this LoopIn API and to restart the MCP server.",
    ForbiddenError: "This key may not do that: a reviewer has to. Show the user the reviewUrl, "
    "where a reviewer decides.",
    NotFoundError: "Check the interruptId: it must be one that create_interrupt returned on this "
    "API.",
    TamperedError: "Nothing counts as approved: do not act, and tell the user what this says.",
    ConflictError: "Nothing was changed. Call get_interrupt_status to see it as it is now.",
    TooLargeError: "Shorten context, reason or modifiedParams and call again.",
    UnprocessableError: "Create the interrupt again as a new request.",
    RateLimitedError: "Wait before the next call, and make fewer of them.",
    UnavailableError: "The LoopIn API has a fault or is restarting: wait a minute before the next "
    "call.",
}


def for_model(error: LoopinError) -> str:
    """What happened, and what to do next unless the error says so itself."""
    kind = type(error)
    if isinstance(error, APIError):
        if error.retry_after_s is not None:
            return str(error)
        kind = APIError if error.is_foreign else kind
    remedy = next((REMEDIES[each] for each in kind.__mro__ if each in REMEDIES), "")
    return f"{error} {remedy}".rstrip()
