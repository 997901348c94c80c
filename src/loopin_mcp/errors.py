"""The error tree, which the API and the client share.

LoopinError
├── ConfigurationError
├── UnreachableError
└── APIError
    ├── InvalidRequestError       400
    ├── UnauthorizedError         401
    ├── ForbiddenError            403
    ├── NotFoundError             404
    ├── ConflictError             409
    │   └── TamperedError         409, marked as `tampered`
    ├── TooLargeError             413
    ├── UnsupportedTypeError      415
    ├── UnprocessableError        422
    ├── RateLimitedError          429
    └── UnavailableError          5xx
"""

from collections.abc import Iterator
from contextlib import contextmanager


class LoopinError(Exception):
    """Something that LoopIn refuses or cannot do; the message is safe to show."""


class ConfigurationError(LoopinError):
    """A setting or argument that cannot be used; the message names it and the fix."""


class UnreachableError(LoopinError):
    """The API did not answer: it is not there, is too slow, or broke off.

    `call` is the method and path of the request to the API at `base_url`.
    """

    def __init__(self, message: str, base_url: str = "", call: str = "") -> None:
        super().__init__(message)
        self.base_url = base_url
        self.call = call


class APIError(LoopinError):
    """A response that is not a success, with its HTTP status.

    `retry_after_s` says when to try again, if the API said so. `is_foreign` says that something
    other than a LoopIn API answered. `request` is the method and URL that it answered.
    """

    status: int = 0
    # Tells errors of one status apart.
    code: str | None = None

    def __init__(
        self,
        message: str,
        status: int | None = None,
        retry_after_s: float | None = None,
        *,
        is_foreign: bool = False,
        request: str = "",
    ) -> None:
        super().__init__(message)
        self.status = status or type(self).status
        self.retry_after_s = retry_after_s
        self.is_foreign = is_foreign
        self.request = request


class InvalidRequestError(APIError):
    """A field is missing, of the wrong type or out of bounds."""

    status = 400


class UnauthorizedError(APIError):
    """The key is missing or wrong."""

    status = 401


class ForbiddenError(APIError):
    """The key is valid but does not permit this."""

    status = 403


class NotFoundError(APIError):
    """No interrupt has this id, or the path does not exist."""

    status = 404


class ConflictError(APIError):
    """The interrupt is already settled, or differs from what was shown; nothing was changed."""

    status = 409


class TamperedError(ConflictError):
    """The stored interrupt differs from its audit trail: nothing it says may be acted on."""

    code = "tampered"


class TooLargeError(APIError):
    """The request's body is over the limit."""

    status = 413


class UnsupportedTypeError(APIError):
    """The request's body is not declared as JSON."""

    status = 415


class UnprocessableError(APIError):
    """The idempotency key was used before with another payload."""

    status = 422


class RateLimitedError(APIError):
    """Too many requests."""

    status = 429


class UnavailableError(APIError):
    """The API, or a proxy in front of it, failed to serve the request."""

    status = 503


_BY_STATUS = {error.status: error for error in APIError.__subclasses__()}


def error_for(status: int, code: str | None = None) -> type[APIError]:
    """The error class for an HTTP status and the code of the error, if it has one."""
    if (status, code) == (TamperedError.status, TamperedError.code):
        return TamperedError
    return _BY_STATUS.get(status, UnavailableError if status >= 500 else APIError)


def first_of(error: Exception) -> Exception:
    """The first error in a group, or the error itself."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


@contextmanager
def ungrouped() -> Iterator[None]:
    """Raise the first error of a task group without its ExceptionGroup."""
    try:
        yield
    except ExceptionGroup as group:
        error = first_of(group)
        raise error from error.__cause__
