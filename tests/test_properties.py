"""Ids, user ids and contexts travel unchanged from tool to page."""

import html
import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mcp import Client
from pydantic import TypeAdapter, ValidationError

from loopin_mcp.mcp_server.tools import create_server
from loopin_mcp.settings.settings import Settings
from loopin_mcp.wire.fields import MAX_OBJECT_BYTES, PlainObject
from loopin_mcp.wire.plain_text import is_blank
from tests.support import web
from tests.support.examples import AS_FOUND

# Any text that UTF-8 can carry; NUL is refused in names.
TEXT = st.text(st.characters(codec="utf-8"))
CHARACTERS = st.characters(codec="utf-8", exclude_characters="\0")
NAMES = st.text(CHARACTERS, min_size=1, max_size=60).filter(lambda name: not is_blank(name))
USERS = NAMES.filter(lambda name: name.strip() not in (".", ".."))
# A float that is written like another integer is refused.
FLOATS = st.floats(allow_nan=False, allow_infinity=False).filter(
    lambda number: not 2**53 <= abs(number) < 1e21 or Decimal(number) == Decimal(repr(number))
)
NUMBERS = st.integers(-(10**30), 10**30) | FLOATS
SCALARS = st.none() | st.booleans() | NUMBERS | TEXT
JSON = st.recursive(SCALARS, lambda x: st.lists(x) | st.dictionaries(TEXT, x), max_leaves=20)
CONTEXTS = st.dictionaries(TEXT, JSON, max_size=5)
MARKED = re.compile(r'<bdi class="hidden-character"[^>]*>U\+([0-9A-F]{4,6})</bdi>')


class Loop:
    """An MCP client, the server, the embedded API and a browser's request."""

    def __init__(self, portal: BlockingPortal, mcp: Client) -> None:
        self._portal = portal
        self._mcp = mcp
        self._browser = web.browse(trust_env=False)

    def call(self, name: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401
        result = self._portal.call(self._mcp.call_tool, name, arguments)
        assert result.is_error is False, result
        content: dict[str, Any] = result.structured_content
        return content

    def page(self, url: str) -> str:
        answer = self._browser.get(url)
        assert answer.status_code == 200
        return answer.text

    def close(self) -> None:
        self._browser.close()


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    server = create_server(Settings(data_dir=tmp_path_factory.mktemp("data"), port=0))
    with ExitStack() as stack:
        portal = stack.enter_context(start_blocking_portal("asyncio"))
        mcp = stack.enter_context(portal.wrap_async_context_manager(Client(server)))
        loop = Loop(portal, mcp)
        stack.callback(loop.close)
        yield loop


@settings(AS_FOUND, derandomize=True)
@given(user=USERS, agent=NAMES, context=CONTEXTS)
@example(user="a/b?c#d%2F", agent="nil", context={"": "", "__proto__": {"a": [None, 1e300]}})
@example(user="../analytics/u", agent='{"a":1}', context={"a": "</td><script>"})
def test_values_travel_unchanged_from_tool_to_page(
    loop: Loop, user: str, agent: str, context: dict[str, Any]
) -> None:
    created = loop.call(
        "create_interrupt", action="Pay", userId=user, agentId=agent, context=context
    )
    listed = loop.call("list_pending_interrupts", userId=user, limit=1)
    page = loop.page(created["reviewUrl"])
    loop.call("decide_interrupt", interruptId=created["interruptId"], decision="rejected")
    read = loop.call("get_interrupt_status", interruptId=created["interruptId"])
    analytics = loop.call("get_interrupt_analytics", userId=user)

    assert (read["userId"], read["agentId"], read["context"]) == (user, agent, context)
    assert [item["interruptId"] for item in listed["interrupts"]] == [created["interruptId"]]
    assert analytics["userId"] == user
    assert analytics["totalInterrupts"] >= 1
    assert "<script>" not in page
    seen = seen_on(page)
    assert user in seen
    assert agent in seen
    if not any(isinstance(value, dict | list) for value in context.values()):
        for name, value in context.items():
            assert name in seen
            assert (value if isinstance(value, str) else json.dumps(value)) in seen


def seen_on(page: str) -> str:
    """The text of a page, with its escaped characters restored."""
    back = MARKED.sub(lambda mark: chr(int(mark[1], 16)), page)
    return html.unescape(back)


@given(value=st.recursive(st.none(), lambda x: st.lists(x, max_size=3), max_leaves=60))
def test_depth_is_judged_by_nesting_alone(value: Any) -> None:  # noqa: ANN401
    def depth(item: Any) -> int:  # noqa: ANN401
        return 1 + max(map(depth, item), default=0) if isinstance(item, list) else 0

    try:
        TypeAdapter(PlainObject).validate_python({"a": value})
        taken = True
    except ValidationError:
        taken = False

    assert taken == (depth(value) < 32)


@given(text=st.text(st.characters(codec="utf-8"), min_size=1, max_size=50), count=st.integers(1, 3))
def test_size_is_judged_by_the_bytes_of_the_json(text: str, count: int) -> None:
    value = {"a": text, "fill": "x" * (MAX_OBJECT_BYTES // count)}
    size = len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())

    try:
        TypeAdapter(PlainObject).validate_python(value)
        taken = True
    except ValidationError:
        taken = False

    assert taken == (size <= MAX_OBJECT_BYTES)
