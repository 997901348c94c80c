"""The commands of the Dockerfile, run without a container: they install, serve and check."""

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from loopin_mcp.settings.settings import Settings
from tests.packaging.conftest import PROJECT
from tests.support import KEY, START_TIMEOUT_S, ServedAPI, clean_environment

DOCKERFILE = (PROJECT / "packaging/docker/Dockerfile").read_text(encoding="utf-8")
LINES = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", "").splitlines()
HEALTHCHECK = json.loads(DOCKERFILE.partition("    CMD ")[2].splitlines()[0])
SETTINGS = Settings.load({})
PORT, MCP_PORT = str(SETTINGS.port), str(SETTINGS.mcp_port)


def instructions(name: str) -> list[str]:
    return [line.removeprefix(name).strip() for line in LINES if line.startswith(f"{name} ")]


ENV = dict(word.split("=", 1) for line in instructions("ENV") for word in shlex.split(line))


@pytest.fixture(scope="module")
def installed(uv: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the first stage installs; `uv` stands for the registries that it needs."""
    place = tmp_path_factory.mktemp("image")
    source, prefix = place / "source", place / "loopin"
    source.mkdir()
    for copied in instructions("COPY"):
        if not copied.startswith("--from"):
            *names, into = copied.split()
            for name in names:
                if (PROJECT / name).is_dir():
                    shutil.copytree(PROJECT / name, source / into)
                else:
                    shutil.copyfile(PROJECT / name, source / into / name)
    command = instructions("RUN")[0].replace("/opt/loopin", str(prefix))
    subprocess.run(["/bin/sh", "-e", "-c", command], cwd=source, check=True, capture_output=True)
    return prefix


@pytest.mark.slow
def test_installed_api_serves_and_its_health_is_checked(installed: Path, tmp_path: Path) -> None:
    environment = clean_environment(**ENV | {"PATH": f"{installed}/bin:{os.environ['PATH']}"})

    served = ServedAPI(
        tmp_path / "data",
        {"API_KEY_SECRET": KEY, "LOOPIN_HOST": ENV["LOOPIN_HOST"]},
        python=str(installed / "bin/python"),
    )

    port = served.url.rpartition(":")[2]
    probe = [word.replace(PORT, port) for word in HEALTHCHECK]
    try:
        up = subprocess.run(probe, env=environment, timeout=START_TIMEOUT_S, check=False)
    finally:
        served.stop()
    down = subprocess.run(
        probe, env=environment, timeout=START_TIMEOUT_S, capture_output=True, check=False
    )
    assert (up.returncode, down.returncode != 0) == (0, True)


def test_image_has_all_that_an_api_and_a_server_need(installed: Path) -> None:
    names = "psycopg, psycopg_pool, uvloop, apprise, http_ece, py_vapid"

    subprocess.run([installed / "bin/python", "-c", f"import {names}"], check=True)
    version = subprocess.run(
        [installed / "bin/loopin-mcp", "--version"], capture_output=True, text=True, check=True
    )

    assert instructions("ENTRYPOINT") == ['["loopin-mcp"]']
    assert version.stdout.startswith("loopin-mcp, version ")


def test_image_runs_as_nobody_and_owns_only_its_data() -> None:
    [user] = instructions("USER")
    [made] = [line for line in instructions("RUN") if line.startswith("install")]

    assert user == "10001:10001"
    assert made == f"install -d -m 700 -o 10001 -g 10001 {ENV['LOOPIN_DATA_DIR']}"
    assert instructions("EXPOSE") == [f"{PORT} {MCP_PORT}"]
