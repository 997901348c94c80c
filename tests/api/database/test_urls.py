"""DATABASE_URL as other programs write it: the message names the part and what to write instead."""

from pathlib import Path

import pytest

from loopin_mcp.api.store.opening import open_database
from loopin_mcp.errors import ConfigurationError

PASSWORD = "s3cret-of-the-database"
HOST = f"postgresql://loopin:{PASSWORD}@127.0.0.1:1/loopin"


@pytest.mark.parametrize(
    ("parameters", "name", "remedy"),
    [
        ("pgbouncer=true", "pgbouncer", "leave it out, since LoopIn works through PgBouncer"),
        ("sslmode=require&pgbouncer=1", "pgbouncer", "leave it out"),
        ("schema=approvals", "schema", "ALTER ROLE loopin SET search_path TO name"),
        ("currentSchema=approvals", "currentSchema", "ALTER ROLE loopin SET search_path"),
        ("sslmode=no-verify", "sslmode", "write sslmode=require"),
        ("sslaccept=strict", "sslaccept", "sslmode=verify-full"),
        ("ssl=1", "ssl", "write sslmode=require"),
        ("SSLMODE=verify-full", "SSLMODE", "write sslmode=require"),
        ("connect_timeout=5&connection_limit=3", "connection_limit", "leave it out"),
        ("prepareThreshold=0", "prepareThreshold", "leave it out"),
    ],
)
async def test_foreign_parameter_is_named_with_what_to_write(
    tmp_path: Path, parameters: str, name: str, remedy: str
) -> None:
    pytest.importorskip("psycopg")

    with pytest.raises(ConfigurationError) as refusal:
        await open_database(f"{HOST}?{parameters}", tmp_path)

    prefix = f"DATABASE_URL has a parameter that PostgreSQL does not know, {name}: "
    assert str(refusal.value).startswith(prefix)
    assert remedy in str(refusal.value)
    assert PASSWORD not in str(refusal.value)


@pytest.mark.parametrize(
    "parameters",
    ["", "?ssl=true", "?sslmode=prefer&application_name=x", "?options=-csearch_path%3Da", "?"],
)
async def test_parameters_of_postgresql_are_passed_on(tmp_path: Path, parameters: str) -> None:
    pytest.importorskip("psycopg")

    with pytest.raises(ConfigurationError, match="Check that PostgreSQL runs there"):
        await open_database(HOST + parameters, tmp_path)


@pytest.mark.parametrize(
    "parameters", ["?password=a&b=c", "?%70gbouncer=1", "?=1&&x y=2", f"?{'x' * 99}=1"]
)
async def test_parameter_without_a_plain_name_is_not_quoted(
    tmp_path: Path, parameters: str
) -> None:
    pytest.importorskip("psycopg")

    with pytest.raises(ConfigurationError) as refusal:
        await open_database(HOST + parameters, tmp_path)

    assert str(refusal.value).startswith("DATABASE_URL is not a connection URL")
    assert PASSWORD not in str(refusal.value)


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("postgresql+psycopg://u@h/d", r"postgresql\+psycopg://, .*: write postgresql://"),
        ("postgres+asyncpg://u@h/d", "write postgres://"),
        ("sqlite+aiosqlite:////x/api.db", "write sqlite://"),
        ("jdbc:postgresql://h/d", "must begin with sqlite:/// or postgresql://"),
        ("psql://u@h/d", "must begin with sqlite:/// or postgresql://"),
        ("file:./dev.db", "must begin with sqlite:/// or postgresql://"),
        ("sqlite:///:memory:", "must name a file after sqlite:///"),
        ("sqlite:////x/api.db?mode=ro", "must name a file after sqlite:///, without parameters"),
    ],
)
async def test_foreign_form_is_answered_with_the_right_one(
    tmp_path: Path, url: str, remedy: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"DATABASE_URL .*{remedy}"):
        await open_database(url, tmp_path)


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1", "EUC_JP"])
async def test_database_that_cannot_store_all_text_is_refused(
    empty_postgres_url: str, tmp_path: Path, encoding: str
) -> None:
    import psycopg

    name = f"as_{encoding.lower()}"
    sql = f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0"
    with psycopg.connect(empty_postgres_url, autocommit=True) as connection:
        connection.execute(sql.encode())
    with pytest.raises(ConfigurationError) as refusal:
        await open_database(empty_postgres_url.replace("/postgres?", f"/{name}?"), tmp_path)

    assert f"DATABASE_URL has the encoding {encoding}" in str(refusal.value)
    assert "createdb --encoding UTF8 --locale C --template template0" in str(refusal.value)


async def test_encoding_of_the_client_is_always_utf8(
    empty_postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")

    database = await open_database(f"{empty_postgres_url}&client_encoding=sql_ascii", tmp_path)
    rows = await database.read("SELECT 'Grüße 山 😀' AS text")
    await database.aclose()

    assert rows == [{"text": "Grüße 山 😀"}]
