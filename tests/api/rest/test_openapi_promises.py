"""The OpenAPI document holds for generated requests (schemathesis)."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import KEY, clean_environment

REVIEWERS = {"REVIEWER_KEYS": f"alice={'a' * 32}"}
MOST_S = 280
HOOKS = "tests.support.fitting_limits"

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("settings", [{}, REVIEWERS], ids=["key", "reviewers"])
def test_every_answer_is_as_the_description_says(
    serve: Callable[..., str], tmp_path: Path, settings: dict[str, str]
) -> None:
    url = serve(API_KEY_SECRET=KEY, RATE_LIMIT="100000", **settings)
    key = settings.get("REVIEWER_KEYS", KEY).rpartition("=")[2]
    options = [
        "--checks",
        "all",
        "--max-examples",
        "10",
        "--seed",
        "1",
        "--header",
        f"X-API-Key: {key}",
    ]

    run = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")),
            "run",
            f"{url}/openapi.json",
            *options,
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=clean_environment(SCHEMATHESIS_HOOKS=HOOKS, PYTHONPATH=str(Path(__file__).parents[3])),
        timeout=MOST_S,
        check=False,
    )

    assert run.returncode == 0, run.stdout
