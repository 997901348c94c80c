"""The versions of the schema, and what leads from one to the next."""

from pathlib import Path

from loopin_mcp.errors import ConfigurationError

SCHEMA_VERSION = 2

SCHEMAS = Path(__file__).with_name("schema")


def migrations(version: object, database: str) -> list[Path]:
    """What brings a database of this schema version, or a new one, to that of this program.

    Raises:
        ConfigurationError: It is newer than this program.
    """
    known = int(str(version or 0))
    if known > SCHEMA_VERSION:
        raise ConfigurationError(
            f"{database} has schema version {version}, and this loopin-mcp knows {SCHEMA_VERSION}: "
            "update loopin-mcp."
        )
    return [SCHEMAS / f"{missing}.sql" for missing in range(known + 1, SCHEMA_VERSION + 1)]
