"""The proxy of the compose file does what the API needs: TLS, host names, events and waits."""

import os
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import anyio
import httpx
import pytest

from tests.packaging.conftest import PROJECT
from tests.support import KEY, PATIENCE_S, START_TIMEOUT_S, missing
from tests.support.over_http import LIST
from tests.support.visitors import ALICES_KEY, sign_in

CADDYFILE = (PROJECT / "packaging/docker/Caddyfile").read_text(encoding="utf-8")
# So that a test needs no right of the machine, and changes nothing in it.
OPTIONS = "{\n\tadmin off\n\tskip_install_trust\n\tauto_https disable_redirects\n}\n"
REQUEST = {"agentId": "a", "userId": "u", "action": "Pay", "context": {}}
APPROVED = {"decision": "approved"}


@pytest.fixture
def proxied(serve: Callable[..., str], free_port: int, tmp_path: Path) -> Iterator[str]:
    """The public URL of an API behind Caddy."""
    caddy = shutil.which("caddy") or missing("Caddy")
    url = f"https://localhost:{free_port}"
    api = serve(API_KEY_SECRET=KEY, REVIEWER_KEYS=f"alice={ALICES_KEY}", LOOPIN_BASE_URL=url)
    (tmp_path / "Caddyfile").write_text(OPTIONS + CADDYFILE, encoding="utf-8")
    environment = os.environ | {
        "PUBLIC_NAME": f"localhost:{free_port}",
        "UPSTREAM": api.removeprefix("http://"),
        "XDG_DATA_HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path),
    }
    command = [caddy, "run", "--adapter", "caddyfile", "--config", str(tmp_path / "Caddyfile")]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert any("certificate obtained" in line for line in process.stderr)
        yield url
        process.terminate()
        process.stderr.read()


@pytest.fixture
async def agent(
    proxied: str, tmp_path: Path, anyio_backend: str
) -> AsyncIterator[httpx.AsyncClient]:
    """An agent that trusts the certificate which Caddy made."""
    root = tmp_path / "caddy/pki/authorities/local/root.crt"
    trusted = ssl.create_default_context(cafile=root)
    async with httpx.AsyncClient(base_url=proxied, verify=trusted, timeout=90) as client:
        client.headers["X-API-Key"] = KEY
        await connected(client)
        yield client


async def connected(client: httpx.AsyncClient) -> None:
    """Return once Caddy uses its certificate, soon after it says that it has it."""
    with anyio.fail_after(PATIENCE_S):
        while True:
            with suppress(httpx.ConnectError):
                await client.get("/health")
                return


async def test_proxy_passes_on_host_names_and_events_as_they_come(
    proxied: str, agent: httpx.AsyncClient
) -> None:
    ask = partial(agent.post, f"{proxied}/interrupts", json=REQUEST)
    agent.headers["Origin"] = proxied
    signed_in = await sign_in(agent, ALICES_KEY)

    with anyio.fail_after(START_TIMEOUT_S):
        async with agent.stream("GET", "/inbox/events") as stream:
            lines = stream.aiter_lines()
            changes = (line async for line in lines if line == "event: changed")
            await anext(changes)
            await ask()
            await anext(changes)

    assert signed_in.status_code == 303


async def test_proxy_lets_an_agent_wait_for_the_decision(
    proxied: str, agent: httpx.AsyncClient
) -> None:
    created = (await agent.post("/interrupts", json=REQUEST)).json()
    place = f"/interrupts/{created['interruptId']}"
    decide = partial(
        agent.post, f"{place}/decide", json=APPROVED, headers={"X-API-Key": ALICES_KEY}
    )

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(decide)
        read = await agent.get(place, headers={"Prefer": "wait=60"})

    assert created["reviewUrl"].startswith(f"{proxied}/review/")
    assert read.json()["status"] == "approved"
    assert read.headers["Preference-Applied"] == "wait=60"


async def test_hosts_use_mcp_under_the_public_name(agent: httpx.AsyncClient) -> None:
    headers = {"Authorization": f"Bearer {KEY}", "Accept": "application/json, text/event-stream"}

    answer = await agent.post("/mcp", json=LIST, headers=headers)

    assert answer.status_code == 200
    assert "create_interrupt" in answer.text
