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

_LONGEST_REQUEST = 300

# The most specific class of an error counts.
REMEDIES: dict[type[Exception], str] = {
    UnreachableError: "Ask the user to check the LoopIn API, and LOOPIN_API_URL and LOOPIN_TIMEOUT "
    "if they are set.",
    APIError: "Ask the user to check that LOOPIN_API_URL names a LoopIn API.",
    InvalidRequestError: "Correct the named field and call again.",
    UnauthorizedError: "The API key is missing or wrong: ask the user to set LOOPIN_API_KEY to the "
    "key of this LoopIn API and to restart the MCP server.",
    ForbiddenError: "Show the user the reviewUrl, where a reviewer decides.",
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


def for_model(error: LoopinError, also: str = "") -> str:
    """What happened, what to do next unless the error says so itself, and `also`.

    Method and URL come last, since they help a person and not the model.
    """
    said, request = _apart(error)
    kind = APIError if isinstance(error, APIError) and error.is_foreign else type(error)
    is_said = isinstance(error, APIError) and error.retry_after_s is not None
    remedy = next((REMEDIES[each] for each in kind.__mro__ if each in REMEDIES), "")
    return " ".join(filter(None, [said, "" if is_said else remedy, also, request]))


def _apart(error: LoopinError) -> tuple[str, str]:
    """What an error says without its request, and the request in brackets, if there is one."""
    said = str(error)
    if isinstance(error, UnreachableError) and error.call:
        for words in (f" at {error.base_url}", f" to {error.call}", f" {error.call}"):
            said = said.replace(words, "")
        request = error.call.replace(" ", f" {error.base_url}", 1)
    elif isinstance(error, APIError) and error.request:
        said = said.replace(f" (HTTP {error.status} from {error.request})", "")
        said = said.replace(error.request, "The address")
        request = f"HTTP {error.status} from {error.request}"
    else:
        return said, ""
    return said, f"({request[:_LONGEST_REQUEST]})"
