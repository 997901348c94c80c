"""The port of its own that serves only metrics."""

import re
import socket
import sys
from pathlib import Path

import anyio
import httpx
import pytest

from loopin_mcp.api.serving.serving import serve_alone
from loopin_mcp.errors import ConfigurationError
from loopin_mcp.settings.settings import Settings
from tests.support import KEY, PATIENCE_S
from tests.support.questions import NEW
from tests.support.scrapes import scrape


def settings_of(data_dir: Path, metrics_port: int = 0) -> Settings:
    return Settings(data_dir=data_dir, port=0, metrics_port=metrics_port, api_key_secret=KEY)


async def test_port_serves_metrics_without_a_key_and_nothing_else(tmp_path: Path) -> None:
    said: list[str] = []
    started = anyio.Event()

    def say(text: str) -> None:
        said.append(text)
        started.set()

    async def serve() -> None:
        await serve_alone(settings_of(tmp_path), insecure=False, say=say)

    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(serve)
            await started.wait()
            api_url, metrics_url = re.findall(
                r"(?:API on|Metrics:) (http://127.0.0.1:\d+)", said[0]
            )
            async with httpx.AsyncClient(base_url=metrics_url, timeout=PATIENCE_S) as scraper:
                asked = f"{api_url}/interrupts"
                await scraper.post(asked, json=NEW, headers={"X-API-Key": KEY})
                found = await scrape(scraper, "loopin_interrupts_created_total")
                others = [
                    (await scraper.get(path, headers={"X-API-Key": KEY})).status_code
                    for path in ("/", "/interrupts/pending/u", "/health")
                ]
                with_key = (await scraper.get(f"{api_url}/metrics")).status_code
            tasks.cancel_scope.cancel()

    assert found == {"loopin_interrupts_created_total urgency=medium": 1}
    assert others == [404, 404, 404]
    assert with_key == 401


async def test_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        settings = settings_of(tmp_path, other.getsockname()[1])
        with pytest.raises(ConfigurationError, match="Set METRICS_PORT or HOST to another"):
            await serve_alone(settings, insecure=False, say=print)


async def test_without_the_extra_the_port_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)

    with pytest.raises(ConfigurationError, match="METRICS_PORT cannot be used. Metrics need the"):
        await serve_alone(settings_of(tmp_path), insecure=False, say=print)
