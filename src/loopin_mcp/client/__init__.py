"""The client of a LoopIn API."""

import sys

# The command line of httpx, which nobody runs here, takes as long to load as all of the rest.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
