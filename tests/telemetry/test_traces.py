"""Traces as they come in headers: only valid ones count."""

import sys

import pytest

from loopin_mcp.telemetry.spans import add_span, in_span, open_span
from loopin_mcp.telemetry.traces import Trace, current_trace, new_trace, read_trace, within_trace

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE_ID}-{SPAN_ID}-01"


@pytest.mark.parametrize("flags", ["00", "01", "ff"])
def test_valid_parent_is_read_and_passed_on(flags: str) -> None:
    parent = f"00-{TRACE_ID}-{SPAN_ID}-{flags}"
    trace = read_trace(parent, "vendor=value")

    assert trace == Trace(TRACE_ID, SPAN_ID, flags, "vendor=value")
    assert trace.headers == {"traceparent": parent, "tracestate": "vendor=value"}


def test_later_version_may_say_more() -> None:
    assert read_trace(f"cc-{TRACE_ID}-{SPAN_ID}-01-more") == Trace(TRACE_ID, SPAN_ID)
    assert read_trace(f"cc-{TRACE_ID}-{SPAN_ID}-01") == Trace(TRACE_ID, SPAN_ID)


@pytest.mark.parametrize(
    "parent",
    [
        "",
        "None",
        f"{PARENT}-more",
        f"{PARENT}\n",
        PARENT.upper(),
        PARENT[:-1],
        f"ff-{TRACE_ID}-{SPAN_ID}-01",
        f"00-{'0' * 32}-{SPAN_ID}-01",
        f"ff-{TRACE_ID}-{SPAN_ID}-01-more",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"00-{TRACE_ID[:-1]}g-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{SPAN_ID}-01, {PARENT}",
    ],
)
def test_invalid_parent_counts_as_none(parent: str) -> None:
    assert read_trace(parent) is None


@pytest.mark.parametrize("state", ["", "a=b\nlevel=error", "x" * 513, "ä=1"])
def test_invalid_state_is_left_out(state: str) -> None:
    trace = read_trace(PARENT, state)

    assert trace is not None
    assert trace.headers == {"traceparent": PARENT}


def test_new_traces_are_valid_and_differ() -> None:
    traces = [new_trace() for _ in range(100)]

    assert all(read_trace(trace.parent) == trace for trace in traces)
    assert len({trace.trace_id for trace in traces}) == 100


def test_block_works_in_its_trace() -> None:
    outer, inner = new_trace(), new_trace()
    with within_trace(outer):
        with within_trace(inner):
            assert current_trace() == inner
        assert current_trace() == outer


def test_without_opentelemetry_a_trace_is_only_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    # Other tools that run beside the tests load it.
    for module in ("opentelemetry.trace", "opentelemetry.sdk.trace"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    parent = new_trace()

    assert current_trace() is None
    assert open_span("work", "server", parent) is None
    add_span("wait", parent, 0, 1, {})
    with in_span("work", "client", parent) as trace:
        assert trace == current_trace() == parent
    assert "opentelemetry.trace" not in sys.modules
