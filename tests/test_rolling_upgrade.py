"""Copies of two versions on one database, replaced one by one under load: nothing is lost."""

import subprocess
import sys
from pathlib import Path

import anyio
import httpx
import pytest

from tests.support import PATIENCE_S, Copies, ServedAPI, clean_environment
from tests.support.questions import NEW
from tests.support.releases import last_release, next_release
from tests.support.traffic import Traffic

pytestmark = [pytest.mark.slow, pytest.mark.subprocess]


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """The settings of all copies, with one database of each kind."""
    common = {
        "LOOPIN_DATA_DIR": str(tmp_path / "data"),
        "LOOPIN_BASE_URL": "http://127.0.0.1:3002",
        # Of both versions.
        "RATE_LIMIT": "999999",
    }
    if request.param == "postgresql":
        common["DATABASE_URL"] = request.getfixturevalue("empty_postgres_url")
    return common


def of(release: Path | None) -> dict[str, str]:
    """The setting for this version, or for the release in a directory."""
    return {"PYTHONPATH": str(release)} if release else {}


async def replace_one_by_one(
    copies: Copies, settings: dict[str, str], before: Path | None, after: Path | None
) -> tuple[Traffic, tuple[int, int, int]]:
    """Replace two copies under load; returns what was acknowledged.

    And how a copy of before answers a read, a create and a probe while those of after serve.
    """
    old = [await anyio.to_thread.run_sync(copies.start, settings | of(before)) for _ in range(2)]
    traffic = Traffic([copy.url for copy in old])
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(traffic.flow)
        await traffic.until_more()
        new: list[ServedAPI] = []
        for copy in old:
            new.append(await anyio.to_thread.run_sync(copies.start, settings | of(after)))
            traffic.copies.append(new[-1].url)
            await traffic.until_more()
            beside = await answers_of(copy, next(iter(traffic.decided)))
            traffic.copies.remove(copy.url)
            await anyio.to_thread.run_sync(copy.stop)
            await traffic.until_more()
        traffic.stops = True
    await check(traffic, new[0].url)
    return traffic, beside


async def answers_of(copy: ServedAPI, interrupt_id: str) -> tuple[int, int, int]:
    async with httpx.AsyncClient(base_url=copy.url, timeout=PATIENCE_S) as api:
        read = await api.get(f"/interrupts/{interrupt_id}")
        create = await api.post("/interrupts", json=NEW | {"userId": "other"})
        ready = await api.get("/ready")
    return read.status_code, create.status_code, ready.status_code


async def check(traffic: Traffic, url: str) -> None:
    """Check that everything acknowledged exists once, as it was acknowledged."""
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_S) as api:
        for interrupt_id in traffic.created.values():
            status = (await api.get(f"/interrupts/{interrupt_id}")).json()["status"]
            if interrupt_id in traffic.doubtful:
                continue
            assert status == traffic.decided[interrupt_id]
        decide = f"/interrupts/{next(iter(traffic.decided))}/decide"
        assert (await api.post(decide, json={"decision": "approved"})).status_code == 409
        count = (await api.get("/analytics/u")).json()["totalInterrupts"]
    in_doubt = len(traffic.doubtful.difference(traffic.created.values()))
    assert len(traffic.created) <= count <= len(traffic.created) + in_doubt


def verify(settings: dict[str, str], release: Path | None) -> str:
    run = subprocess.run(
        [sys.executable, "-m", "loopin_mcp", "audit", "verify"],
        env=clean_environment(**settings, **of(release)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


async def test_copies_of_the_last_release_read_until_they_are_replaced_and_nothing_is_lost(
    copies: Copies, settings: dict[str, str], tmp_path: Path
) -> None:
    before = await anyio.to_thread.run_sync(last_release, tmp_path)

    traffic, beside = await replace_one_by_one(copies, settings, before, None)

    # It would store changes without their events. It does not know /ready.
    assert beside == (200, 503, 404)
    assert len(traffic.decided) >= 100
    assert "no tampering found" in verify(settings, None)


async def test_copies_of_this_version_serve_beside_the_next_one_and_nothing_is_lost(
    copies: Copies, settings: dict[str, str], tmp_path: Path
) -> None:
    after = next_release(tmp_path)

    traffic, beside = await replace_one_by_one(copies, settings, None, after)

    assert beside == (200, 201, 200)
    assert len(traffic.decided) >= 100
    assert "no tampering found" in verify(settings, after)
