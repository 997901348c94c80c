"""How to connect to PostgreSQL, and what its errors mean; needs the extra `server`."""

import contextlib
import re
from collections.abc import Mapping
from typing import Any

from loopin_mcp.api.database.outages import Fault
from loopin_mcp.api.database.urls import refuse_foreign_parameters
from loopin_mcp.errors import ConfigurationError
from loopin_mcp.version import how_to_add

try:
    import psycopg as psycopg
    from psycopg.rows import dict_row as dict_row
    from psycopg_pool import AsyncConnectionPool as AsyncConnectionPool
except ImportError as error:
    raise ConfigurationError(
        f"DATABASE_URL names PostgreSQL, which needs the extra `server`. {how_to_add('server')}"
    ) from error

CONNECT_TIMEOUT_S = 5
# Defaults that detect a dead server quickly; the URL can override them.
_KEEPALIVE: Mapping[str, Any] = {
    "connect_timeout": CONNECT_TIMEOUT_S,
    "tcp_user_timeout": 5000,
    "keepalives_idle": 3,
    "keepalives_interval": 1,
    "keepalives_count": 3,
}
# Poolers may give every transaction another connection, on which a prepared statement is missing or
# is that of another client.
FOR_POOLERS: Mapping[str, Any] = {"autocommit": True, "prepare_threshold": None}
# A URL in which `:`, `/` and `@` occur only as separators.
_PLAIN_URL = re.compile(r"\w+://(?:[^\s:/@]*(?::[^\s/@]*)?@)?[^\s@]*")
# The first match counts.
_FAULTS: Mapping[type[Exception], Fault] = {
    psycopg.errors.DiskFull: Fault("its disk is full", "Make room there", is_partial=True),
    psycopg.errors.ReadOnlySqlTransaction: Fault(
        "it takes no changes", "Find out why it is read-only"
    ),
    psycopg.errors.QueryCanceled: Fault("it is too slow", "Find out what locks or slows it"),
    psycopg.OperationalError: Fault(
        "there is no connection", "Check that it runs and accepts this user"
    ),
    TimeoutError: Fault("it does not answer", "Check that it runs and can be reached"),
    psycopg.Error: Fault("PostgreSQL refuses", "Look at its log"),
}


def connection_string(url: str) -> str:
    """The connection string of a URL, with the keepalive defaults."""
    # If libpq cannot parse a URL, its error may quote the password.
    if _PLAIN_URL.fullmatch(url):
        known = {option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()}
        refuse_foreign_parameters(url, known)
        with contextlib.suppress(psycopg.Error, UnicodeError):
            given = psycopg.conninfo.conninfo_to_dict(url)
            return psycopg.conninfo.make_conninfo(
                **{**_KEEPALIVE, **given, "client_encoding": "utf8"}
            )
    raise ConfigurationError(
        "DATABASE_URL is not a connection URL such as postgresql://user:password@host/name. "
        "In user name and password write %40 for @, %2F for / and %25 for %."
    )


def fault_of(error: Exception) -> Fault | None:
    """The fault behind an error, or None if the error is not PostgreSQL's."""
    return next((fault for kind, fault in _FAULTS.items() if isinstance(error, kind)), None)
