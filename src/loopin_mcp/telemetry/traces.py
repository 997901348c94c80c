"""The trace that work belongs to: one id from a tool call to the API and the callback.

It travels as W3C Trace Context: https://www.w3.org/TR/trace-context/. Its id is the request id.
"""

import random
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext

# In later versions, more may follow.
_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_STATE = re.compile(r"[ -~]{1,512}")
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16
# A trace that begins here may be recorded by those who can.
_SAMPLED = "01"


# Not frozen, which would take time in every request.
@dataclass(slots=True)
class Trace:
    """A place in a trace: the span that further work belongs to, which need not be recorded."""

    trace_id: str
    span_id: str
    flags: str = _SAMPLED
    # What others keep in the trace; it is only passed on.
    state: str = ""

    @property
    def parent(self) -> str:
        """It as the header `traceparent`."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"

    @property
    def headers(self) -> dict[str, str]:
        """It as headers of a request."""
        return {"traceparent": self.parent} | ({"tracestate": self.state} if self.state else {})


# The trace that this task works in.
CURRENT: ContextVar[Trace | None] = ContextVar("loopin_trace", default=None)


def current_trace() -> Trace | None:
    """The trace of this task, or the one that OpenTelemetry has for it."""
    return CURRENT.get() or ambient_trace()


def ambient_trace() -> Trace | None:
    """The trace that OpenTelemetry has for this task, if the program uses it."""
    if "opentelemetry.trace" not in sys.modules:
        return None
    from opentelemetry.trace import get_current_span

    return trace_of(get_current_span().get_span_context())


def trace_of(span: "SpanContext") -> Trace | None:
    """The place of a span of OpenTelemetry in its trace, or None if it has none."""
    if not span.is_valid:
        return None
    ids = f"{span.trace_id:032x}", f"{span.span_id:016x}"
    return Trace(*ids, f"{span.trace_flags:02x}", span.trace_state.to_header())


def new_trace() -> Trace:
    """A new trace."""
    # No secret depends on it.
    digits = f"{random.getrandbits(192):048x}"
    return Trace(digits[:32], digits[32:])


def read_trace(parent: str, state: str = "") -> Trace | None:
    """The trace in the headers `traceparent` and `tracestate`, or None if it is not valid."""
    found = _PARENT.fullmatch(parent)
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == "ff" or (version == "00" and more) or trace_id == _NO_TRACE:
        return None
    if span_id == _NO_SPAN:
        return None
    return Trace(trace_id, span_id, flags, state if _STATE.fullmatch(state) else "")


@contextmanager
def within_trace(trace: Trace | None) -> Iterator[None]:
    """Work in a trace in this block."""
    token = CURRENT.set(trace)
    try:
        yield
    finally:
        CURRENT.reset(token)
