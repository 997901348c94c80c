"""Where an API keeps its interrupts."""

from pathlib import Path

from loopin_mcp.errors import ConfigurationError

API_FILE = "api.db"
# It is another, so that serving without a key shows nothing of it.
EMBEDDED_FILE = "embedded.db"


def sqlite_path(url: str | None, otherwise: Path) -> Path | None:
    """The SQLite file that DATABASE_URL names, `otherwise` if unset, or None for PostgreSQL.

    Raises:
        ConfigurationError: It names neither.
    """
    if url is None:
        return otherwise
    if url.startswith("sqlite:///"):
        return Path(url.removeprefix("sqlite:///"))
    if url.startswith(("postgresql://", "postgres://")):
        return None
    raise ConfigurationError(
        "DATABASE_URL must begin with sqlite:/// or postgresql://, such as "
        "postgresql://loopin@db.example.com/loopin."
    )
