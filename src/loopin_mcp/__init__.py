"""loopin-mcp: a human approval gate for AI agents."""

from loopin_mcp.client.addresses import Address as Address
from loopin_mcp.client.client import LoopinClient as LoopinClient
from loopin_mcp.errors import APIError as APIError
from loopin_mcp.errors import ConfigurationError as ConfigurationError
from loopin_mcp.errors import ConflictError as ConflictError
from loopin_mcp.errors import ForbiddenError as ForbiddenError
from loopin_mcp.errors import InvalidRequestError as InvalidRequestError
from loopin_mcp.errors import LoopinError as LoopinError
from loopin_mcp.errors import NotFoundError as NotFoundError
from loopin_mcp.errors import RateLimitedError as RateLimitedError
from loopin_mcp.errors import TamperedError as TamperedError
from loopin_mcp.errors import TooLargeError as TooLargeError
from loopin_mcp.errors import UnauthorizedError as UnauthorizedError
from loopin_mcp.errors import UnavailableError as UnavailableError
from loopin_mcp.errors import UnprocessableError as UnprocessableError
from loopin_mcp.errors import UnreachableError as UnreachableError
from loopin_mcp.errors import UnsupportedTypeError as UnsupportedTypeError
from loopin_mcp.wire.models import ActionCount as ActionCount
from loopin_mcp.wire.models import Analytics as Analytics
from loopin_mcp.wire.models import Cancelled as Cancelled
from loopin_mcp.wire.models import Created as Created
from loopin_mcp.wire.models import Decided as Decided
from loopin_mcp.wire.models import Decision as Decision
from loopin_mcp.wire.models import Health as Health
from loopin_mcp.wire.models import Interrupt as Interrupt
from loopin_mcp.wire.models import NewInterrupt as NewInterrupt
from loopin_mcp.wire.models import PendingPage as PendingPage
from loopin_mcp.wire.models import SignInLink as SignInLink

# The classes above, without the modules that importing them adds.
__all__ = [name for name in dir() if name[0].isupper()]
