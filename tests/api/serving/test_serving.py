"""The start of `loopin-mcp api`, up to its listening socket."""

import socket
import threading
from typing import NoReturn

import pytest

from loopin_mcp.api.serving import serving
from loopin_mcp.errors import ConfigurationError
from loopin_mcp.settings.settings import Settings


async def test_name_of_the_host_is_looked_up_beside_the_event_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads: list[threading.Thread] = []

    def look_up(host: str, port: int) -> NoReturn:
        threads.append(threading.current_thread())
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(serving, "listen", look_up)
    settings = Settings(host="nowhere.example", api_key_secret="k" * 32)
    with pytest.raises(ConfigurationError, match="on nowhere.example port 3002: Name"):
        await serving.serve_alone(settings, insecure=False, say=print)

    assert threads != [threading.current_thread()]
