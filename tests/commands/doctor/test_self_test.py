"""What the doctor says about the command that hosts can start."""

import pytest

from loopin_mcp.commands.doctor import self_test
from loopin_mcp.errors import ConfigurationError
from tests.support.secrets import LONG, shows_secret

pytestmark = pytest.mark.subprocess


@pytest.mark.parametrize(
    ("launcher", "status", "said"),
    [
        (["/bin/loopin-mcp"], "pass", "/bin/loopin-mcp"),
        (["/bin/uvx", "--from", f"git+https://{LONG}@x"], "pass", "/bin/uvx with 2 arguments"),
        (None, "failure", "This runs from a cache"),
    ],
)
async def test_launcher_is_named_without_what_it_installs_from(
    monkeypatch: pytest.MonkeyPatch, launcher: list[str] | None, status: str, said: str
) -> None:
    def find_launcher(_environment: object) -> list[str]:
        if launcher is None:
            raise ConfigurationError("This runs from a cache. Install it.")
        return launcher

    monkeypatch.setattr(self_test, "find_launcher", find_launcher)
    monkeypatch.setattr(self_test, "ANSWER_S", 0)

    _, found, *_ = await self_test.check_itself({})

    assert (found.name, found.status, found.found) == ("Launcher", status, said)
    assert not shows_secret(repr(found))
