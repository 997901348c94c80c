"""Other releases of this program: the last one, and a next one."""

import io
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import loopin_mcp
from loopin_mcp.api.database.migrations import SCHEMA_VERSION
from tests.support import missing

ROOT = Path(__file__).parents[2]
# The commit of version 0.1.0.
LAST_RELEASE = "726922de4d8610d1727ff953d2f65e3032d16b89"
NEXT_STEP = "ALTER TABLE interrupts ADD COLUMN note TEXT;\n"


def last_release(place: Path) -> Path:
    """A directory with the last release, installed there from a wheel built from git's history."""
    if not shutil.which("git"):
        missing("Git")
    # The owner of a clone may be another user than the one who tests.
    git = ["git", "-c", "safe.directory=*", "-C", str(ROOT)]
    archive = subprocess.run([*git, "archive", LAST_RELEASE], capture_output=True, check=False)
    is_shallow = [*git, "rev-parse", "--is-shallow-repository"]
    shallow = subprocess.run(is_shallow, capture_output=True, check=False)
    if archive.returncode and shallow.stdout.strip() != b"false":
        pytest.skip("this clone lacks the older part of the history: git fetch --unshallow")
    assert not archive.returncode, archive.stderr.decode()
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(place / "source", filter="data")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(place)]
    subprocess.run(build, cwd=place / "source", capture_output=True, check=True)
    [wheel] = place.glob("*.whl")
    with zipfile.ZipFile(wheel) as package:
        package.extractall(place / "installed")  # noqa: S202 - we have just built it
    return place / "installed"


def next_release(place: Path) -> Path:
    """A directory with this version and one more step of the schema, which this one can ignore."""
    source = Path(loopin_mcp.__file__).parent
    target = shutil.copytree(source, place / source.name, ignore=shutil.ignore_patterns("*.pyc"))
    database = target / "api" / "database"
    (database / "schema" / f"{SCHEMA_VERSION + 1}.sql").write_text(NEXT_STEP, "utf-8")
    migrations = (database / "migrations.py").read_text("utf-8")
    for before, after in (
        (f"SCHEMA_VERSION = {SCHEMA_VERSION}\n", f"SCHEMA_VERSION = {SCHEMA_VERSION + 1}\n"),
        ("BESIDE: tuple[int, ...] = ()\n", f"BESIDE: tuple[int, ...] = ({SCHEMA_VERSION},)\n"),
    ):
        assert before in migrations
        migrations = migrations.replace(before, after)
    (database / "migrations.py").write_text(migrations, "utf-8")
    return place
