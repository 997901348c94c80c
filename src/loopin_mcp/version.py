"""The version and home page, from the package's metadata, and how to install it from there."""

from importlib.metadata import metadata

_METADATA = metadata("loopin-mcp")

__version__ = _METADATA["Version"]
HOME_PAGE = next(
    url.partition(", ")[2]
    for url in _METADATA.get_all("Project-URL", [])
    if url.startswith("Homepage,")
)


def how_to_add(extra: str) -> str:
    """How to install LoopIn with an extra, in a sentence with its commands between backticks."""
    package = f"'loopin-mcp[{extra}] @ git+{HOME_PAGE}'"
    return (
        f"Run `uv tool install {package}`, or give the same to `pip install` or `uvx --from`, and "
        "start LoopIn again."
    )
