"""The workflow of a release publishes this version, with no more rights than each job needs."""

import json
import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml

from tests.packaging.conftest import PROJECT
from tests.support import missing

WORKFLOWS = PROJECT / ".github/workflows"
JOBS = yaml.safe_load((WORKFLOWS / "release.yml").read_text(encoding="utf-8"))["jobs"]
PUBLISHING = {"pypi", "image", "release", "registry"}


def needs(job: str) -> set[str]:
    """The jobs that have succeeded before this one starts."""
    given = JOBS[job].get("needs", [])
    return {*given, *(earlier for each in given for earlier in needs(each))}


def scripts(job: str) -> list[str]:
    return [step["run"] for step in JOBS[job]["steps"] if "run" in step]


def runs_bash(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    bash = shutil.which("bash") or missing("bash")
    return subprocess.run(
        [bash, "-e", "-c", script],
        cwd=PROJECT,
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("job", sorted(PUBLISHING))
def test_nothing_is_published_before_the_tests_and_the_build_succeeded(job: str) -> None:
    assert needs(job) >= {"test", "build"}


def test_each_job_has_only_the_rights_that_it_needs() -> None:
    rights: dict[str, Any] = {name: job["permissions"] for name, job in JOBS.items()}
    writing = {
        name: {right for right, level in rights[name].items() if level == "write"} for name in JOBS
    }

    assert writing == {
        "test": set(),
        "build": {"id-token", "attestations"},
        "pypi": {"id-token"},
        "image": {"id-token", "attestations", "packages"},
        "release": {"contents"},
        "registry": {"id-token"},
    }


def test_workflow_stores_no_secret() -> None:
    text = (WORKFLOWS / "release.yml").read_text(encoding="utf-8")

    assert re.findall(r"\bsecrets\.\w+", text) == []


@pytest.mark.subprocess
def test_image_is_tagged_with_the_version_that_the_files_name() -> None:
    [line] = [line for line in scripts("image")[1].splitlines() if line.startswith("version=")]

    found = runs_bash(f"{line}\necho $version")

    listed = json.loads((PROJECT / "server.json").read_text(encoding="utf-8"))["version"]
    assert found.stdout == f"{listed}\n"


@pytest.mark.subprocess
@pytest.mark.parametrize(
    ("tag", "kind"),
    [("v1.2.0", "--latest"), ("v1.2.0rc1", "--prerelease"), ("v1.2.0.dev1", "--prerelease")],
)
def test_only_a_final_version_becomes_the_latest_release(tag: str, kind: str) -> None:
    [script] = scripts("release")

    asked = runs_bash(script.replace("gh release", "echo"), GITHUB_REF_NAME=tag)

    assert asked.stdout.split()[:2] == ["create", tag]
    assert kind in asked.stdout.split()
