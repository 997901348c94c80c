"""What DATABASE_URL names: a SQLite file, or PostgreSQL with parameters that libpq knows."""

import re
from collections.abc import Collection
from pathlib import Path

from loopin_mcp.errors import ConfigurationError
from loopin_mcp.settings.data_dir import require_home

_FORM = "such as postgresql://loopin@db.example.com/loopin"
_SCHEMA = "set the schema of its user instead: ALTER ROLE loopin SET search_path TO name"
_TLS = "write sslmode=require, or sslmode=verify-full to check the certificate too"
# Parameters of other programs, and what to write instead.
_REMEDIES = {
    "pgbouncer": "leave it out, since LoopIn works through PgBouncer without it",
    "schema": _SCHEMA,
    "currentschema": _SCHEMA,
    "search_path": _SCHEMA,
    "ssl": _TLS,
    "sslaccept": _TLS,
    "sslmode": _TLS,
}
_TLS_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
# The scheme, the user with the @ or nothing, the place, and the parameters.
_PARTS = re.compile(r"(\w+://)(?:([^\s:/@?]*)(?::[^\s/@]*)?(?=@))?(@?[^\s@?]*)(?:\?([^\s@]*))?")
_NAME = re.compile(r"[A-Za-z][\w.-]{0,40}")


def sqlite_path(url: str | None, default: Path) -> Path | None:
    """The SQLite file at DATABASE_URL, `default` if that is not set, or None for PostgreSQL.

    Raises:
        ConfigurationError: It is neither, or the default is in a home that is not known.
    """
    if url is None:
        require_home(default)
        return default
    if url.startswith("sqlite:///"):
        path, _, parameters = url.removeprefix("sqlite:///").partition("?")
        if path == ":memory:" or parameters:
            raise ConfigurationError(
                "DATABASE_URL must name a file after sqlite:///, without parameters, such as "
                "sqlite:////var/lib/loopin/api.db."
            )
        return Path(path)
    if url.startswith(("postgresql://", "postgres://")):
        return None
    if driver := re.match(r"(sqlite|postgres(?:ql)?)\+\w+://", url):
        raise ConfigurationError(
            f"DATABASE_URL begins with {driver[0]}, which names a driver: write {driver[1]}://."
        )
    raise ConfigurationError(f"DATABASE_URL must begin with sqlite:/// or postgresql://, {_FORM}.")


def without_password(url: str) -> str:
    """A URL of PostgreSQL that can be shown; what cannot be read has none of its parts."""
    if not (found := _PARTS.fullmatch(url)):
        return "postgresql://..."
    scheme, user, place, query = found.groups(default="")
    pairs = [pair for pair in query.split("&") if "password" not in pair.lower()]
    return f"{scheme}{user}{place}{'?' if any(pairs) else ''}{'&'.join(pairs)}"


def refuse_foreign_parameters(url: str, known: Collection[str]) -> None:
    """Refuse parameters that only other programs know.

    Raises:
        ConfigurationError: It has one; the message says what to write instead.
    """
    query = url.rpartition("@")[2].partition("?")[2]
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        remedy = _REMEDIES.get(name.lower())
        # After a password, this may be a part of it.
        if remedy is None and (not _NAME.fullmatch(name) or "password" in query.lower()):
            continue
        is_known = name in known and (name != "sslmode" or value in _TLS_MODES)
        if not is_known and (name, value) != ("ssl", "true"):
            raise ConfigurationError(
                f"DATABASE_URL has a parameter that PostgreSQL does not know, {name}: "
                f"{remedy or 'leave it out'}."
            )
