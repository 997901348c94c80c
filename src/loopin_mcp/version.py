"""The version and home page, from the package's metadata."""

from importlib.metadata import metadata

_METADATA = metadata("loopin-mcp")

__version__ = _METADATA["Version"]
HOME_PAGE = next(
    url.partition(", ")[2]
    for url in _METADATA.get_all("Project-URL", [])
    if url.startswith("Homepage,")
)
