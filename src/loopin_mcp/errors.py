"""The one error tree, used at both ends of the wire.

LoopinError
├── ConfigurationError
├── UnreachableError
└── APIError
    ├── InvalidRequestError       400
    ├── UnauthorizedError         401
    ├── ForbiddenError            403
    ├── NotFoundError             404
    ├── ConflictError             409
    ├── TooLargeError             413
    ├── UnsupportedTypeError      415
    ├── UnprocessableError        422
    ├── RateLimitedError          429
    └── UnavailableError          5xx
"""

from typing import ClassVar


class LoopinError(Exception):
    """Anything LoopIn refuses or cannot do; its text is one safe sentence or two."""


class ConfigurationError(LoopinError):
    """A setting that cannot be used; the message names the variable and the remedy."""


class UnreachableError(LoopinError):
    """No answer came from the API: it is not there, too slow, or broke off."""


class APIError(LoopinError):
    """An answer that is not a success, with its HTTP status.

    `retry_after_s` says when to come back, where the API told; `remedy` is what a client adds.
    """

    status: int = 0
    remedy: ClassVar[str] = "Check that LOOPIN_API_URL names a LoopIn API."

    def __init__(
        self, message: str, status: int | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status or type(self).status
        self.retry_after_s = retry_after_s


class InvalidRequestError(APIError):
    """A field is missing, of the wrong type or out of bounds."""

    status = 400
    remedy = "Correct the named field and call again."


class UnauthorizedError(APIError):
    """No key, or not the right one."""

    status = 401
    remedy = (
        "The API key is missing or wrong: ask the user to set LOOPIN_API_KEY to the key of "
        "this LoopIn API and to restart the MCP server."
    )


class ForbiddenError(APIError):
    """The key is known and may not do this."""

    status = 403
    remedy = (
        "This key may not do that: a reviewer has to. Show the user the reviewUrl, where a "
        "reviewer decides."
    )


class NotFoundError(APIError):
    """There is no such interrupt."""

    status = 404
    remedy = "Check the interruptId: it must be one that create_interrupt returned on this API."


class ConflictError(APIError):
    """The interrupt is no longer pending or not as it was shown, so its state does not change."""

    status = 409
    remedy = "Nothing was changed. Call get_interrupt_status to see it as it is now."


class TooLargeError(APIError):
    """The request's body is over the limit."""

    status = 413
    remedy = "Shorten context, reason or modifiedParams and call again."


class UnsupportedTypeError(APIError):
    """The request's body is not declared to be JSON."""

    status = 415
    remedy = "Send the body with Content-Type: application/json."


class UnprocessableError(APIError):
    """The idempotency key was used before, with another payload."""

    status = 422
    remedy = "Create the interrupt again as a new request."


class RateLimitedError(APIError):
    """Too many requests."""

    status = 429
    remedy = "Wait before the next call, and make fewer of them."


class UnavailableError(APIError):
    """The API, or a proxy before it, failed to serve the request."""

    status = 503
    remedy = "The LoopIn API has a fault or is restarting: try again in a minute."


_BY_STATUS: dict[int, type[APIError]] = {
    error.status: error
    for error in (
        InvalidRequestError,
        UnauthorizedError,
        ForbiddenError,
        NotFoundError,
        ConflictError,
        TooLargeError,
        UnsupportedTypeError,
        UnprocessableError,
        RateLimitedError,
        UnavailableError,
    )
}


def error_for(status: int) -> type[APIError]:
    """The error class that stands for an HTTP status."""
    return _BY_STATUS.get(status, UnavailableError if status >= 500 else APIError)
