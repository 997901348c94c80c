"""Hints that a file was written to: soon where the system tells, now and then elsewhere."""

import errno
import sys
from pathlib import Path

import anyio
import pytest

from loopin_mcp.api.database import filewatch
from loopin_mcp.api.database.filewatch import Inotify, Polling, watch
from tests.support import PATIENCE_S


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has inotify")
async def test_write_is_hinted_at_and_looked_after_for_a_moment(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.touch()
    inotify = watch(path)
    assert isinstance(inotify, Inotify)

    with anyio.fail_after(PATIENCE_S):
        # The first hints come without a write, as one may have been before the watch began.
        for _ in filewatch.LOOK_AGAIN_S:
            await inotify.hint()
        path.write_text("written")
        for _ in filewatch.LOOK_AGAIN_S:
            await inotify.hint()
    inotify.close()


async def test_polling_hints_again_and_again() -> None:
    polling = Polling()

    with anyio.fail_after(PATIENCE_S):
        await polling.hint()
        await polling.hint()
    polling.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has inotify")
def test_file_that_cannot_be_watched_is_polled(tmp_path: Path) -> None:
    assert isinstance(watch(tmp_path / "missing"), Polling)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has inotify")
def test_too_many_watches_mean_polling(tmp_path: Path) -> None:
    import resource

    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        with pytest.raises(OSError, match="inotify") as refusal:
            Inotify(tmp_path)
        found = watch(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)

    assert refusal.value.errno == errno.EMFILE
    assert isinstance(found, Polling)
