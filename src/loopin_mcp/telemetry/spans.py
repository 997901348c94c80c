"""Spans of OpenTelemetry. Without its SDK, or as long as nobody has loaded it, nothing happens."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from loopin_mcp.telemetry.traces import Trace, trace_of, within_trace
from loopin_mcp.version import __version__

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer

Kind = Literal["client", "internal", "server"]
Attributes = Mapping[str, str | int]


class OpenSpan:
    """A span that lasts until `end`, which the same task has to call."""

    def __init__(self, span: "Span") -> None:
        from opentelemetry.context import attach
        from opentelemetry.trace import set_span_in_context

        self._span = span
        # Other instrumentation, such as a database driver's, adds its spans to this one.
        self._token = attach(set_span_in_context(span))
        self.trace = trace_of(span.get_span_context())

    def end(self, name: str, attributes: Attributes, fault: str | None = None) -> None:
        """End it with this name; `fault` says why it failed, without secrets."""
        from opentelemetry.context import detach
        from opentelemetry.trace import StatusCode

        self._span.update_name(name)
        self._span.set_attributes({**attributes})
        if fault is not None:
            self._span.set_status(StatusCode.ERROR, fault)
        self._span.end()
        detach(self._token)


def open_span(name: str, kind: Kind, parent: Trace | None) -> OpenSpan | None:
    """Begin a span in the trace of `parent`, or in a new one; None without the SDK."""
    tracer = _tracer()
    if tracer is None:
        return None
    from opentelemetry.trace import SpanKind

    return OpenSpan(tracer.start_span(name, _context_of(parent), SpanKind[kind.upper()]))


@contextmanager
def in_span(
    name: str, kind: Kind, parent: Trace | None, attributes: Attributes = MappingProxyType({})
) -> Iterator[Trace | None]:
    """Do the work of this block in a span, or without the SDK in the trace of `parent`."""
    span, fault = open_span(name, kind, parent), None
    trace = span.trace if span else parent
    try:
        with within_trace(trace):
            yield trace
    except BaseException as error:
        # Its text may hold secrets.
        fault = type(error).__name__
        raise
    finally:
        if span:
            span.end(name, attributes, fault)


def add_span(
    name: str, parent: Trace | None, start_ms: int, end_ms: int, attributes: Attributes
) -> None:
    """Add a span of something that is over, in the trace of `parent`."""
    tracer = _tracer()
    if tracer is not None and parent is not None:
        start_ns, end_ns = (each * 1_000_000 for each in (start_ms, end_ms))
        span = tracer.start_span(name, _context_of(parent), start_time=start_ns)
        span.set_attributes({**attributes})
        span.end(end_ns)


def can_record() -> bool:
    """Whether spans may be recorded: the SDK is loaded."""
    return "opentelemetry.sdk.trace" in sys.modules


def _tracer() -> "Tracer | None":
    if not can_record():
        return None
    from opentelemetry.trace import get_tracer

    return get_tracer("loopin-mcp", __version__)


def _context_of(parent: Trace | None) -> "Context":
    """A context in which spans belong to the trace of `parent`, or to a new one."""
    from opentelemetry.context import Context
    from opentelemetry.trace import (
        NonRecordingSpan,
        SpanContext,
        TraceFlags,
        TraceState,
        set_span_in_context,
    )

    if parent is None:
        return Context()
    place = SpanContext(
        int(parent.trace_id, 16),
        int(parent.span_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(int(parent.flags, 16)),
        trace_state=TraceState.from_header([parent.state]) if parent.state else None,
    )
    return set_span_in_context(NonRecordingSpan(place), Context())
