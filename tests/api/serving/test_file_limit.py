"""A process that may open few files never runs out of them."""

import sys
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import pytest

from tests.support import PATIENCE_S, ServedAPI
from tests.support.sockets import GET_HEALTH, Target, connecting

pytestmark = pytest.mark.subprocess

FEW_FILES = ("sh", "-c", 'ulimit -n 320; exec "$@"', "sh")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
async def test_crowd_takes_no_file_that_the_api_needs(tmp_path: Path) -> None:
    served = ServedAPI(tmp_path, {}, launcher=FEW_FILES)
    try:
        async with connecting(urlsplit(served.url).port or 0) as api:
            await crowd(api, 400)

            assert (await api.ask(GET_HEALTH))[0] == 200
            await api.create()
    finally:
        logged = served.stop()

    assert logged == "Stopped.\n"


async def crowd(api: Target, count: int) -> None:
    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            for _ in range(count):
                tasks.start_soon(api.connect)
