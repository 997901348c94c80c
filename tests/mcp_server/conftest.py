"""Fixtures of tests of the MCP server."""

import pytest

from tests.support.server import ERAS


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> str:
    """The name of a protocol era."""
    name: str = request.param
    return name
