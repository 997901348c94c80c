"""The public surface."""

import subprocess
import sys

import pytest

import loopin_mcp


@pytest.mark.parametrize("name", dir(loopin_mcp))
def test_all_that_is_listed_can_be_imported(name: str) -> None:
    assert getattr(loopin_mcp, name).__name__ == name


def test_what_is_not_public_cannot_be_imported() -> None:
    with pytest.raises(ImportError, match="cannot import name 'httpx' from 'loopin_mcp'"):
        from loopin_mcp import httpx  # type: ignore[attr-defined]  # noqa: F401


@pytest.mark.subprocess
@pytest.mark.parametrize(
    ("loading", "later"),
    [
        ("mcp_server import stdio, tools", {"httpx", "jinja2", "loopin_mcp.embedded"}),
        ("commands import serve_api", {"mcp", "mcp_types"}),
    ],
)
def test_nothing_is_loaded_before_it_is_needed(loading: str, later: set[str]) -> None:
    program = f"import sys; from loopin_mcp.{loading}; print(sys.modules.keys() & {later})"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert loaded.stdout == "set()\n"


def test_every_error_is_exported() -> None:
    from loopin_mcp import errors

    defined = {name for name in vars(errors) if name.endswith("Error")}

    assert defined <= set(loopin_mcp.__all__)
