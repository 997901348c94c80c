"""Another user of the machine, and someone on the network, get nothing from an API."""

import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme

from loopin_mcp import LoopinClient, UnreachableError
from tests.api.outbox.test_callback_client import server_side
from tests.support import KEY, START_TIMEOUT_S
from tests.support.browser import browser_of
from tests.support.receiver import receiving
from tests.support.threats import SETUPS, embedded, is_root, running
from tests.test_docs import SECURITY, table

THREATS = {threat: cells for threat, *cells in table(SECURITY, "Who tries")}
# All readable files, and everything visible of running programs.
SNOOP = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ {place}/*.html {place}/data/* | tr '\\0' ' '"

needs_root = pytest.mark.skipif(not is_root(), reason="it takes root to be another user")


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A directory that every user of the machine can read."""
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        Path(place).chmod(0o755)
        yield Path(place)


def look_about(place: Path, user: str) -> str:
    """Everything that this user can see."""
    # Windows has no such module.
    import pwd

    account = pwd.getpwnam(user)
    seen = subprocess.run(
        ["sh", "-c", SNOOP.format(place=place)],  # noqa: S607 - the shell that there is
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        user=account.pw_uid,
        group=account.pw_gid,
        extra_groups=[],
        check=False,
    )
    return seen.stdout.decode(errors="replace")


def test_readme_claims_what_is_tried_here() -> None:
    users, listeners = (
        THREATS[who]
        for who in ("Another user of the machine", "Somebody who listens on the network")
    )

    assert users == ["yes ⁴"] * 6
    assert listeners == ["yes"] * 3 + ["yes, with `https://`"] * 2 + ["yes"]


@pytest.mark.subprocess
@needs_root
@pytest.mark.parametrize("column", range(len(SETUPS)))
def test_another_user_of_the_machine_sees_no_key_and_no_link(column: int, open_place: Path) -> None:
    with running(column, open_place / "data") as setup:
        interrupt_id, _ = setup.ask_human()
        secrets = [setup.agents_key, setup.humans_key, interrupt_id]
        seen, by_its_owner = look_about(open_place, "nobody"), look_about(open_place, "root")

    assert [secret for secret in secrets if secret in seen] == []
    assert [secret for secret in secrets if secret not in by_its_owner] == []


@pytest.mark.subprocess
@needs_root
def test_another_user_does_not_see_the_link_that_the_browser_opens(open_place: Path) -> None:
    with receiving() as receiver:
        desktop = browser_of(receiver, open_place)
        with embedded(open_place / "data", LOOPIN_OPEN_REVIEW="on", **desktop) as setup:
            setup.ask_human()
            token = receiver.next(START_TIMEOUT_S)["url"].rpartition("/")[2]
            seen, by_its_owner = look_about(open_place, "nobody"), look_about(open_place, "root")

    assert (token in seen, token in by_its_owner) == (False, True)


@pytest.mark.subprocess
@pytest.mark.skipif(not Path("/proc").exists(), reason="all of 127.0.0.0/8 is there on Linux alone")
@pytest.mark.parametrize("column", range(3))
def test_embedded_api_listens_on_its_own_address_alone(column: int, tmp_path: Path) -> None:
    with running(column, tmp_path / "data") as setup:
        port = urlsplit(setup.ask_human()[1]).port or 0

        socket.create_connection(("127.0.0.1", port)).close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", port)).close()


@pytest.mark.parametrize("name", ["127.0.0.1", "another.test"])
async def test_key_is_sent_to_no_server_that_proves_not_who_it_is(name: str) -> None:
    with receiving(tls=server_side(trustme.CA(), name)) as listener:
        async with LoopinClient(f"https://127.0.0.1:{listener.server_port}", KEY) as client:
            with pytest.raises(UnreachableError):
                await client.get_interrupt_status("x")

    assert listener.received == []
