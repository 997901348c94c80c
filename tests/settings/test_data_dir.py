"""Where data is kept by default: one place for all hosts of a user, and none without a home."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from loopin_mcp.api.store.opening import open_archive, open_database
from loopin_mcp.errors import ConfigurationError
from loopin_mcp.settings.embedded_files import load_api_key
from loopin_mcp.settings.settings import Settings
from tests.support import clean_environment

if sys.platform != "win32":
    import pwd

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems have no XDG_*")

NO_HOME = "HOME is not set to an absolute path, .*: set LOOPIN_DATA_DIR"
# A user without a home, before any module of LoopIn is imported.
START = """
import pwd, runpy
def nobody(_):
    raise KeyError
pwd.getpwuid = nobody
runpy.run_module("loopin_mcp")
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def used(place: Path) -> Path:
    """A directory with the data of an earlier version."""
    place.mkdir(parents=True)
    (place / "embedded.db").touch()
    return place


@pytest.mark.parametrize(
    "moved",
    ["snap/code/174/.local/share", ".var/app/com.visualstudio.code/data", "own", ".local/share/"],
)
def test_host_does_not_move_the_data(
    home: Path, moved: str, caplog: pytest.LogCaptureFixture
) -> None:
    (home / moved).mkdir(parents=True)

    settings = [
        Settings.load({"XDG_DATA_HOME": place})
        for place in (str(home / moved), "relative", "", " ")
    ]

    assert {each.data_dir for each in settings} == {home / ".local/share/loopin-mcp"}
    assert caplog.messages == []


@pytest.mark.parametrize("is_used_here", [False, True])
def test_data_of_an_earlier_version_is_kept_or_named(
    home: Path, caplog: pytest.LogCaptureFixture, *, is_used_here: bool
) -> None:
    here = home / ".local/share/loopin-mcp"
    moved = used(home / "snap/code/174/.local/share/loopin-mcp")
    if is_used_here:
        used(here)

    settings = Settings.load({"XDG_DATA_HOME": str(moved.parent)})

    first, second = (here, moved) if is_used_here else (moved, here)
    assert settings.data_dir == first
    [warning] = caplog.messages
    assert warning.startswith(f"This uses the data in {first}. Hosts with ")
    assert f"may use {second}. Set LOOPIN_DATA_DIR" in warning


def test_data_of_a_client_of_another_api_is_not_looked_for(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    moved = used(home / "snap/code/174/.local/share/loopin-mcp")

    Settings.load({"XDG_DATA_HOME": str(moved.parent), "LOOPIN_API_URL": "https://loopin.test"})

    assert caplog.messages == []


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_other_systems_have_their_own_places(
    home: Path, monkeypatch: pytest.MonkeyPatch, platform: str
) -> None:
    monkeypatch.setattr(sys, "platform", platform)

    moved = Settings.load({"XDG_DATA_HOME": "/snap/x"}).data_dir

    assert moved.is_absolute()
    assert not moved.is_relative_to("/snap/x")


@pytest.fixture(params=["no home", "relative home"])
def homeless(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_: int) -> None:
        raise KeyError

    if request.param == "no home":
        monkeypatch.delenv("HOME", raising=False)
        monkeypatch.setattr(pwd, "getpwuid", nobody)
    else:
        monkeypatch.setenv("HOME", "somewhere")


@pytest.mark.usefixtures("homeless")
async def test_user_without_a_home_is_refused_when_data_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings.load({}, "api")

    with pytest.raises(ConfigurationError, match=NO_HOME):
        load_api_key(settings.data_dir)
    with pytest.raises(ConfigurationError, match=NO_HOME):
        await open_database(None, settings.data_dir)
    with pytest.raises(ConfigurationError, match=NO_HOME):
        async with open_archive(settings, embedded=False):
            pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("homeless")
async def test_user_without_a_home_can_name_a_place(tmp_path: Path) -> None:
    named = Settings.load({"LOOPIN_DATA_DIR": str(tmp_path / "named")}, "api")
    moved = Settings.load({"XDG_DATA_HOME": str(tmp_path)}, "api")
    await (await open_database(None, named.data_dir)).aclose()

    assert moved.data_dir == tmp_path / "loopin-mcp"
    assert Settings.load({"LOOPIN_API_URL": "https://loopin.test"}).default_user_id is None


@pytest.mark.subprocess
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--version"], 0, ""),
        (["api"], 1, "set LOOPIN_DATA_DIR"),
        (["audit", "verify"], 1, "set LOOPIN_DATA_DIR"),
        (["inbox", "--no-browser"], 1, "set LOOPIN_DATA_DIR"),
    ],
)
def test_no_command_ends_in_a_traceback_without_a_home(
    tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    environment = clean_environment(LOOPIN_PORT="0", PORT="0")
    for name in ("HOME", "LOGNAME", "USER", "LNAME", "USERNAME"):
        environment.pop(name, None)
    (tmp_path / "start.py").write_text(START)
    outcome = subprocess.run(
        [sys.executable, str(tmp_path / "start.py"), *arguments],
        env=environment | {"PYTHONPATH": os.pathsep.join(sys.path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert "Traceback" not in outcome.stderr
    assert said in outcome.stderr
    assert outcome.returncode == code
